package hooks

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"path/filepath"
	"sync"
	"time"
)

const (
	defaultDelay   = time.Second
	defaultTimeout = 30 * time.Second

	// delaysAtMost times the delay is how long a burst of changes can put a
	// delivery off: long enough for one reload after a big refresh, short
	// enough for staples that live for minutes.
	delaysAtMost = 30

	// adoptEvery is how often to look for marks that other processes, such
	// as a deploy hook's refresh, left when they were killed.
	adoptEvery = time.Minute

	// stopGrace is how long a delivery goes on after Run is told to stop.
	stopGrace = 5 * time.Second
)

// QueueOptions describes a hook. Name, Action and Log are required.
type QueueOptions struct {
	Name     string
	Action   Action
	Events   []Event                             // it is told of; nil: Placed and Withdrawn
	Delay    time.Duration                       // of quiet before a delivery; 0: a second, negative: none
	MaxDelay time.Duration                       // that changes without a pause can put a delivery off; 0: thirty times Delay
	Timeout  time.Duration                       // of one attempt; 0: 30 seconds
	Dir      string                              // under which pending marks are kept; "": changes do not survive the process
	Log      *slog.Logger                        // with the hook's name attached
	Result   func(err error, took time.Duration) // told of each attempt; may be nil
}

// Queue delivers changes to one action: at least once each, many at a time. A
// daemon calls Run, a one-shot run Flush.
type Queue struct {
	options QueueOptions
	dir     string // of this hook's marks
	log     *slog.Logger
	wake    chan struct{} // holds one token: the backlog has grown

	turn sync.Mutex // held during a delivery

	mu       sync.Mutex
	backlog  backlog
	inFlight int             // changes that are being delivered
	expected int             // that said more may follow
	own      map[string]bool // marks of this queue
	closed   bool            // Run has returned
	state    QueueState
	away     error // why nobody is there to be told; nil: somebody is, or need not be
}

// QueueState is how a hook stands.
type QueueState struct {
	Name        string
	Pending     int       // changes that wait for delivery
	Attempts    int       // that failed in a row
	Err         error     // of the last attempt, or why nobody is there; nil if all is well
	TriedAt     time.Time // end of the last attempt
	DeliveredAt time.Time // end of the last one that succeeded
	RetryAt     time.Time // zero if the last one succeeded
}

// NewQueue checks the options. It starts nothing and reads nothing.
func NewQueue(o QueueOptions) (*Queue, error) {
	if o.Name == "" || o.Action == nil || o.Log == nil {
		return nil, errors.New("a hook needs a name, an action and a log")
	}
	if o.Events == nil {
		o.Events = []Event{Placed, Withdrawn}
	}
	switch {
	case o.Delay == 0:
		o.Delay = defaultDelay
	case o.Delay < 0:
		o.Delay = 0
	}
	if o.MaxDelay == 0 {
		o.MaxDelay = delaysAtMost * o.Delay
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	q := &Queue{
		options: o,
		log:     o.Log,
		wake:    make(chan struct{}, 1),
		own:     make(map[string]bool),
		state:   QueueState{Name: o.Name},
	}
	if o.Dir != "" {
		// The suffix also makes a directory of its own out of "..".
		q.dir = filepath.Join(o.Dir, url.PathEscape(o.Name)+".pending")
	}
	return q, nil
}

// Name returns the hook's name.
func (q *Queue) Name() string { return q.options.Name }

// State says how the hook stands.
func (q *Queue) State() QueueState {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.state
	if s.Err == nil {
		s.Err = q.away
	}
	s.Pending = q.inFlight + len(q.backlog.changes)
	return s
}

// Timeout returns how long one attempt may take.
func (q *Queue) Timeout() time.Duration { return q.options.Timeout }

// Away notes why the server that should be told is not there, or, with nil,
// that it is. State shows it as it shows a failure.
func (q *Queue) Away(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.away = err
}

// Run delivers until ctx is done, starting with what a killed process left.
// What is pending at the end is tried once more, for a few seconds; what then
// fails is left to the next start. Changes kept later than that are, too.
func (q *Queue) Run(ctx context.Context) error {
	q.adopt()
	look := time.NewTicker(adoptEvery)
	defer look.Stop()
	for {
		due, stop := q.timer()
		select {
		case <-due:
			q.deliver(ctx)
		case <-q.wake:
		case <-look.C:
			q.adopt()
		case <-ctx.Done():
			stop()
			if q.State().RetryAt.IsZero() {
				q.deliver(ctx)
			}
			q.release()
			return nil
		}
		stop()
	}
}

// Flush delivers everything pending now, in one attempt, together with what a
// killed process left. If it fails, the marks stay for the next time.
func (q *Queue) Flush(ctx context.Context) error {
	q.adopt()
	return q.attempt(ctx)
}

// timer fires when the backlog is due. Without one it never does.
func (q *Queue) timer() (due <-chan time.Time, stop func() bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := &q.backlog
	if b.empty() {
		return nil, func() bool { return true }
	}
	last := b.last
	if q.expected > 0 {
		last = b.first.Add(q.options.MaxDelay) // as though one followed the other until then
	}
	at := dueAt(b.first, last, q.state.RetryAt, q.options.Delay, q.options.MaxDelay)
	t := time.NewTimer(time.Until(at))
	return t.C, t.Stop
}

// adopt takes over the marks that nobody holds.
func (q *Queue) adopt() {
	if q.dir == "" {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	marks, err := abandonedMarks(q.dir, q.own)
	if err != nil {
		q.log.Warn("cannot read the hook's pending marks", "err", err)
	}
	var earlier backlog
	for _, m := range marks {
		q.own[m.file.Name()] = true
		earlier.add(m, m.changes(), time.Now())
	}
	if len(marks) > 0 {
		earlier.before(q.backlog)
		q.backlog = earlier
	}
}

// drop removes marks: what they stand for has been delivered.
func (q *Queue) drop(marks []*mark) {
	for _, m := range marks {
		if err := m.remove(); err != nil {
			q.log.Warn("cannot remove a mark; the hook will be told once more", "err", err)
		}
		q.mu.Lock()
		delete(q.own, m.file.Name())
		q.mu.Unlock()
	}
}

// release leaves all marks to the next process, or the next queue in this one.
func (q *Queue) release() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	for _, m := range q.backlog.marks {
		m.release()
		delete(q.own, m.file.Name())
	}
	q.backlog = backlog{}
}
