package staple_test

import (
	"crypto"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/agent/staple"
)

func TestWithoutTheIssuerOnlyWhatCannotBeAStapleIsRefused(t *testing.T) {
	other, err := lab.NewPKI(lab.PKIOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name   string
		change func(*world, *lab.Response)
		spoil  func([]byte) []byte
		want   staple.Reason // "": it may be one
		ends   time.Duration // from now
	}{
		{name: "about the leaf", ends: 5 * day},
		{name: "by SHA-256", change: func(_ *world, r *lab.Response) { r.Singles[0].Hash = crypto.SHA256 }, ends: 5 * day},
		{name: "signed by nobody knows whom", change: func(_ *world, r *lab.Response) { r.Signer = other.Root.KeyPair }, ends: 5 * day},
		{name: "ended", change: func(w *world, r *lab.Response) { r.Singles[0].NextUpdate = w.now.Add(-day) }, ends: -day},
		{name: "twice, the later end counts", change: func(w *world, r *lab.Response) {
			also(r, func(s *lab.Single) { s.NextUpdate = w.now.Add(6 * day) })
		}, ends: 6 * day},
		{name: "another serial", change: func(_ *world, r *lab.Response) { r.Singles[0].Serial = big.NewInt(7) }, want: staple.NoMatch},
		{name: "the same serial of an issuer of another name", change: func(_ *world, r *lab.Response) {
			r.Singles[0].Issuer = other.Root.Certificate
		}, want: staple.NoMatch},
		{name: "rubbish", spoil: func([]byte) []byte { return []byte("rubbish") }, want: staple.Malformed},
		{name: "an error status", spoil: func([]byte) []byte { return []byte("\x30\x03\x0a\x01\x06") }, want: staple.ResponderError},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			r := w.good()
			if row.change != nil {
				row.change(w, &r)
			}
			der := w.encode(r)
			if row.spoil != nil {
				der = row.spoil(der)
			}
			_, ends, err := staple.About(der, w.leaf.Certificate)
			e, _ := errors.AsType[*staple.Error](err)
			switch {
			case row.want == "" && err != nil, row.want != "" && (e == nil || e.Reason != row.want):
				t.Errorf("got %v, want reason %q", err, row.want)
			case row.want == "" && !ends.Equal(w.now.Add(row.ends)):
				t.Errorf("ends %v, want %v", ends, w.now.Add(row.ends))
			}
		})
	}
}
