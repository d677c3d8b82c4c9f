package agent

import (
	"slices"
	"time"

	"github.com/restaple/restaple/agent/responder"
)

// hostRecord is what the log says of a responder host. What is wrong with it is
// said once for it, and not once for each of its certificates.
type hostRecord struct {
	troubled bool     // a failure was said that is not one certificate's own
	down     bool     // that it is down was said
	err      error    // the last failure of that kind
	odd      []string // oddities of its answers that were said
}

// laneNews is what a lane tells the loop.
type laneNews struct {
	host    string
	down    bool // or else it answers again
	waiting int
}

// onDown notes that a responder is down, onRevived that it answers again or no
// longer wants to be left alone. The lanes call them; they must not block.
func (a *Agent) onDown(host string, waiting int) { a.hear(laneNews{host, true, waiting}) }
func (a *Agent) onRevived(host string)           { a.hear(laneNews{host: host}) }

func (a *Agent) hear(n laneNews) {
	a.mu.Lock()
	a.news = append(a.news, n)
	a.mu.Unlock()
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// onLaneNews says what has become of responders.
func (a *Agent) onLaneNews() {
	a.mu.Lock()
	news := a.news
	a.news = nil
	a.mu.Unlock()
	back := make(map[string]bool)
	for _, n := range news {
		if !n.down {
			a.answersAgain(n.host)
			back[n.host] = true
			continue
		}
		h := a.recordOf(n.host)
		if !h.down {
			h.down = true
			attrs := []any{"responder", n.host, "waiting", n.waiting}
			if h.err != nil {
				attrs = append(attrs, "err", h.err)
			}
			a.log.Warn("responder is down: it is tried from time to time", attrs...)
		}
	}
	a.revive(back)
}

func (a *Agent) recordOf(host string) *hostRecord {
	h := a.hosts[host]
	if h == nil {
		h = new(hostRecord)
		a.hosts[host] = h
	}
	return h
}

// answersAgain ends what was said of a host's failures.
func (a *Agent) answersAgain(host string) {
	h := a.hosts[host]
	if h == nil {
		return
	}
	if h.troubled || h.down {
		a.log.Info("responder answers again", "responder", host)
	}
	h.troubled, h.down, h.err = false, false, nil
	if len(h.odd) == 0 {
		delete(a.hosts, host)
	}
}

// noteHost takes in what an exchange says of the responder as such.
func (a *Agent) noteHost(r answer) {
	if r.host == "" {
		return // nobody was asked
	}
	switch r.load {
	case responder.LaneGood:
		a.answersAgain(r.host)
	case responder.LaneSilent, responder.LaneOverloaded:
		a.recordOf(r.host).err = r.err
	}
	a.sayClock(r)
	a.sayOdd(r)
}

// maxOdd bounds what is said of one responder's answers: a text may have
// something in it that is another each time.
const maxOdd = 8

// sayOdd warns once for each responder of what is not as it should be in
// answers that are good enough.
func (a *Agent) sayOdd(r answer) {
	for _, text := range r.odd {
		h := a.recordOf(r.host)
		if len(h.odd) < maxOdd && !slices.Contains(h.odd, text) {
			h.odd = append(h.odd, text)
			a.log.Warn("responder's answers are odd, and are taken all the same", "responder", r.url, "reason", text)
		}
	}
}

// farOff is how far a responder's clock may be from ours without a word: about
// as much as the verification tolerates.
const farOff = 5 * time.Minute

// sayClock warns once when the clocks of a responder and of this machine
// differ: whichever is wrong, staples will seem to end early or late.
func (a *Agent) sayClock(r answer) {
	if !r.dated {
		return
	}
	off := r.skew.Abs() > farOff
	if off == a.slow[r.url] {
		return
	}
	if off {
		a.slow[r.url] = true
		a.log.Warn("clock differs from the responder's: check both", "responder", r.url, "ahead", r.skew.Round(time.Second))
	} else {
		delete(a.slow, r.url)
		a.log.Info("clock agrees with the responder's again", "responder", r.url)
	}
}
