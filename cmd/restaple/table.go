package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/admin"
)

// report is what `status -o json` and `refresh -o json` print.
type report struct{ admin.Report }

func newReport(certs []agent.Certificate, problems []string, now time.Time) report {
	return report{Report: admin.NewReport(certs, problems, now)}
}

// write prints the report in a format: text or json.
func (r report) write(w io.Writer, format string) error {
	if format == "json" {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	if err := r.table(w); err != nil || r.Answers == nil {
		return err
	}
	_, err := fmt.Fprintln(w, answersLine(r.Answers))
	return err
}

func (r report) table(w io.Writer) error {
	for _, p := range r.Problems {
		if _, err := fmt.Fprintln(w, p); err != nil {
			return err
		}
	}
	switch {
	case len(r.Certificates) > 0:
	case r.Answers != nil: // it may be there for those of others
		return nil
	default:
		out := "no certificates found\n"
		if len(r.Problems) == 0 {
			out += "    hint: " + nothingFound + "\n"
		}
		_, err := io.WriteString(w, out)
		return err
	}
	// Errors are too long for a column: the table is laid out first, and
	// they go between its lines.
	var laid strings.Builder
	tw := tabwriter.NewWriter(&laid, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "NAME\tSTATE\tLEFT\tTHIS UPDATE\tNEXT UPDATE\tNEXT REFRESH\tRESPONDER\tCERTIFICATE")
	for _, c := range r.Certificates {
		name := cmp.Or(c.Name, "-")
		if c.MustStaple {
			name += " (must-staple)"
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", name, c.State, left(c.Expires, r.At),
			short(c.ThisUpdate), short(c.NextUpdate), due(c.RefreshAt, r.At),
			cmp.Or(strings.Join(c.Responders, " "), "-"), c.Path)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	lines := strings.SplitAfter(laid.String(), "\n")
	var out strings.Builder
	out.WriteString(lines[0])
	for i, c := range r.Certificates {
		out.WriteString(lines[i+1])
		switch {
		case c.Error == "":
		case c.ErrorAt.IsZero(): // it is so now
			fmt.Fprintf(&out, "    %s\n", c.Error)
		default:
			fmt.Fprintf(&out, "    %s  %s\n", short(c.ErrorAt), c.Error)
		}
		if a := advice(c); a != "" {
			fmt.Fprintf(&out, "    hint: %s\n", a)
		}
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func short(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04Z")
}

// due prints when something is to happen. What is late is due: its own time says
// nothing, for a certificate that was never asked about it is the leaf's first
// second.
func due(at, now time.Time) string {
	if !at.IsZero() && at.Before(now) {
		return "due"
	}
	return short(at)
}

// left prints how long a staple is still valid, in its two largest units.
func left(ends, now time.Time) string {
	if ends.IsZero() {
		return "-"
	}
	d := ends.Sub(now)
	if d <= 0 {
		return "ended"
	}
	return admin.Span(d)
}
