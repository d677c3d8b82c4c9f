package prove

import (
	"fmt"

	"github.com/restaple/restaple/agent/staple"
	"github.com/restaple/restaple/watcher/chain"
)

// Result says in one word what a server serves, beside what it should. The
// words are public: they stand in logs, metric labels and JSON.
type Result string

// Every result there is.
const (
	Proven      Result = "proven"        // a good staple, and the one on disk
	Valid       Result = "valid"         // a good staple; there is no file to compare it with
	Nothing     Result = "nothing"       // no staple, and there is none to serve
	NoneServed  Result = "none-served"   // no staple, but one to serve, or a leaf that demands one
	Placeholder Result = "placeholder"   // the unsigned tryLater response
	OlderServed Result = "older-served"  // a good staple, but an older one than on disk
	OlderForNow Result = "older-for-now" // the same, of a server that reads the newer one in time by itself
	NewerServed Result = "newer-served"  // a good staple, newer than the one on disk
	OtherServed Result = "other-served"  // a good staple, neither older nor newer and yet another
	NotOnDisk   Result = "not-on-disk"   // a good staple, where the disk has none (any more)
	OtherLeaf   Result = "other-leaf"    // the server presents a certificate that is not on disk
	Mismatch    Result = "mismatch"      // a response about another certificate than the presented one
	Ended       Result = "ended"         // a staple whose time is over
	Revoked     Result = "revoked"       // a response that says revoked
	Unknown     Result = "unknown"       // a response that says unknown
	Invalid     Result = "invalid"       // a response that does not verify; Finding.Reason says why
	NoIssuer    Result = "no-issuer"     // a response that cannot be verified for want of the issuer
	Unreadable  Result = "unreadable"    // the file on disk cannot be read
	Unreachable Result = "unreachable"   // no connection
	NoHandshake Result = "no-handshake"  // a connection, but no TLS handshake as far as the certificate
)

// Results returns every result there is. The set is closed: metrics have a
// series for each.
func Results() []Result {
	return []Result{
		Proven, Valid, Nothing, NoneServed, Placeholder, OlderServed, OlderForNow, NewerServed, OtherServed, NotOnDisk,
		OtherLeaf, Mismatch, Ended, Revoked, Unknown, Invalid, NoIssuer, Unreadable, Unreachable, NoHandshake,
	}
}

// Finding is what a comparison or a probe has found.
type Finding struct {
	Address Address
	Result  Result
	Reason  staple.Reason // why what is served is no staple; "" if it is one, or there is none
	Detail  string        // for people

	// Same reports whether what is served is what is on disk: the same
	// octets, or no staple where there is none that this server would take,
	// or an older one that it may still serve. A published revocation is the
	// same, too. False if it is not known what
	// is on disk.
	Same bool

	// Staple is what is served if it verified, with any status; else nil.
	Staple *staple.Staple

	// Leaf is the one a server presents; nil without a handshake. Compare
	// leaves it to the caller.
	Leaf *chain.Leaf

	// WrongName reports that the leaf is not for the server name that the
	// address gives. A name that is just the host's is not held against it:
	// localhost may well serve another. Compare leaves it to the caller.
	WrongName bool
}

// OK reports whether clients get a good staple, and the one on disk if there
// is a file to compare it with and the server should have read it by now.
func (f Finding) OK() bool {
	return f.Result == Proven || f.Result == Valid || f.Result == OlderForNow
}

func (f Finding) because(r Result, format string, args ...any) Finding {
	f.Result, f.Detail = r, fmt.Sprintf(format, args...)
	return f
}
