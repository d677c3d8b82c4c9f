package hooks

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// QueueOptions describes a hook. Name, Action and Log are required.
type QueueOptions struct {
	Name     string
	Action   Action
	Events   []Event       // it is told of; nil: Placed and Withdrawn
	Delay    time.Duration // of quiet before a delivery; 0: a second, negative: none
	MaxDelay time.Duration // that changes without a pause can hold up a delivery; 0: ten times Delay
	Timeout  time.Duration // of one attempt; 0: 30 seconds
	Dir      string        // of the pending marks; "": changes do not survive the process
	Log      *slog.Logger
	Result   func(err error, took time.Duration) // told of each attempt; may be nil
}

// Queue delivers changes to one action, at least once each, many at a time.
type Queue struct {
	options QueueOptions
}

// NewQueue checks the options. It starts nothing and reads nothing.
func NewQueue(o QueueOptions) (*Queue, error) { return &Queue{options: o}, nil }

// Name returns the hook's name.
func (q *Queue) Name() string { return q.options.Name }

// Promise leaves a mark on disk that the hook is due.
func (q *Queue) Promise(changes []Change) (*Promise, error) { return &Promise{}, nil }

// Promise is a delivery that is due if the process is killed from now on.
type Promise struct{}

// Keep says which of the promised changes have happened.
func (p *Promise) Keep(changes []Change) {}

// Run delivers until ctx is done.
func (q *Queue) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Flush delivers everything pending now, in one attempt.
func (q *Queue) Flush(ctx context.Context) error { return errors.New("not built yet") }

// QueueState is how a hook stands.
type QueueState struct {
	Name        string
	Pending     int       // changes that wait for delivery
	Attempts    int       // that failed in a row
	Err         error     // of the last attempt
	TriedAt     time.Time // end of the last attempt
	DeliveredAt time.Time // end of the last one that succeeded
	RetryAt     time.Time // zero if nothing failed
}

// State says how the hook stands.
func (q *Queue) State() QueueState { return QueueState{Name: q.options.Name} }
