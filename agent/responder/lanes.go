package responder

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Verdict is what a job says of the responder it asked: not whether the answer
// was good news, but whether more can be asked of it.
type Verdict int

// What a job can say.
const (
	Neutral    Verdict = iota // nothing about the responder
	Good                      // it answered
	Overloaded                // too late, not at all, or "not now"
)

// Judge returns the verdict on what Ask returned, and how long the responder
// wants to be left alone. The error may be nil.
func Judge(a *Answer, err error) (Verdict, time.Duration) {
	return Neutral, 0
}

// LaneOptions are the limits of lanes. All of it may be zero.
type LaneOptions struct {
	Start  int     // jobs in flight per lane at first; 0: 4
	Max    int     // and at most; 0: 32
	Rate   float64 // jobs begun per second and lane; 0: as they come
	Global int     // jobs in flight in all lanes; 0: 256

	// Patience is how long jobs wait for a responder that is down or asked
	// to be left alone. If it is for longer, its jobs are handed back: they
	// may have another responder to ask. 0: handed back at once.
	Patience time.Duration

	// Override returns the limits of one host, zero fields as above. May
	// be nil.
	Override func(host string) LaneLimits

	// Revived is called when a responder that was down answers again. It
	// must not block. May be nil.
	Revived func(host string)
}

// LaneLimits are the limits of one lane.
type LaneLimits struct {
	Max  int
	Rate float64
}

// DownError is the cause for which the context of a job that is handed back is
// done.
type DownError struct {
	Host  string
	Until time.Time // when the lane will try again
	Held  bool      // the responder asked for it; otherwise it does not answer
}

// Error implements error.
func (e *DownError) Error() string {
	why := "does not answer"
	if e.Held {
		why = "asked to be left alone"
	}
	return fmt.Sprintf("not asked: the responder %s, next try at %s", why, e.Until.Format(time.RFC3339))
}

// LaneState is what a lane is doing.
type LaneState struct {
	Host     string    `json:"host"`
	State    string    `json:"state"` // open, slowed, held, down
	InFlight int       `json:"in_flight"`
	Limit    int       `json:"limit"`
	Queued   int       `json:"queued"`
	Until    time.Time `json:"until,omitzero"` // when a held or down lane tries again
}

// Lanes gives each responder host its own queue and its own limit of jobs in
// flight, so that one that is slow or dead delays no other.
type Lanes struct {
	mu sync.Mutex
	o  LaneOptions
}

func NewLanes(o LaneOptions) *Lanes { return &Lanes{o: o} }

// Submit is to come.
func (l *Lanes) Submit(host string, urgency time.Time, job func(context.Context) (Verdict, time.Duration)) {
}
func (l *Lanes) Run(ctx context.Context) error { return nil }
func (l *Lanes) Snapshot() []LaneState         { return nil }
