package lab

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
)

// answered is what a client sees of a fault.
type answered struct {
	status  int
	header  http.Header
	body    []byte
	err     error         // of the exchange, the body's included
	took    time.Duration // until the body was read or had failed
	parsed  *ocsp.Response
	refused error // why x/crypto/ocsp refuses the body
}

func ask(t *testing.T, r *rig, ctx context.Context) answered {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, bytes.NewReader(r.request(t, crypto.SHA256)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/ocsp-request")
	req.GetBody = nil // a reset connection must not be tried twice
	start := time.Now()
	var a answered
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		a.err, a.took = err, time.Since(start)
		return a
	}
	defer resp.Body.Close()
	a.status, a.header = resp.StatusCode, resp.Header
	a.body, a.err = io.ReadAll(resp.Body)
	a.took = time.Since(start)
	a.parsed, a.refused = ocsp.ParseResponseForCert(a.body, r.leaf.Certificate, r.pki.Intermediate.Certificate)
	return a
}

// TestFaults has a row for each fault there is. Each row sets the fault with
// its own responder and says what a client must see.
func TestFaults(t *testing.T) {
	const validity = time.Hour
	status := func(want ocsp.ResponseStatus) func(*testing.T, *rig, answered) {
		return func(t *testing.T, _ *rig, a answered) {
			got, ok := errors.AsType[ocsp.ResponseError](a.refused)
			if !ok || got.Status != want {
				t.Errorf("got %v, want %v", a.refused, want)
			}
		}
	}
	refused := func(text string) func(*testing.T, *rig, answered) {
		return func(t *testing.T, _ *rig, a answered) {
			if a.refused == nil || !strings.Contains(a.refused.Error(), text) {
				t.Errorf("got %v, want an error about %q", a.refused, text)
			}
		}
	}
	parsed := func(check func(*ocsp.Response) bool) func(*testing.T, *rig, answered) {
		return func(t *testing.T, _ *rig, a answered) {
			if a.refused != nil || !check(a.parsed) {
				t.Errorf("got %+v (%v)", a.parsed, a.refused)
			}
		}
	}
	httpStatus := func(want int, key, value string) func(*testing.T, *rig, answered) {
		return func(t *testing.T, _ *rig, a answered) {
			if got := a.header.Get(key); a.status != want || got != value {
				t.Errorf("got status %d with %s %q, want %d with %q", a.status, key, got, want, value)
			}
		}
	}
	signer := func(check func(*rig, *x509.Certificate) bool) func(*testing.T, *rig, answered) {
		return func(t *testing.T, r *rig, a answered) {
			// A nil issuer: the embedded certificate alone has signed it.
			got, err := ocsp.ParseResponse(a.body, nil)
			if err != nil || got.Certificate == nil || !check(r, got.Certificate) {
				t.Errorf("got %+v, %v", got, err)
			}
		}
	}
	rows := map[Fault]func(*testing.T, *rig, answered){
		"revoked":           parsed(func(o *ocsp.Response) bool { return o.Status == ocsp.Revoked }),
		"unknown":           parsed(func(o *ocsp.Response) bool { return o.Status == ocsp.Unknown }),
		"malformedRequest":  status(ocsp.Malformed),
		"internalError":     status(ocsp.InternalError),
		"tryLater":          status(ocsp.TryLater),
		"sigRequired":       status(ocsp.SignatureRequired),
		"unauthorized":      status(ocsp.Unauthorized),
		"sha1-only":         status(ocsp.Unauthorized),
		"wrong-certificate": refused("no response matching the supplied certificate"),
		"wrong-issuer": func(t *testing.T, r *rig, a answered) {
			bits, err := keyBits(r.pki.Intermediate.Certificate)
			if err != nil {
				t.Fatal(err)
			}
			if a.refused != nil || bytes.Contains(a.body, digest(crypto.SHA256, bits)) ||
				!bytes.Contains(a.body, digest(crypto.SHA256, r.pki.Intermediate.Certificate.RawSubject)) {
				t.Errorf("want the issuer's name hash with another key hash (%v)", a.refused)
			}
		},
		"multi": func(t *testing.T, r *rig, a answered) {
			if _, err := ocsp.ParseResponse(a.body, r.pki.Intermediate.Certificate); err == nil || a.refused != nil {
				t.Errorf("got %v and %v, want two responses with ours among them", err, a.refused)
			}
		},
		"expired": parsed(func(o *ocsp.Response) bool { return o.NextUpdate.Before(time.Now()) }),
		"not-yet-valid": parsed(func(o *ocsp.Response) bool {
			return o.ThisUpdate.After(time.Now().Add(day)) && o.NextUpdate.After(o.ThisUpdate)
		}),
		"older": parsed(func(o *ocsp.Response) bool {
			return o.ThisUpdate.Before(time.Now().Add(-validity/4)) && o.NextUpdate.After(time.Now())
		}),
		"no-next-update": parsed(func(o *ocsp.Response) bool { return o.NextUpdate.IsZero() }),
		"bad-signature":  refused("signature"),
		"sha1-signature": parsed(func(o *ocsp.Response) bool { return o.SignatureAlgorithm == x509.ECDSAWithSHA1 }),
		"delegate-without-usage": signer(func(r *rig, c *x509.Certificate) bool {
			return len(c.ExtKeyUsage) == 2 && c.CheckSignatureFrom(r.pki.Intermediate.Certificate) == nil
		}),
		"expired-delegate": signer(func(r *rig, c *x509.Certificate) bool {
			return c.NotAfter.Before(time.Now()) && c.CheckSignatureFrom(r.pki.Intermediate.Certificate) == nil
		}),
		"foreign-delegate": signer(func(r *rig, c *x509.Certificate) bool {
			return bytes.Equal(c.RawIssuer, r.pki.Intermediate.Certificate.RawSubject) &&
				c.CheckSignatureFrom(r.pki.Intermediate.Certificate) != nil
		}),
		"huge":       func(t *testing.T, _ *rig, a answered) { wantSize(t, a, 1<<20) },
		"huge=70000": func(t *testing.T, _ *rig, a answered) { wantSize(t, a, 70000) },
		"truncate": func(t *testing.T, _ *rig, a answered) {
			if a.err != nil || a.refused == nil || len(a.body) < 50 {
				t.Errorf("got %d bytes, %v, %v", len(a.body), a.err, a.refused)
			}
		},
		"cut": func(t *testing.T, _ *rig, a answered) {
			if !errors.Is(a.err, io.ErrUnexpectedEOF) {
				t.Errorf("got %v, want an unexpected end", a.err)
			}
		},
		"stall": func(t *testing.T, _ *rig, a answered) {
			if a.status != http.StatusOK || !errors.Is(a.err, context.DeadlineExceeded) || len(a.body) == 0 {
				t.Errorf("got status %d, %d bytes, %v", a.status, len(a.body), a.err)
			}
		},
		"garbage": func(t *testing.T, _ *rig, a answered) {
			if a.err != nil || a.status != http.StatusOK || a.refused == nil {
				t.Errorf("got %d, %v, %v", a.status, a.err, a.refused)
			}
		},
		"empty": func(t *testing.T, _ *rig, a answered) {
			if a.err != nil || a.status != http.StatusOK || len(a.body) != 0 {
				t.Errorf("got %d, %v, %d bytes", a.status, a.err, len(a.body))
			}
		},
		"html":               httpStatus(http.StatusOK, "Content-Type", "text/html; charset=utf-8"),
		"wrong-content-type": httpStatus(http.StatusOK, "Content-Type", "text/plain"),
		"no-get": func(t *testing.T, r *rig, a answered) {
			if resp, _ := r.get(t); resp.StatusCode != http.StatusMethodNotAllowed || a.refused != nil {
				t.Errorf("got %s for GET and %v for POST, want 405 and an answer", resp.Status, a.refused)
			}
		},
		"redirect-loop": func(t *testing.T, r *rig, a answered) {
			resp, _ := r.get(t)
			if got, want := resp.Header.Get("Location"), resp.Request.URL.EscapedPath(); got != want || a.status != http.StatusTemporaryRedirect {
				t.Errorf("got %d to %q, want 307 to %q", a.status, got, want)
			}
		},
		"reset": func(t *testing.T, _ *rig, a answered) {
			if !errors.Is(a.err, syscall.ECONNRESET) {
				t.Errorf("got %v, want a reset connection", a.err)
			}
		},
		"hang": func(t *testing.T, _ *rig, a answered) {
			if !errors.Is(a.err, context.DeadlineExceeded) {
				t.Errorf("got %v, want no answer", a.err)
			}
		},
		"slow=50ms": func(t *testing.T, _ *rig, a answered) {
			if a.refused != nil || a.took < 50*time.Millisecond {
				t.Errorf("answered after %v with %v", a.took, a.refused)
			}
		},
		"503":     httpStatus(http.StatusServiceUnavailable, "Retry-After", ""),
		"503=120": httpStatus(http.StatusServiceUnavailable, "Retry-After", "120"),
		"404":     httpStatus(http.StatusNotFound, "Retry-After", ""),
		"500=1":   httpStatus(http.StatusInternalServerError, "Retry-After", "1"),
	}
	covered := make(map[string]bool)
	for fault, check := range rows {
		name, _, _ := strings.Cut(string(fault), "=")
		covered[name] = true
		t.Run(string(fault), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, func(o *ResponderOptions) { o.Validity = validity })
			if err := r.responder.SetFault(fault); err != nil {
				t.Fatal(err)
			}
			ctx := t.Context()
			if fault == "hang" || fault == "stall" {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, 200*time.Millisecond)
				defer cancel()
			}
			check(t, r, ask(t, r, ctx))
			if err := r.responder.SetFault(""); err != nil {
				t.Fatal(err)
			}
			if a := ask(t, r, t.Context()); a.err != nil || a.refused != nil || a.parsed.Status != ocsp.Good {
				t.Errorf("after the fault: got %+v", a)
			}
		})
	}
	for _, k := range Faults() {
		if !covered[k.Name] {
			t.Errorf("fault %q has no row", k.Name)
		}
	}
}

