package staple

import (
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// The extensions that may be critical, each only where its RFC puts it.
const (
	oidNonce          = "\x2b\x06\x01\x05\x05\x07\x30\x01\x02"     // RFC 6960 section 4.4.1, RFC 9654
	oidCRLReference   = "\x2b\x06\x01\x05\x05\x07\x30\x01\x03"     // section 4.4.2
	oidArchiveCutoff  = "\x2b\x06\x01\x05\x05\x07\x30\x01\x06"     // section 4.4.4
	oidExtendedRevoke = "\x2b\x06\x01\x05\x05\x07\x30\x01\x09"     // section 4.4.8
	oidSCTList        = "\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x05" // RFC 6962 section 3.3
)

// checkCritical refuses critical extensions that are not understood, of the
// response and of what it says of the leaf (RFC 6960 section 4.4). What it
// says of others is none of our business.
func (r *response) checkCritical(ours []single) error {
	for _, e := range r.extensions {
		switch string(e.oid) {
		case oidNonce, oidExtendedRevoke:
		default:
			if e.critical {
				return reject(CriticalExtension, "the response has the unknown critical extension %s", dotted(e.oid))
			}
		}
	}
	for _, s := range ours {
		for _, e := range s.extensions {
			switch string(e.oid) {
			case oidSCTList, oidCRLReference, oidArchiveCutoff:
			default:
				if e.critical {
					return reject(CriticalExtension, "the SingleResponse has the unknown critical extension %s", dotted(e.oid))
				}
			}
		}
	}
	return nil
}

// nonce returns the response's nonce, or nil.
func (r *response) nonce() []byte {
	for _, e := range r.extensions {
		if string(e.oid) != oidNonce {
			continue
		}
		in, inner := e.value, cryptobyte.String(nil)
		if in.ReadASN1(&inner, asn1.OCTET_STRING) && in.Empty() {
			return inner
		}
		return e.value // before RFC 6960 it was not said that it is wrapped
	}
	return nil
}
