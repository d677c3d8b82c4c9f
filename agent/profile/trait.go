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
	blank         Trait = "empty"        // no octets
	asText        Trait = "pem"          // text, where every server but one wants DER
	garbage       Trait = "garbage"      // does not parse
	trailing      Trait = "trailing"     // octets after the response
	tryLater      Trait = "try-later"    // the responder said so; the placeholder does
	unstapled     Trait = "unstapled"    // try-later, and the leaf demands a staple
	errorStatus   Trait = "error-status" // another responseStatus than successful
	mismatch      Trait = "mismatch"     // about another certificate
	notAuthorized Trait = "not-authorized"
	badSignature  Trait = "bad-signature"
	critical      Trait = "critical-extension"
	badWindow     Trait = "bad-window"      // nextUpdate before thisUpdate
	future        Trait = "future"          // thisUpdate up to a day ahead
	farFuture     Trait = "far-future"      // more than a day ahead
	expired       Trait = "expired"         // nextUpdate has passed
	endingSoon    Trait = "ending-soon"     // less than five minutes are left
	saysUnknown   Trait = "unknown"         // status
	saysRevoked   Trait = "revoked"         // status
	oddProduced   Trait = "bad-produced-at" // not within the leaf's validity
	leafEnded     Trait = "leaf-expired"    // the leaf's own time is over
	multi         Trait = "multi"           // several SingleResponses
	sha256ID      Trait = "sha256-certid"   // a CertID that is not hashed with SHA-1
	noNextUpdate  Trait = "no-next-update"
	emptyList     Trait = "empty-extensions" // a list of extensions without any
	old           Trait = "old"              // thisUpdate more than seven days ago
	over10K       Trait = "over-10k"         // more than Traffic Server reads
	over16K       Trait = "over-16k"         // more than HAProxy reads and OpenSSL clients take
	good          Trait = "good"             // nothing is wrong with it
)

// Traits returns every trait there is. Where a reader reacts to several of
// them equally, the earlier one is what it says.
func Traits() []Trait {
	return []Trait{
		blank, asText, garbage, unstapled, tryLater, errorStatus, mismatch, notAuthorized, badSignature, critical,
		badWindow, saysRevoked, saysUnknown, expired, farFuture, future, oddProduced, leafEnded,
		multi, sha256ID, noNextUpdate, emptyList, over16K, over10K, trailing, endingSoon, old, good,
	}
}

const (
	aDay    = 24 * time.Hour
	oldDays = 7 * aDay
)

// TraitsOf tells what readers will notice about a response for the leaf of c,
// in the order of Traits; nil if nobody can tell, because the leaf's issuer is
// missing or it is too large to be looked into. A response that does not verify
// is not looked into any further.
func TraitsOf(der []byte, c *chain.Chain, now time.Time) []Trait {
	if c.Issuer == nil || len(der) > staple.MaxSize {
		return nil
	}
	found := traitsOf(der, c, now)
	if len(found) == 0 {
		return []Trait{good}
	}
	order := Traits()
	slices.SortFunc(found, func(a, b Trait) int { return slices.Index(order, a) - slices.Index(order, b) })
	return slices.Compact(found)
}

func traitsOf(der []byte, c *chain.Chain, now time.Time) []Trait {
	switch {
	case len(der) == 0:
		return []Trait{blank}
	case bytes.HasPrefix(bytes.TrimSpace(der), []byte("-----BEGIN ")):
		return []Trait{asText}
	}
	var found []Trait
	if n := first(der); n > 0 && n < len(der) {
		der = der[:n]
		found = append(found, trailing)
	}
	if len(der) > trafficserverMaxBytes {
		found = append(found, over10K)
	}
	if len(der) > haproxyMaxBytes {
		found = append(found, over16K)
	}
	s, err := staple.Verify(der, c, now, staple.Options{})
	if e, ok := errors.AsType[*staple.Error](err); ok {
		found = append(found, ofError(e, c.Leaf, now)...)
		s = e.Statement
		if s == nil && !e.ThisUpdate.IsZero() {
			s = inItsTime(der, c, e)
		}
	}
	if slices.Contains(found, garbage) || s != nil && s.Unreadable > 0 {
		return []Trait{garbage} // what follows it is garbage, too
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
func inItsTime(der []byte, c *chain.Chain, e *staple.Error) *staple.Staple {
	then := e.ThisUpdate
	if last := e.NextUpdate.Add(-time.Second); last.After(then) {
		then = last // responders may have produced it after thisUpdate
	}
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
		return []Trait{garbage}
	case staple.ResponderError:
		switch {
		case e.ResponderStatus != "tryLater":
			return []Trait{errorStatus}
		case leaf.MustStaple:
			return []Trait{tryLater, unstapled}
		}
		return []Trait{tryLater}
	case staple.NoMatch, staple.WrongIssuer:
		return []Trait{mismatch}
	case staple.NotAuthorized:
		return []Trait{notAuthorized}
	case staple.BadSignature, staple.WeakAlgorithm:
		return []Trait{badSignature}
	case staple.CriticalExtension:
		return []Trait{critical}
	case staple.BadWindow:
		return []Trait{badWindow}
	case staple.BadProducedAt:
		return []Trait{oddProduced}
	case staple.NotYetValid:
		return []Trait{ofFuture(e.ThisUpdate, now)}
	case staple.Expired:
		if now.After(leaf.NotAfter) && e.NextUpdate.After(now) {
			return []Trait{leafEnded}
		}
		return []Trait{expired}
	}
	return nil // revoked and unknown are statuses
}

func ofFuture(thisUpdate, now time.Time) Trait {
	switch {
	case thisUpdate.IsZero(): // it is producedAt that is ahead
		return oddProduced
	case thisUpdate.After(now.Add(aDay)):
		return farFuture
	}
	return future
}

// ofStaple maps what a verified response says to traits.
func ofStaple(s *staple.Staple, now time.Time) []Trait {
	var found []Trait
	add := func(is bool, t Trait) {
		if is {
			found = append(found, t)
		}
	}
	add(s.Status == staple.Revoked, saysRevoked)
	add(s.Status == staple.Unknown, saysUnknown)
	add(s.Singles > 1, multi)
	add(s.Hash != crypto.SHA1, sha256ID)
	add(s.NextUpdate.IsZero(), noNextUpdate)
	add(s.EmptyExtensions, emptyList)
	left := s.NextUpdate.Sub(now)
	add(!s.NextUpdate.IsZero() && left > 0 && left <= haproxyMargin, endingSoon)
	add(now.Sub(s.ThisUpdate) > oldDays, old)
	return found
}
