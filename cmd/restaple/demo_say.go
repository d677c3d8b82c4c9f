package main

import (
	"fmt"
	"io"
	"time"
)

// narrator tells what happens, as plain lines: the same for a person at a
// terminal and for the log of a CI run.
type narrator struct {
	w        io.Writer
	start    time.Time
	chapters int
	steps    int
}

// line prints one line. Who reads it may have gone, which ends nothing.
func (n *narrator) line(format string, args ...any) {
	_, _ = fmt.Fprintf(n.w, format+"\n", args...)
}

func (n *narrator) chapter(title string) {
	n.chapters++
	n.line("")
	n.line("%d. %s", n.chapters, title)
}

// about says which certificate the next steps are about.
func (n *narrator) about(s *demoSite) { n.line("  %s (%s)", s.name, s.kind()) }

// step tells of something that was done or seen to hold, and when.
func (n *narrator) step(at time.Time, what, format string, args ...any) {
	n.steps++
	n.line("%9.3f s  %-17s  %s", at.Sub(n.start).Seconds(), what, fmt.Sprintf(format, args...))
}

// more continues a step.
func (n *narrator) more(format string, args ...any) {
	n.line("%32s%s", "", fmt.Sprintf(format, args...))
}

func (n *narrator) broken(e *brokenStep) {
	n.line("%9.3f s  %-17s  DID NOT HOLD", time.Since(n.start).Seconds(), e.step)
	n.more("expected: %s", e.expected)
	n.more("seen:     %s", e.seen)
}

// clock is a time of day as the demo shows it.
func clock(t time.Time) string { return t.UTC().Format("15:04:05Z") }
