package admin

import (
	"time"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/answer"
	"github.com/restaple/restaple/agent/prove"
	"github.com/restaple/restaple/agent/responder"
	"github.com/restaple/restaple/hooks"
)

// Report is what /api/status answers and what status -o json and refresh
// -o json print. It is a public interface: fields are added, never renamed.
type Report struct {
	At           time.Time           `json:"at"`
	OK           bool                `json:"ok"`
	Certificates []agent.Certificate `json:"certificates"`
	Problems     []string            `json:"problems,omitempty"` // what could not be looked at

	// What only a running agent knows.
	Responders []responder.LaneState `json:"responders,omitempty"`
	Hooks      []Hook                `json:"hooks,omitempty"`
	Served     []Served              `json:"served,omitempty"`
	Polling    string                `json:"polling,omitempty"` // why directories are not watched

	// Answers counts the OCSP requests that were answered; nil: none are.
	Answers *answer.Counts `json:"answers,omitempty"`

	// Asks is who is asked about other certificates, for those requests.
	Asks []agent.Ask `json:"asks,omitempty"`
}

// Hook is how one hook stands.
type Hook struct {
	Name        string    `json:"name"`
	Pending     int       `json:"pending"`            // changes that wait to be told
	Attempts    int       `json:"attempts,omitempty"` // failed ones in a row
	Error       string    `json:"error,omitempty"`    // of the last attempt
	TriedAt     time.Time `json:"tried_at,omitzero"`
	DeliveredAt time.Time `json:"delivered_at,omitzero"`
	RetryAt     time.Time `json:"retry_at,omitzero"`
}

// Served is what the last handshake with a server has shown.
type Served struct {
	Address string       `json:"address"`
	Result  prove.Result `json:"result"`
	Same    bool         `json:"same"`             // as on disk
	Detail  string       `json:"detail,omitempty"` // for people
}

// NewReport says how certificates stand at now, and what could not be looked
// at.
func NewReport(certs []agent.Certificate, problems []string, now time.Time) Report {
	r := Report{At: now.UTC().Truncate(time.Second), OK: len(problems) == 0, Certificates: certs, Problems: problems}
	if certs == nil {
		r.Certificates = []agent.Certificate{} // not null in JSON
	}
	for i := range certs {
		r.OK = r.OK && certs[i].OK
	}
	return r
}

func servedOf(f prove.Finding) Served {
	return Served{Address: f.Address.String(), Result: f.Result, Same: f.Same, Detail: f.Detail}
}

func hookOf(s hooks.QueueState) Hook {
	h := Hook{
		Name: s.Name, Pending: s.Pending, Attempts: s.Attempts,
		TriedAt: s.TriedAt, DeliveredAt: s.DeliveredAt, RetryAt: s.RetryAt,
	}
	if s.Err != nil {
		h.Error = s.Err.Error()
	}
	return h
}
