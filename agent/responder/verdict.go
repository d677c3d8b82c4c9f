package responder

import "net/http"

// Verdict is what a job says about the responder it asked: not whether the
// answer was good news, but how much can be asked of it.
type Verdict int

// What a job can say.
const (
	LaneNeutral    Verdict = iota // nothing about the responder
	LaneGood                      // it answered
	LaneOverloaded                // it answered that it cannot: 429, 5xx, tryLater
	LaneSilent                    // no answer: timeout, no way to connect
)

// Verdict returns what an error of Ask says about the responder.
func (e *Error) Verdict() Verdict {
	switch e.Kind {
	case KindTimeout, KindConnect, KindDNS, KindInterrupted, KindTLS, KindProxy:
		return LaneSilent
	case KindHTTP:
		if e.Status == http.StatusTooManyRequests || e.Status >= 500 {
			return LaneOverloaded
		}
		return LaneGood
	case KindTooLarge:
		return LaneGood
	}
	return LaneNeutral
}
