package staple

import (
	"encoding/asn1"
	"fmt"
	"time"
)

// Reason says in one word why bytes are not a staple. The words are public:
// they stand in logs, metric labels, JSON and in what `restaple verify` says.
type Reason string

// Every reason there is.
const (
	Malformed         Reason = "malformed"
	ResponderError    Reason = "responder-error"
	BadSignature      Reason = "bad-signature"
	WeakAlgorithm     Reason = "weak-algorithm"
	NotAuthorized     Reason = "responder-not-authorized"
	NoMatch           Reason = "no-match"
	WrongIssuer       Reason = "wrong-issuer"
	Expired           Reason = "expired"
	NotYetValid       Reason = "not-yet-valid"
	BadWindow         Reason = "bad-window"
	BadProducedAt     Reason = "bad-produced-at"
	IsRevoked         Reason = "revoked"
	IsUnknown         Reason = "unknown"
	CriticalExtension Reason = "critical-extension"
	TooLarge          Reason = "too-large"
)

// Reasons returns every reason there is, in the order in which they are
// looked for. The set is closed: metrics have a series for each.
func Reasons() []Reason {
	return []Reason{
		TooLarge, Malformed, ResponderError, WrongIssuer, WeakAlgorithm, NotAuthorized, BadSignature, NoMatch,
		CriticalExtension, BadWindow, NotYetValid, Expired, BadProducedAt, IsRevoked, IsUnknown,
	}
}

// Error says why a response is not a staple.
type Error struct {
	Reason Reason
	Detail string // for people; names the values that decided

	// ResponderStatus is the responseStatus if Reason is ResponderError
	// (RFC 6960 section 4.2.1), such as "tryLater".
	ResponderStatus string

	// Statement is what the response says if all of it verified and only
	// its message makes it no staple: Reason is IsRevoked or IsUnknown.
	// A policy may publish it; nothing else may.
	Statement *Staple

	// ThisUpdate and NextUpdate are set if the response was authentic and
	// about the leaf, but out of its time (Expired, NotYetValid).
	ThisUpdate, NextUpdate time.Time
}

// Error implements error: the reason, then the detail.
func (e *Error) Error() string {
	if e.Detail == "" {
		return string(e.Reason)
	}
	return string(e.Reason) + ": " + e.Detail
}

func reject(reason Reason, format string, args ...any) *Error {
	return &Error{Reason: reason, Detail: fmt.Sprintf(format, args...)}
}

// dotted writes the content octets of an object identifier as people do.
func dotted(oid []byte) string {
	if len(oid) > 127 {
		return "that is too long to name"
	}
	var id asn1.ObjectIdentifier
	if _, err := asn1.Unmarshal(append([]byte{asn1.TagOID, byte(len(oid))}, oid...), &id); err != nil {
		return fmt.Sprintf("%x", oid)
	}
	return id.String()
}
