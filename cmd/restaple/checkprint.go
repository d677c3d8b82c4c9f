package main

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/restaple/restaple/agent/prove"
)

// checked is what `check -o json` prints. It is a public interface: fields are
// added, never renamed.
type checked struct {
	At          time.Time    `json:"at"`
	Address     string       `json:"address"`
	OK          bool         `json:"ok"`
	Result      prove.Result `json:"result"`
	Reason      string       `json:"reason,omitempty"`
	Detail      string       `json:"detail"`
	Warnings    []string     `json:"warnings,omitempty"` // about the certificate that is presented
	Certificate *presented   `json:"certificate,omitempty"`
	Staple      *verdict     `json:"staple,omitempty"` // what is served, if anything is
	Disk        *compared    `json:"disk,omitempty"`   // if it is known what is on disk
	Unfinished  string       `json:"unfinished,omitempty"`

	hint string
}

// presented is the certificate and the TLS that a server speaks.
type presented struct {
	Name        string    `json:"name"`
	Serial      string    `json:"serial"`
	Fingerprint string    `json:"fingerprint"`
	KeyType     string    `json:"key_type"`
	NotAfter    time.Time `json:"not_after"`
	MustStaple  bool      `json:"must_staple"`
	Responders  []string  `json:"responders,omitempty"`
	TLS         string    `json:"tls"`
}

// compared is the file that should be what is served.
type compared struct {
	Path        string `json:"path"`
	Certificate string `json:"certificate,omitempty"`
	Same        bool   `json:"same"` // what is served is what is on disk
}

func newChecked(o prove.Options, f prove.Finding, served *prove.Served, file *stapleFile) *checked {
	r := &checked{
		At: time.Now().UTC().Truncate(time.Second), Address: o.Address.String(), OK: f.OK(),
		Result: f.Result, Reason: string(f.Reason), Detail: f.Detail, hint: checkAdvice(o, f, file),
	}
	if served == nil {
		return r
	}
	leaf := served.Chain.Leaf
	r.Certificate = &presented{
		Name: leaf.Name, Serial: leaf.SerialHex(), Fingerprint: fmt.Sprintf("%x", leaf.Fingerprint), KeyType: leaf.KeyType,
		NotAfter: leaf.NotAfter.UTC(), MustStaple: leaf.MustStaple, Responders: leaf.Responders, TLS: tls.VersionName(served.Version),
	}
	r.Warnings = warningsAbout(served.Leaf, o.SNI(), r.At)
	if served.Unfinished != nil {
		r.Unfinished = served.Unfinished.Error()
	}
	if len(served.Staple) > 0 {
		v := judge(served.Staple, served.Chain, time.Now(), o.Verify)
		r.Staple = &v
	}
	if file != nil {
		r.Disk = &compared{Path: file.path, Certificate: file.certificate, Same: f.Same}
	}
	if f.Result == prove.Nothing && len(leaf.Responders) == 0 && (file == nil || len(file.responders) == 0) {
		r.OK = true
		r.Detail = "no OCSP responder in this certificate and no staple: nothing to check"
	}
	return r
}

func (r *checked) print(w io.Writer) error {
	lines := []string{fmt.Sprintf("%s: %s: %s", r.Address, r.Result, r.Detail)}
	line := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	if c := r.Certificate; c != nil {
		must := ""
		if c.MustStaple {
			must = ", must-staple"
		}
		line("  certificate  %s (%s%s, %s)", c.Name, c.KeyType, must, c.TLS)
		line("  serial       %s", c.Serial)
		line("  valid until  %s", when(c.NotAfter))
		line("  responder    %s", cmp.Or(strings.Join(c.Responders, " "), "none"))
	}
	for _, warning := range r.Warnings {
		line("  warning      %s", warning)
	}
	if r.Unfinished != "" {
		line("  handshake    ended after the staple: %s", r.Unfinished)
	}
	if v := r.Staple; v != nil {
		status := cmp.Or(v.Status, "none: "+v.Reason)
		if r.Result == prove.NoIssuer {
			status = "not verified: its issuer is missing"
		}
		line("  cert status  %s", status)
		lines = append(lines, v.details()...)
	}
	if d := r.Disk; d != nil {
		same := "not what is served"
		switch {
		case d.Same && r.Staple == nil:
			same = "no staple to serve"
		case d.Same:
			same = "what is served"
		}
		line("  on disk      %s (%s)", d.Path, same)
	}
	return printLines(w, lines)
}
