package chain

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
)

var (
	errNotPKCS7 = errors.New("not a PKCS#7 message with certificates")
	errNoIssuer = errors.New("neither a certificate nor PKCS#7 with certificates")
)

// ParseIssuers returns the certificates in what an AIA caIssuers URL may lead
// to (RFC 5280 section 4.2.2.1): DER, PEM, or PKCS#7 in either. One that cannot
// be parsed is passed over where there are others. Signatures of a message are
// not looked at: what the certificates are good for, only the signature on the
// leaf can tell.
func ParseIssuers(in []byte) ([]*x509.Certificate, error) {
	ders, err := splitIssuers(in)
	var certs []*x509.Certificate
	for i, der := range ders {
		cert, bad := x509.ParseCertificate(der)
		if bad != nil {
			err = errors.Join(err, fmt.Errorf("certificate %d: %w", i+1, bad))
			continue
		}
		certs = append(certs, cert)
	}
	switch {
	case len(certs) > 0:
		return certs, nil
	case errors.Is(err, ErrNotChain), errors.Is(err, ErrIncomplete): // which speak of files
		return nil, errNoIssuer
	}
	return nil, err
}

// splitIssuers is split for what only holds issuers: there the formats of
// caIssuers are welcome too.
func splitIssuers(in []byte) ([][]byte, error) {
	ders, err := split(in)
	if !errors.Is(err, ErrNotChain) {
		return ders, err
	}
	if len(in) > 0 && in[0] == tagSequence {
		if ders, pkcs7Err := splitPKCS7(in); pkcs7Err == nil {
			return ders, nil
		}
		return nil, err
	}
	for blocks := (pemBlocks{rest: in, fresh: true}); blocks.next(); {
		switch string(blocks.label) {
		case "PKCS7", "CMS", "PKCS #7 SIGNED DATA":
			message, decodeErr := blocks.decode(readMessage)
			if decodeErr != nil {
				return nil, decodeErr
			}
			return splitPKCS7(message)
		}
	}
	return nil, err
}

func readMessage(in []byte) ([]byte, error) {
	_, _, whole, _, ok := readBER(in, berDepth)
	if !ok {
		return nil, errNotPKCS7
	}
	return whole, nil
}

// Identifier octets, as far as a certs-only message has them.
const (
	tagInteger  = 0x02
	tagOID      = 0x06
	tagSequence = 0x30
	tagSet      = 0x31
	tagZero     = 0xa0 // [0], constructed
)

// splitPKCS7 cuts a certs-only CMS message (RFC 5652 section 5.1) into its
// certificates.
func splitPKCS7(message []byte) (ders [][]byte, err error) {
	signedData := []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02}
	in := &berReader{rest: message}
	info := in.enter(tagSequence)
	id := info.enter(tagOID)
	content := info.enter(tagZero)
	signed := content.enter(tagSequence)
	signed.enter(tagInteger)  // version
	signed.enter(tagSet)      // digest algorithms
	signed.enter(tagSequence) // what was signed
	certs := signed.enter(tagZero)
	if certs.failed || len(in.rest)+len(info.rest)+len(content.rest) > 0 || !bytes.Equal(id.rest, signedData) {
		return nil, errNotPKCS7
	}
	for len(certs.rest) > 0 {
		tag, _, whole, rest, ok := readBER(certs.rest, berDepth)
		if !ok {
			return nil, errNotPKCS7
		}
		if tag == tagSequence { // the other choices are attribute certificates
			ders = append(ders, bytes.Clone(whole))
		}
		certs.rest = rest
	}
	if len(ders) == 0 {
		return nil, errNotPKCS7
	}
	return ders, nil
}

// berReader goes through the elements of a message one by one. After one that
// is not as expected all others fail.
type berReader struct {
	rest   []byte
	failed bool
}

// enter reads the next element and returns a reader of its content.
func (r *berReader) enter(want byte) *berReader {
	tag, content, _, rest, ok := readBER(r.rest, berDepth)
	if r.failed || !ok || tag != want {
		r.failed = true
		return r
	}
	r.rest = rest
	return &berReader{rest: content}
}

// berDepth is how many elements without a length may stand in each other. A
// message has five of them at most.
const berDepth = 16

// readBER reads one element in BER, which such messages may be in: Java's
// libraries write them without lengths, with an end mark (X.690 section 8.1.3.6).
func readBER(in []byte, depth int) (tag byte, content, whole, rest []byte, ok bool) {
	if len(in) < 2 || in[0]&0x1f == 0x1f || depth == 0 { // long tags are not in use here
		return 0, nil, nil, nil, false
	}
	tag, body := in[0], in[2:]
	length := int(in[1])
	switch {
	case length == 0x80:
		if tag&0x20 == 0 {
			return 0, nil, nil, nil, false // only what has parts has an end mark
		}
		for rest = body; !bytes.HasPrefix(rest, []byte{0, 0}); {
			if _, _, _, rest, ok = readBER(rest, depth-1); !ok {
				return 0, nil, nil, nil, false
			}
		}
		content, rest = body[:len(body)-len(rest)], rest[2:]
		return tag, content, in[:len(in)-len(rest)], rest, true
	case length > 0x80:
		octets := length & 0x7f
		if octets > 4 || len(body) < octets {
			return 0, nil, nil, nil, false
		}
		length = 0
		for _, b := range body[:octets] {
			length = length<<8 | int(b)
		}
		body = body[octets:]
	}
	if length < 0 || length > len(body) {
		return 0, nil, nil, nil, false
	}
	rest = body[length:]
	return tag, body[:length], in[:len(in)-len(rest)], rest, true
}
