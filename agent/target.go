package agent

import (
	"time"

	"github.com/restaple/restaple/agent/schedule"
	"github.com/restaple/restaple/agent/staple"
	"github.com/restaple/restaple/watcher"
	"github.com/restaple/restaple/watcher/chain"
)

// targetKey names a target: a certificate file as one group looks after it.
// The same file may belong to several groups, for several servers.
type targetKey struct {
	path  string
	group int
}

// target is a certificate file and the one staple file that belongs to it.
// Only the loop's goroutine touches it. There may be a hundred thousand of
// them, so it holds no certificate, and a response only while that is on its way
// to its file.
type target struct {
	key      targetKey
	staple   string        // path of the staple file
	snippet  string        // path of the snippet that names it; "": none
	stamp    watcher.Stamp // of the certificate file when it was read
	around   uint64        // what stood for its surroundings then, if no issuer was found
	trouble  trouble       // why there is no subject
	hopeless bool          // it is in what the file holds: to read that again is no use
	problem  string        // the trouble in words
	sub      *subject
	disk     disk
	said     State     // the state as it was last logged
	counted  counted   // what it counts as
	refusal  string    // why the server would not take the newest staple
	unfit    error     // why it would not start with any
	failed   string    // why the staple file could not be written
	failedAt time.Time // when refusal or failed last was so
	noted    bool      // that is in the file of failures, or an earlier word of it
	writeAt  time.Time // not before: the last write has failed
	failures int       // writes in a row that have failed
	would    string    // what a dry run would have done

	next      *staple.Staple // came while the file was busy; nil otherwise
	unwritten *staple.Staple // could not be written, and is to be; see hold
	lost      bool           // the staple of an earlier leaf was withdrawn, none has come since, and that is still to be said
	placing   bool           // a change of the staple file is on its way
	looking   bool           // an observation is on its way
	again     bool           // something happened meanwhile: look once more
	seen      uint32         // number of the full look that found it last
}

// trouble is why a certificate file has no leaf and issuer to work with.
type trouble uint8

const (
	none       trouble = iota
	notChain           // no leaf in it: passed over quietly
	unreadable         // cannot be read, or is only half there
	conflict           // its staple path is taken
)

// disk is what a staple file held when it was read and verified.
type disk struct {
	stamp  watcher.Stamp
	kind   kind
	reason staple.Reason // why it is no staple, if kind is invalid
	status staple.Status
	this   time.Time
	next   time.Time
	made   time.Time // producedAt
	ends   time.Time // effective expiry

	// snippet is the stamp of the snippet, mended whether it is what it
	// has to be beside a staple, stray whether no snippet was ever like it.
	snippet       watcher.Stamp
	mended, stray bool
}

type kind uint8

const (
	missing     kind = iota // no file
	empty                   // no octets
	placeholder             // the unsigned tryLater response
	invalid                 // something that is no staple for the leaf
	valid                   // verified; whether it is still in time depends on the clock
	unverified              // a file, but no issuer to verify it with
	foreign                 // a certificate or a private key: not ours to touch
)

// current reports whether the file holds a staple that says good and is in
// time at now.
func (d *disk) current(now time.Time) bool {
	return d.lasts(now) && d.status == staple.Good
}

// lasts reports whether the file holds a response, whatever it says, that has not
// ended.
func (d *disk) lasts(now time.Time) bool { return d.kind == valid && now.Before(d.ends) }

// olderThan reports whether s says something later than what the file holds.
func (d *disk) olderThan(s *staple.Staple) bool {
	if d.kind != valid {
		return true
	}
	return s.NewerThan(&staple.Staple{ThisUpdate: d.this, ProducedAt: d.made, NextUpdate: d.next})
}

// holding is a disk that holds s.
func holding(s *staple.Staple, stamp watcher.Stamp) disk {
	return disk{
		stamp: stamp, kind: valid, status: s.Status,
		this: s.ThisUpdate, next: s.NextUpdate, made: s.ProducedAt, ends: s.Expires,
	}
}

// subjectKey says which targets share a request: those of one leaf that are
// asked about in the same way.
type subjectKey struct {
	leaf      [32]byte
	responder string
	strict    bool
}

// subject is a leaf that is asked about, for all the files that hold it.
type subject struct {
	key      subjectKey
	chain    *chain.Chain
	targets  []*target
	urls     []string // responders, in the order they are tried
	override bool     // the operator gave the URL

	first       int           // index into urls of the one to begin with
	round       int           // how many of them were tried in this round
	asking      bool          // a request is on its way
	force       bool          // ask although nothing is due
	revived     bool          // its responder, which was down, answers again
	expectUntil time.Time     // failures are expected till then: the leaf is so new
	claimedAt   time.Time     // when another process was first found to be asking; see claimed
	attempts    int           // failed rounds in a row
	askedAt     time.Time     // end of the last round; zero: never
	quiet       bool          // the last answer brought nothing newer
	message     staple.Status // revoked or unknown, if that is what the responder last said
	stated      time.Time     // thisUpdate of that statement
	statedTo    time.Time     // its end
	failure     *Failure      // of the last round
	logged      []string      // failures that were logged since all was well, see Failure.logKey
	fresh       time.Time     // until when caches may go on giving the last answer; zero: unsaid
	etag        string
	modified    string

	schedule.Slot // when to look at it next
}
