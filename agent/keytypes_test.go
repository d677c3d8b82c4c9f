package agent_test

import (
	"bytes"
	"crypto"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/watcher"
)

// logged is a log that can be read while it is written.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// lines returns those that contain text.
func (l *logged) lines(text string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(strings.Split(l.buf.String(), "\n"), func(s string) bool { return !strings.Contains(s, text) })
}

// logTo has the agents of w log to what is returned.
func (w *world) logTo() *logged {
	l := new(logged)
	inner := w.options
	w.options = func(o *agent.Options) {
		if inner != nil {
			inner(o)
		}
		o.Log = slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return l
}

// keysOf makes a key of each type: those of RSA take their time.
func keysOf(t *testing.T, types ...lab.KeyType) map[lab.KeyType]crypto.Signer {
	t.Helper()
	keys := make(map[lab.KeyType]crypto.Signer)
	for _, k := range types {
		var err error
		if keys[k], err = lab.NewKey(k); err != nil {
			t.Fatal(err)
		}
	}
	return keys
}

const twoKeyTypes = "two key types of one name"

func TestTwoKeyTypesOfOneNameAreSaidForNginx(t *testing.T) {
	keys := keysOf(t, "rsa", "ecdsa")
	for name, row := range map[string]struct {
		server string
		files  map[string]lab.KeyType
		apart  bool // one group a file
		want   int
	}{
		"in one block, perhaps":   {server: "nginx", files: map[string]lab.KeyType{"rsa.pem": "rsa", "ecdsa.pem": "ecdsa"}, want: 1},
		"in two groups":           {server: "nginx", files: map[string]lab.KeyType{"rsa.pem": "rsa", "ecdsa.pem": "ecdsa"}, apart: true, want: 1},
		"two of each":             {server: "nginx", files: map[string]lab.KeyType{"1.pem": "rsa", "2.pem": "ecdsa", "3.pem": "rsa", "4.pem": "ecdsa"}, want: 1},
		"of one type":             {server: "nginx", files: map[string]lab.KeyType{"1.pem": "ecdsa", "2.pem": "ecdsa"}},
		"a server that keeps two": {server: "haproxy", files: map[string]lab.KeyType{"rsa.pem": "rsa", "ecdsa.pem": "ecdsa"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			files := slices.Sorted(maps.Keys(row.files))
			for _, file := range files {
				w.issue(file, lab.IssueOptions{Names: []string{"www.example.test"}, Key: keys[row.files[file]]})
			}
			if row.apart {
				w.options = func(o *agent.Options) {
					first := o.Groups[0]
					o.Groups = nil
					for _, file := range files {
						g := first
						g.Sources = []watcher.Source{{Path: w.path(file)}}
						o.Groups = append(o.Groups, g)
					}
				}
			}
			log := w.logTo()
			w.once(row.server)
			said := log.lines(twoKeyTypes)
			if len(said) != row.want {
				t.Fatalf("said %d times, want %d: %q", len(said), row.want, said)
			}
			for _, text := range []string{"www.example.test", files[0], files[1], "examples/nginx-dual-cert"} {
				if row.want > 0 && !strings.Contains(said[0], text) {
					t.Errorf("%q does not name %s", said[0], text)
				}
			}
		})
	}
}

func TestRenewalWithAnotherKeyTypeIsNoMixture(t *testing.T) {
	w := newWorld(t)
	keys := keysOf(t, "rsa", "ecdsa")
	log := w.logTo()
	issue := func(file string, k lab.KeyType) {
		w.issue(file, lab.IssueOptions{Names: []string{"www.example.test"}, Key: keys[k]})
	}
	fresh := func(file string) func() bool {
		return func() bool { _, err := w.verified(file, file+".ocsp"); return err == nil }
	}
	issue("site.pem", "rsa")
	w.run("nginx")
	eventually(t, "the staple of the RSA leaf", fresh("site.pem"))
	issue("site.pem", "ecdsa")
	eventually(t, "the staple of the ECDSA leaf", fresh("site.pem"))
	if said := log.lines(twoKeyTypes); len(said) > 0 {
		t.Errorf("after a renewal: %q", said)
	}
	issue("other.pem", "rsa")
	eventually(t, "a word on the second file", func() bool { return len(log.lines(twoKeyTypes)) == 1 })
	issue("other.pem", "ecdsa")
	eventually(t, "the staple of the second file", fresh("other.pem"))
	issue("other.pem", "rsa")
	eventually(t, "a word when it is so again", func() bool { return len(log.lines(twoKeyTypes)) == 2 })
}