func wantSize(t *testing.T, a answered, more int) {
	t.Helper()
	if a.refused != nil || len(a.body) <= more || len(a.body) > more+2000 {
		t.Errorf("got %d bytes (%v), want a good response of a little more than %d", len(a.body), a.refused, more)
	}
}

func TestFaultForOneCertificateGoesBeforeTheCommonOne(t *testing.T) {
	r := newRig(t, nil)
	if err := r.responder.SetFault("unauthorized"); err != nil {
		t.Fatal(err)
	}
	if err := r.responder.SetFaultFor(r.leaf.Certificate.SerialNumber, "tryLater"); err != nil {
		t.Fatal(err)
	}
	if got, want := ask(t, r, t.Context()).body, byte(TryLater); got[4] != want {
		t.Errorf("the leaf: got status %d, want %d", got[4], want)
	}
	r.leaf = issueLeaf(t, r.pki.Intermediate, IssueOptions{})
	if got, want := ask(t, r, t.Context()).body, byte(Unauthorized); got[4] != want {
		t.Errorf("another leaf: got status %d, want %d", got[4], want)
	}
}

func TestFaultsThatAreNone(t *testing.T) {
	r := newRig(t, nil)
	for _, f := range []Fault{"nonsense", "slow", "slow=", "slow=soon", "slow=-1s", "hang=1s", "200", "600", "503=soon", "503=-1", "huge=-1", "huge=99999999999", "=", "expired="} {
		err := r.responder.SetFault(f)
		if f == "expired=" { // an empty parameter is none
			if err != nil {
				t.Errorf("%q: %v", f, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), string(f)) {
			t.Errorf("%q: got %v, want an error that names it", f, err)
		}
	}
}
