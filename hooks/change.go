// Package hooks tells servers and people that staples have changed: at least
// once per change, also when restaple is killed between the change and the
// telling.
//
// Before a staple file changes, Queue.Promise leaves a mark on disk, which
// goes when the hook has succeeded. A mark that is found at the start is a
// hook that may not have been run.
package hooks

import (
	"context"
	"time"
)

// Event is what happened to a staple, in one word. The words are public.
type Event string

// Every event there is.
const (
	Placed    Event = "placed"    // a new staple is in the file
	Withdrawn Event = "withdrawn" // the staple was taken away
	Revoked   Event = "revoked"   // the responder says that the leaf is revoked
)

// Events returns every event, for configuration and tests.
func Events() []Event { return []Event{Placed, Withdrawn, Revoked} }

// Change is what a hook is told of one certificate. Its JSON form is public:
// commands read it on standard input, webhooks get it posted.
type Change struct {
	Event      Event     `json:"event"`
	Name       string    `json:"name"`   // of the leaf, for people
	Cert       string    `json:"cert"`   // path of the certificate file
	Staple     string    `json:"staple"` // path of the staple file
	Serial     string    `json:"serial"` // of the leaf, in hexadecimal
	Status     string    `json:"status,omitempty"`
	ThisUpdate time.Time `json:"this_update,omitzero"`
	NextUpdate time.Time `json:"next_update,omitzero"`
	Reason     string    `json:"reason,omitempty"` // why it was withdrawn, or revoked
}

// Action tells of changes in one way. It must stand being told the same
// twice, and after a crash of changes that did not come about. No changes at
// all means that something has changed and the details were lost.
type Action interface {
	Deliver(ctx context.Context, changes []Change) error
}
