package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/restaple/restaple/agent/profile"
	"github.com/restaple/restaple/agent/staple"
	"github.com/restaple/restaple/watcher/chain"
)

// verdict is what `verify -o json` prints. It is a public interface.
type verdict struct {
	OK               bool      `json:"ok"`
	Reason           string    `json:"reason,omitempty"`
	Detail           string    `json:"detail,omitempty"`
	Status           string    `json:"status,omitempty"`
	ThisUpdate       time.Time `json:"this_update,omitzero"`
	NextUpdate       time.Time `json:"next_update,omitzero"`
	ProducedAt       time.Time `json:"produced_at,omitzero"`
	Expires          time.Time `json:"expires,omitzero"`
	Signer           string    `json:"signer,omitempty"`
	Delegated        bool      `json:"delegated,omitempty"`
	CertIDHash       string    `json:"certid_hash,omitempty"`
	RevokedAt        time.Time `json:"revoked_at,omitzero"`
	RevocationReason string    `json:"revocation_reason,omitempty"`
	Warnings         []string  `json:"warnings,omitempty"`

	For []profile.Foresight `json:"for,omitempty"` // what --for asks

	asked int // about how many readers
}

func judge(der []byte, c *chain.Chain, now time.Time, o staple.Options) verdict {
	s, err := staple.Verify(der, c, now, o)
	var v verdict
	if e, ok := errors.AsType[*staple.Error](err); ok {
		v.Reason, v.Detail = string(e.Reason), e.Detail
		v.ThisUpdate, v.NextUpdate = e.ThisUpdate, e.NextUpdate
		s = e.Statement
	}
	if s != nil {
		v.Status, v.Signer, v.Delegated = string(s.Status), s.Signer, s.Delegated
		v.ThisUpdate, v.NextUpdate, v.ProducedAt, v.Expires = s.ThisUpdate, s.NextUpdate, s.ProducedAt, s.Expires
		v.RevokedAt, v.RevocationReason = s.RevokedAt, s.RevocationReason
		v.CertIDHash, v.Warnings = s.Hash.String(), s.Warnings
	}
	v.OK = err == nil
	return v
}

func (v verdict) print(w io.Writer) error {
	first := fmt.Sprintf("%s: %s", v.Reason, v.Detail)
	if v.OK {
		first = fmt.Sprintf("good: a valid staple until %s", when(v.Expires))
	}
	return printLines(w, slices.Concat([]string{first}, v.details(), foresightLines(v.For, v.asked)))
}

// details are the lines below the first one.
func (v verdict) details() []string {
	var lines []string
	line := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	if !v.ThisUpdate.IsZero() {
		line("  this update  %s", when(v.ThisUpdate))
		line("  next update  %s", when(v.NextUpdate))
	}
	if v.Signer != "" {
		kind := "the issuer itself"
		if v.Delegated {
			kind = "delegated"
		}
		line("  produced at  %s", when(v.ProducedAt))
		line("  signer       %s (%s)", v.Signer, kind)
		line("  CertID hash  %s", v.CertIDHash)
	}
	if !v.RevokedAt.IsZero() {
		line("  revoked at   %s", strings.TrimSpace(when(v.RevokedAt)+" "+v.RevocationReason))
	}
	for _, warning := range v.Warnings {
		line("  warning      %s", warning)
	}
	return lines
}

func printLines(w io.Writer, lines []string) error {
	for _, l := range lines {
		if _, err := fmt.Fprintln(w, l); err != nil {
			return err
		}
	}
	return nil
}

// when prints a time for people, in the form that openssl and logs have too.
func when(t time.Time) string {
	if t.IsZero() {
		return "none"
	}
	return t.UTC().Format(time.RFC3339)
}
