package profile

import (
	"bytes"
	"crypto"
	"errors"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/restaple/restaple/agent/staple"
	"github.com/restaple/restaple/watcher/chain"
)

// Trait is something about a response that servers or clients react to. The
// words are public: they stand in JSON.
type Trait string

// Every trait there is.
const (
	Blank         Trait = "empty"        // no octets
	PEM           Trait = "pem"          // text, where every server but one wants DER
	Garbage       Trait = "garbage"      // does not parse
	Trailing      Trait = "trailing"     // octets after the response
	TryLater      Trait = "try-later"    // the responder said so; the placeholder does
	Unstapled     Trait = "unstapled"    // try-later, and the leaf demands a staple
	ErrorStatus   Trait = "error-status" // another responseStatus than successful
	Mismatch      Trait = "mismatch"     // about another certificate
	NotAuthorized Trait = "not-authorized"
	BadSignature  Trait = "bad-signature"
	Critical      Trait = "critical-extension"
	BadWindow     Trait = "bad-window"      // nextUpdate before thisUpdate
	Future        Trait = "future"          // thisUpdate up to a day ahead
	FarFuture     Trait = "far-future"      // more than a day ahead
	Expired       Trait = "expired"         // nextUpdate has passed
	Ending        Trait = "ending-soon"     // less than five minutes are left
	SaysUnknown   Trait = "unknown"         // status
	SaysRevoked   Trait = "revoked"         // status
	OddProduced   Trait = "bad-produced-at" // not within the leaf's validity
	LeafEnded     Trait = "leaf-expired"    // the leaf's own time is over
	Multi         Trait = "multi"           // several SingleResponses
	SHA256ID      Trait = "sha256-certid"   // a CertID that is not hashed with SHA-1
	NoNextUpdate  Trait = "no-next-update"
	Old           Trait = "old"      // thisUpdate more than seven days ago
	Over10K       Trait = "over-10k" // more than Traffic Server reads
	Over16K       Trait = "over-16k" // more than HAProxy reads and OpenSSL clients take
	Good          Trait = "good"     // nothing is wrong with it
)

// Traits returns every trait there is. Where a reader reacts to several of
// them equally, the earlier one is what it says.
func Traits() []Trait {
	return []Trait{
		Blank, PEM, Garbage, Unstapled, TryLater, ErrorStatus, Mismatch, NotAuthorized, BadSignature, Critical,
		BadWindow, SaysRevoked, SaysUnknown, Expired, FarFuture, Future, OddProduced, LeafEnded,
		Multi, SHA256ID, NoNextUpdate, Over16K, Over10K, Trailing, Ending, Old, Good,
	}
}

const (
	aDay    = 24 * time.Hour
	oldDays = 7 * aDay
)

// TraitsOf tells what readers will notice about a response for the leaf of c,
// in the order of Traits; nil if the leaf's issuer is missing. A response that
// does not verify is not looked into any further.
func TraitsOf(der []byte, c *chain.Chain, now time.Time) []Trait {
	if c.Issuer == nil {
		return nil
	}
	found := traitsOf(der, c, now)
	if len(found) == 0 {
		return []Trait{Good}
	}
	order := Traits()
	slices.SortFunc(found, func(a, b Trait) int { return slices.Index(order, a) - slices.Index(order, b) })
	return slices.Compact(found)
}

func traitsOf(der []byte, c *chain.Chain, now time.Time) []Trait {
	switch {
	case len(der) == 0:
		return []Trait{Blank}
	case bytes.HasPrefix(bytes.TrimSpace(der), []byte("-----BEGIN ")):
		return []Trait{PEM}
	}
	var found []Trait
	if n := first(der); n > 0 && n < len(der) {
		der = der[:n]
		found = append(found, Trailing)
	}
	if len(der) > trafficserverMaxBytes {
		found = append(found, Over10K)
	}
	if len(der) > haproxyMaxBytes {
		found = append(found, Over16K)
	}
	s, err := staple.Verify(der, c, now, staple.Options{})
	if e, ok := errors.AsType[*staple.Error](err); ok {
		found = append(found, ofError(e, c.Leaf, now)...)
		s = e.Statement
		if s == nil && !e.ThisUpdate.IsZero() {
			s = inItsTime(der, c, e.ThisUpdate)
		}
	}
	if slices.Contains(found, Garbage) {
		return []Trait{Garbage} // what follows it is garbage, too
	}
	if s != nil {
		found = append(found, ofStaple(s, now)...)
	}
	return found
}

// first returns how long the DER element is that der begins with, or 0.
func first(der []byte) int {
	in := cryptobyte.String(der)
	var element cryptobyte.String
	if !in.ReadASN1Element(&element, asn1.SEQUENCE) {
		return 0
	}
	return len(element)
}

// inItsTime reads what a response says that is authentic, but out of its time.
func inItsTime(der []byte, c *chain.Chain, then time.Time) *staple.Staple {
	s, err := staple.Verify(der, c, then, staple.Options{})
	if e, ok := errors.AsType[*staple.Error](err); ok {
		return e.Statement
	}
	return s
}

// ofError maps the reason why a response is no staple to traits.
func ofError(e *staple.Error, leaf *chain.Leaf, now time.Time) []Trait {
	switch e.Reason {
	case staple.Malformed:
		return []Trait{Garbage}
	case staple.ResponderError:
		switch {
		case e.ResponderStatus != "tryLater":
			return []Trait{ErrorStatus}
		case leaf.MustStaple:
			return []Trait{TryLater, Unstapled}
		}
		return []Trait{TryLater}
	case staple.NoMatch, staple.WrongIssuer:
		return []Trait{Mismatch}
	case staple.NotAuthorized:
		return []Trait{NotAuthorized}
	case staple.BadSignature, staple.WeakAlgorithm:
		return []Trait{BadSignature}
	case staple.CriticalExtension:
		return []Trait{Critical}
	case staple.BadWindow:
		return []Trait{BadWindow}
	case staple.BadProducedAt:
		return []Trait{OddProduced}
	case staple.NotYetValid:
		return []Trait{ofFuture(e.ThisUpdate, now)}
	case staple.Expired:
		if now.After(leaf.NotAfter) && e.NextUpdate.After(now) {
			return []Trait{LeafEnded}
		}
		return []Trait{Expired}
	}
	return nil // revoked and unknown are statuses, and too large a size
}

func ofFuture(thisUpdate, now time.Time) Trait {
	switch {
	case thisUpdate.IsZero(): // it is producedAt that is ahead
		return OddProduced
	case thisUpdate.After(now.Add(aDay)):
		return FarFuture
	}
	return Future
}

// ofStaple maps what a verified response says to traits.
func ofStaple(s *staple.Staple, now time.Time) []Trait {
	var found []Trait
	add := func(is bool, t Trait) {
		if is {
			found = append(found, t)
		}
	}
	add(s.Status == staple.Revoked, SaysRevoked)
	add(s.Status == staple.Unknown, SaysUnknown)
	add(s.Singles > 1, Multi)
	add(s.Hash != crypto.SHA1, SHA256ID)
	add(s.NextUpdate.IsZero(), NoNextUpdate)
	left := s.NextUpdate.Sub(now)
	add(!s.NextUpdate.IsZero() && left > 0 && left <= haproxyMargin, Ending)
	add(now.Sub(s.ThisUpdate) > oldDays, Old)
	return found
}
