// Package agent keeps OCSP staples fresh: it looks at certificates and their
// staple files, decides what is due, asks the responders, verifies, and has
// staples placed, withdrawn and announced.
//
//	             start, timer, inotify: "look again"
//	                              │
//	chains + staples ──scan──▶ agent ──due──▶ lane of one responder ──▶ ask ──▶ verify ──▶ place ──▶ hooks
//	on disk          ◀──────────────────────────────────────────────────────────── .ocsp     one queue per hook
//
// One goroutine, the loop, owns all state. Everything that waits (the file
// system, the network, a sync, a hook) happens elsewhere and comes back to the
// loop as a message. Events carry no data: they mean "look again". The staple
// file is the state: it is read and verified at start, so a restart asks about
// nothing that is fresh, and a staple that somebody else has damaged heals.
//
// # Packages
//
//	cmd/restaple     flags, wiring, exit codes
//	agent            the loop: look, decide, hand out work, take in results
//	agent/config     reads the YAML and says everything that is wrong with it
//	agent/profile    what each server does with a staple file
//	agent/responder  one attempt to ask one responder; its lanes; the address guard
//	agent/staple     verifies bytes into a staple, or gives a reason
//	agent/schedule   when due, when to retry, cron expressions
//	agent/prove      handshakes that show what a server serves
//	agent/admin      metrics, health, status page and control, on one listener
//	agent/answer     answers OCSP requests of servers that cannot read files
//	agent/lab        a CA and a responder that can be told to misbehave
//	agent/lab/badnet names and addresses that misbehave, for tests
//	watcher          discovers certificates on disk, says when they may have changed
//	watcher/chain    leaf and issuer from certificate files
//	writer           replaces files atomically and durably
//	hooks            one queue per hook: command, signal, webhook
//	hooks/haproxy    hands staples to a running HAProxy
//
// cmd/restaple → admin → answer → agent → {profile, prove, responder,
// schedule, staple, hooks, watcher} → {writer, watcher/chain}. Nothing imports
// the other way, which a test over `go list` holds, and no runtime package
// knows the types of agent/config: cmd/restaple translates.
//
// # From certificate to staple
//
// A certificate file, as one group of the configuration looks after it, is a
// target: it has one staple file. Targets of the same leaf that are asked about
// in the same way share a subject, and so a request. A subject is evaluated
// whenever something about it has changed or its time has come: what has to go
// is withdrawn, what is due is asked for, and it is put into a queue ordered by
// when to look at it next.
//
// A staple that cannot be written stays with its target, up to a bound, and is
// written when that is possible again: the responder has done its part.
package agent
