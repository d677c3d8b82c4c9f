package responder

import (
	"context"
	"fmt"
	"time"
)

// LaneState is what a lane is doing.
type LaneState struct {
	Host     string    `json:"host"`
	State    string    `json:"state"` // "open", "slowed", "held" or "down"
	InFlight int       `json:"in_flight"`
	Limit    int       `json:"limit"`
	Queued   int       `json:"queued"`
	Until    time.Time `json:"until,omitzero"` // when a held or down lane tries again
}

func (n *lane) state(now time.Time) LaneState {
	s := LaneState{Host: n.host, State: "open", InFlight: n.inFlight, Limit: n.limit, Queued: n.queued()}
	s.Until = n.closedUntil(now)
	switch {
	case n.down:
		s.State = "down"
	case !s.Until.IsZero():
		s.State = "held"
	case n.limit < n.max && n.cut > 0:
		s.State = "slowed"
	}
	return s
}

// DownError says why a job was handed back.
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
	return fmt.Sprintf("not asked, since the responder %s; next try at %s", why, e.Until.UTC().Format(time.RFC3339))
}

// downKey is where the context of a job that is handed back has its DownError.
// The context itself is alive: the job has a result to deliver.
type downKey struct{}

// HandedBack says why a job that was called with ctx is not to ask anybody; nil
// means that it is its turn.
func HandedBack(ctx context.Context) *DownError {
	down, _ := ctx.Value(downKey{}).(*DownError)
	return down
}
