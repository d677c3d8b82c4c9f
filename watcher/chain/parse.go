package chain

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
)

// MaxSize is the size in bytes above which a file is taken for something else
// than a chain. Long bundles with keys have some 20 KiB, the collection of all
// public roots 250 KiB.
const MaxSize = 1 << 20

// Parse returns the certificates in PEM or DER bytes, in their order. Blocks
// with other things in them, keys above all, are skipped and never decoded.
// The error is ErrNotChain if there is no certificate, ErrIncomplete if the
// input ends too early. If some of the certificates cannot be parsed, the
// others are returned together with an error.
func Parse(pemOrDER []byte) ([]*x509.Certificate, error) {
	ders, err := split(pemOrDER)
	if err != nil && len(ders) == 0 {
		return nil, err
	}
	certs := make([]*x509.Certificate, 0, len(ders))
	for i, der := range ders {
		cert, parseErr := x509.ParseCertificate(der)
		if parseErr != nil {
			err = errors.Join(err, fmt.Errorf("certificate %d: %w", i+1, parseErr))
			continue
		}
		certs = append(certs, cert)
	}
	return certs, err
}

// split cuts the input into the DER of its certificates, each in memory of its
// own. Certificates before a broken one are returned together with the error.
func split(in []byte) ([][]byte, error) {
	in = bytes.TrimPrefix(in, byteOrderMark)
	switch {
	case len(bytes.Trim(in, "\x00 \t\r\n")) == 0:
		// Truncated for rewriting, or allocated but not yet written.
		return nil, fmt.Errorf("%w: empty", ErrIncomplete)
	case isDER(in):
		return splitDER(in)
	}
	return splitPEM(in)
}

var (
	begin  = []byte("-----BEGIN ")
	dashes = []byte("-----")

	// byteOrderMark is what editors on Windows begin a file with. OpenSSL
	// passes over it, so that servers load such files.
	byteOrderMark = []byte("\xef\xbb\xbf")
)

func splitPEM(in []byte) (ders [][]byte, err error) {
	blocks := pemBlocks{rest: in, fresh: true}
	for blocks.next() {
		if !isCertificate(blocks.label) {
			continue
		}
		der, bad := blocks.decode(readCertificate)
		if bad != nil {
			err = errors.Join(err, fmt.Errorf("PEM block %d: %w", blocks.count, bad))
			continue
		}
		ders = append(ders, der)
	}
	switch {
	case blocks.cut:
		return ders, fmt.Errorf("%w: PEM block %d has no end", ErrIncomplete, blocks.count)
	case err == nil && len(ders) == 0:
		return nil, ErrNotChain
	}
	return ders, err
}

// isCertificate knows the labels of RFC 7468 section 5 and of OpenSSL.
func isCertificate(label []byte) bool {
	switch string(label) {
	case "CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE":
		return true
	}
	return false
}

// pemBlocks walks over PEM blocks without decoding them. encoding/pem decodes
// all it meets, and a key must not be decoded.
type pemBlocks struct {
	rest  []byte
	fresh bool // rest begins a line or follows an END line directly

	label []byte // of the block found
	block []byte // from its BEGIN to the end of its END
	body  []byte // what is between
	count int    // blocks found so far
	cut   bool   // the last block has no END
}

func (b *pemBlocks) next() bool {
	for {
		line := b.findBegin()
		if line < 0 {
			return false
		}
		b.rest, b.fresh = b.rest[line:], false
		header := b.rest[min(len(begin), len(b.rest)):]
		width := bytes.IndexAny(header, "\r\n")
		if width < 0 {
			width = len(header)
		}
		closing := bytes.Index(header[:width], dashes)
		if closing < 0 {
			if width < len(header) {
				b.rest = header
				continue // a line of text that only looks like a BEGIN
			}
			b.count++
			b.cut = true
			return false
		}
		b.count++
		b.label = header[:closing]
		end := append(append([]byte("-----END "), b.label...), dashes...)
		body := header[closing+len(dashes):]
		length := bytes.Index(body, end)
		if length < 0 {
			b.cut = true
			return false
		}
		b.body = body[:length]
		b.block = b.rest[:len(begin)+closing+len(dashes)+length+len(end)]
		b.rest, b.fresh = b.rest[len(b.block):], true
		return true
	}
}

// findBegin returns where the next BEGIN is, or what of it is there if the
// input ends within. It stands at the start of a line, except where files
// without a final newline were joined.
func (b *pemBlocks) findBegin() int {
	for from := 0; from < len(b.rest); {
		at := bytes.Index(b.rest[from:], dashes[:1])
		if at < 0 {
			return -1
		}
		at += from
		line := len(bytes.TrimSuffix(b.rest[:at], byteOrderMark)) // of files that were joined
		starts := line > 0 && (b.rest[line-1] == '\n' || b.rest[line-1] == '\r') || line == 0 && b.fresh
		if starts {
			seen := b.rest[at:min(at+len(begin), len(b.rest))]
			if len(seen) > len(dashes) && bytes.HasPrefix(begin, seen) {
				return at
			}
		}
		from = at + 1
	}
	return -1
}

// readCertificate takes the certificate in a block, without the trust settings
// that follow it in a TRUSTED CERTIFICATE.
func readCertificate(in []byte) ([]byte, error) {
	element, _, err := cutElement(in)
	if err != nil {
		return nil, errors.New("not a certificate")
	}
	return element, nil
}

// decode returns what read takes of a block's bytes.
func (b *pemBlocks) decode(read func([]byte) ([]byte, error)) ([]byte, error) {
	der := make([]byte, base64.StdEncoding.DecodedLen(len(b.body)))
	n, err := base64.StdEncoding.Decode(der, b.body)
	if err != nil {
		// Spaces, or headers as in RFC 1421: rare, so this way costs nothing.
		block, _ := pem.Decode(append(bytes.Clone(b.block), '\n'))
		if block == nil {
			return nil, errors.New("malformed base64")
		}
		der, n = block.Bytes, len(block.Bytes)
	}
	return read(der[:n])
}
