package answer

// status is the responseStatus of an OCSP response that says no more (RFC 6960
// section 4.2.1).
type status byte

const (
	malformedRequest status = 1
	internalError    status = 2
	tryLater         status = 3
	unauthorized     status = 6

	// ended is for no client: the keeper asks nobody any more.
	ended status = 0xff

	// landed is for no client either: what it looked for in vain has come
	// since.
	landed status = 0xfe
)

// der is an OCSPResponse without responseBytes. Such responses are not signed.
func (s status) der() []byte { return []byte{0x30, 0x03, 0x0a, 0x01, byte(s)} }
