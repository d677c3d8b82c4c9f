package config

import (
	"crypto"
	"fmt"
	"log/slog"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/restaple/restaple/hooks"
)

func TestAnEmptyFileMeansTheDefaults(t *testing.T) {
	for _, text := range []string{"", "# only a comment\n", "---\n", "certificates:\nhooks:\nlog:\nresponders: []\n"} {
		c := parsed(t, text)
		c.file, c.lines = "", nil
		if want := Default(); !reflect.DeepEqual(c, want) {
			t.Errorf("%q: got %+v, want %+v", text, c, want)
		}
	}
}

// TestWhatHoldsWithoutAFile is what the annotated example calls the defaults.
func TestWhatHoldsWithoutAFile(t *testing.T) {
	c := Default()
	if c.Admin != (Admin{}) || len(c.Answer.Listen) > 0 {
		t.Errorf("somebody listens: %+v, %+v", c.Admin, c.Answer)
	}
	if c.GuardStrict || len(c.Allow)+len(c.Deny)+len(c.Responders)+len(c.Hooks) > 0 || c.Proxy != "" {
		t.Errorf("got %+v, want the ordinary guard and way, and no settings of responders", c)
	}
	for _, d := range []struct {
		name      string
		got, want any
	}{
		{"rescan", c.Rescan, time.Minute},
		{"log", c.Log, Log{FormatText, slog.LevelInfo}},
		{"timeout", c.Timeout, 15 * time.Second},
		{"connect_timeout", c.ConnectTimeout, 5 * time.Second},
		{"max_in_flight", c.MaxInFlight, 256},
		{"answer_for", c.Answer.For, "certificates"},
	} {
		if d.got != d.want {
			t.Errorf("%s: got %v, want %v", d.name, d.got, d.want)
		}
	}
}

func TestTheDefaultScheduleIsEveryMinute(t *testing.T) {
	at := time.Date(2026, time.March, 1, 12, 0, 30, 0, time.UTC)
	if got, want := Default().Schedule.Next(at), at.Add(30*time.Second); !got.Equal(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestValuesAreReadAsTheyAreMeant(t *testing.T) {
	for _, test := range []struct {
		name, text string
		got        func(*Config) any
		want       any
	}{
		{"days", "rescan: 7d", func(c *Config) any { return c.Rescan }, 7 * 24 * time.Hour},
		{"days and hours", "rescan: 1d12h30m", func(c *Config) any { return c.Rescan }, 36*time.Hour + 30*time.Minute},
		{"duration in quotes", "rescan: '90s'", func(c *Config) any { return c.Rescan }, 90 * time.Second},
		{"level", "log: {level: warn, format: json}", func(c *Config) any { return c.Log }, Log{FormatJSON, slog.LevelWarn}},
		{"strict guard", "guard: strict", func(c *Config) any { return c.GuardStrict }, true},
		{"default guard", "guard: default", func(c *Config) any { return c.GuardStrict }, false},
		{"address ranges", "allow: [10.1.2.3/8, 192.0.2.1, '::1', fc00::/7]", func(c *Config) any { return fmt.Sprint(c.Allow) },
			"[10.0.0.0/8 192.0.2.1/32 ::1/128 fc00::/7]"},
		{"denied", "deny: [10.0.0.0/8]", func(c *Config) any { return c.Deny }, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}},
		{"no_proxy", "no_proxy: [a, .b]\nproxy: http://u:p@proxy:3128", func(c *Config) any { return c.Proxy + " " + c.NoProxy }, "http://u:p@proxy:3128 a,.b"},
		{"no proxy", "proxy: none", func(c *Config) any { return c.Proxy }, Direct},
		{"Unix socket", "admin: {listen: unix:/run/x}", func(c *Config) any { return c.Admin.Listen }, "unix:/run/x"},
		{"any address", "admin: {listen: ':9110'}", func(c *Config) any { return c.Admin.Listen }, ":9110"},
		{"any port", "admin: {listen: '127.0.0.1:0'}", func(c *Config) any { return c.Admin.Listen }, "127.0.0.1:0"},
		{"one place to answer at", "listen: 127.0.0.1:9080", func(c *Config) any { return c.Answer }, Answer{Listen: []string{"127.0.0.1:9080"}, For: "certificates"}},
		{"a port of this host", "listen: 9080", func(c *Config) any { return c.Answer.Listen[0] }, "127.0.0.1:9080"},
		{"no host is this one", "listen: ':9080'", func(c *Config) any { return c.Answer.Listen[0] }, "127.0.0.1:9080"},
		{"everywhere by choice", "listen: ['0.0.0.0:9080', 'unix:/run/x']", func(c *Config) any { return strings.Join(c.Answer.Listen, " ") }, "0.0.0.0:9080 unix:/run/x"},
		{"issuers", "listen: 80\nanswer_for: issuers\nissuers: [{certificate: /ca.pem, responder: 'http://x/'}]", func(c *Config) any { return c.Answer.Issuers[0] }, Issuer{"/ca.pem", []string{"http://x/"}}},
		{"issuer with two responders", "listen: 80\nanswer_for: issuers\nissuers: [{certificate: /ca.pem, responder: ['http://x/', 'http://y/']}]", func(c *Config) any { return strings.Join(c.Answer.Issuers[0].Responders, " ") }, "http://x/ http://y/"},

		{"nothing but paths", "certificates: [{paths: [/x]}]", func(c *Config) any { return *c.Certificates[0] },
			Certificates{Paths: []string{"/x"}, Server: "generic", OnRevoked: "withdraw", OnUnknown: "keep"}},
		{"mode in quotes", "certificates: [{paths: [/x], mode: '0640'}]", func(c *Config) any { return c.Certificates[0].Mode.String() }, "-rw-r-----"},
		{"mode without quotes", "certificates: [{paths: [/x], mode: 0640}]", func(c *Config) any { return c.Certificates[0].Mode.String() }, "-rw-r-----"},
		{"mode as YAML 1.2 writes it", "certificates: [{paths: [/x], mode: 0o640}]", func(c *Config) any { return c.Certificates[0].Mode.String() }, "-rw-r-----"},
		{"mode without zero", "certificates: [{paths: [/x], mode: 640}]", func(c *Config) any { return c.Certificates[0].Mode.String() }, "-rw-r-----"},
		{"owner by number", "certificates: [{paths: [/x], owner: 0, group: 33}]", func(c *Config) any { return c.Certificates[0].Owner + ":" + c.Certificates[0].Group }, "0:33"},
		{"owner of a domain", `certificates: [{paths: [/x], owner: 'CORP\svc-nginx$'}]`, func(c *Config) any { return c.Certificates[0].Owner }, `CORP\svc-nginx$`},
		{"one staple for one file", "certificates: [{paths: [/x], staple: /y.ocsp}]", func(c *Config) any { return c.Certificates[0].Staple }, "/y.ocsp"},
		{"same path with two staple paths", "certificates: [{paths: [/x]}, {paths: [/x], staple: '/y/{name}'}]", func(c *Config) any { return len(c.Certificates) }, 2},
		{"no key for hooks", "certificates: [{paths: [/x]}]", func(c *Config) any { return c.Certificates[0].Hooks == nil }, true},
		{"no hooks on purpose", "certificates: [{paths: [/x], hooks: []}]", func(c *Config) any { return c.Certificates[0].Hooks != nil }, true},
		{"places to prove", "certificates: [{paths: [/x], prove: ['[::1]:443']}]", func(c *Config) any { return c.Certificates[0].Prove[0] }, "[::1]:443"},

		{"hook with defaults", "hooks: [{name: a, command: [x, '', 5]}]", func(c *Config) any { return *c.Hooks[0] },
			Hook{Name: "a", Command: []string{"x", "", "5"}, Delay: time.Second, Timeout: 30 * time.Second}},
		{"hook without delay", "hooks: [{name: a, command: [x], delay: 0s}]", func(c *Config) any { return c.Hooks[0].Delay }, time.Duration(0)},
		{"signal", "hooks: [{name: a, signal: {process: x, signal: SIGUSR1}}]", func(c *Config) any { return *c.Hooks[0].Signal }, Signal{Process: "x", Signal: syscall.SIGUSR1}},
		{"signal by default", "hooks: [{name: a, signal: {pid_file: /x}}]", func(c *Config) any { return *c.Hooks[0].Signal }, Signal{PIDFile: "/x", Signal: syscall.SIGHUP}},
		{"socket that is a path", "hooks: [{name: a, haproxy: {socket: /run/x:1.sock}}]", func(c *Config) any { return c.Hooks[0].HAProxy.Socket }, "/run/x:1.sock"},
		{"socket as HAProxy writes it", "hooks: [{name: a, haproxy: {socket: 'unix:/run/x.sock'}}]", func(c *Config) any { return c.Hooks[0].HAProxy.Socket }, "/run/x.sock"},
		{"HAProxy's buffer", "hooks: [{name: a, haproxy: {socket: /x, buffer: 32768}}]", func(c *Config) any { return c.Hooks[0].HAProxy.Buffer }, 32768},
		{"socket that is an address", "hooks: [{name: a, haproxy: {socket: '127.0.0.1:9999'}}]", func(c *Config) any { return c.Hooks[0].HAProxy.Socket }, "127.0.0.1:9999"},
		{"headers", "hooks: [{name: a, webhook: {url: 'https://x/', headers: {x-a: 1}}}]", func(c *Config) any { return c.Hooks[0].Webhook.Headers.Get("X-A") }, "1"},

		{"host as it stands in URLs", "responders: [{host: OCSP.Example:80}]", func(c *Config) any { return c.Responders[0].Host }, "ocsp.example"},
		{"host with a port", "responders: [{host: 'ocsp.example:8080'}]", func(c *Config) any { return c.Responders[0].Host }, "ocsp.example:8080"},
		{"host that is an address", "responders: [{host: '[::1]:443'}]", func(c *Config) any { return c.Responders[0].Host }, "[::1]"},
		{"hash", "responders: [{host: x, hash: sha256}]", func(c *Config) any { return c.Responders[0].Hash }, crypto.SHA256},
		{"rate", "responders: [{host: x, rate: 0.5}]", func(c *Config) any { return c.Responders[0].Rate }, 0.5},
		{"what holds for all", "responders: [{host: x, timeout: 1s}, {host: '*', timeout: 9s, nonce: true, headers: {a: b}}]",
			func(c *Config) any { r := c.Responders[0]; return fmt.Sprintln(r.Host, r.Timeout, r.Nonce, r.Headers) }, "x 1s true map[A:[b]]\n"},
		{"all but one", "responders: [{host: '*', nonce: true}, {host: x, nonce: false}]", func(c *Config) any { return c.Responders[1].Nonce }, false},
		{"no_proxy for the proxy of one responder", "no_proxy: [a]\nresponders: [{host: x, proxy: 'http://p'}]", func(c *Config) any { return c.NoProxy }, "a"},
		{"what holds where a URL leads", "responders: [{host: x, url: 'https://B.example:443/ocsp', rate: 2}]", func(c *Config) any { return c.ByHost()["b.example"].Rate }, 2.0},
		{"an entry of its own goes first", "responders: [{host: x, url: 'http://b/', rate: 2}, {host: b, rate: 3}]", func(c *Config) any { return c.ByHost()["b"].Rate }, 3.0},
		{"one way to one host twice", "responders: [{host: x, url: 'http://b/1', rate: 2, hash: sha256}, {host: y, url: 'http://b/2', rate: 2, nonce: true}]", func(c *Config) any { return c.ByHost()["b"].Rate }, 2.0},
		{"alias", "responders: [{host: x, headers: &h {a: b}}, {host: y, headers: *h}]", func(c *Config) any { return c.Responders[1].Headers.Get("a") }, "b"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.got(parsed(t, test.text)); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestTheSameHookInTwoPlacesIsOneHook(t *testing.T) {
	c := parsed(t, `
certificates:
- paths: [/x]
  hooks: [{command: [systemctl, reload, nginx]}, named]
- paths: [/y]
  hooks: [named, {command: [systemctl, reload, nginx]}]
hooks:
- {name: named, signal: {process: x}}
`)
	if got, want := len(c.Hooks), 2; got != want {
		t.Errorf("got %d hooks, want %d", got, want)
	}
	first, second := c.Certificates[0].Hooks, c.Certificates[1].Hooks
	if first[0] != second[1] || first[1] != second[0] || first[1] != c.Hooks[0] {
		t.Errorf("hooks are not shared: %p, %p and %p", first, second, c.Hooks)
	}
}

func TestAHookWithoutANameGetsOneThatHoldsNoSecret(t *testing.T) {
	for _, test := range []struct{ hook, want string }{
		{"command: [systemctl, reload, nginx]", "systemctl-reload-nginx"},
		{"command: [/usr/sbin/nginx, -s, reload]", "nginx"},
		{"command: [/opt/notify.sh, s3cret, reload]", "notify.sh"},
		{"command: ['/x y/ä ö']", "hook"},
		{"command: [/x/" + strings.Repeat("a", 100) + "]", strings.Repeat("a", 64)},
		{"signal: {process: hitch}", "signal-hitch"},
		{"signal: {pid_file: /run/nginx.pid}", "signal-nginx.pid"},
		{"webhook: {url: 'https://user:s3cret@hooks.example/s3cret'}", "webhook-hooks.example"},
		{"haproxy: {socket: /run/haproxy/admin.sock}", "haproxy-admin.sock"},
		{"haproxy: {socket: '127.0.0.1:9999'}", "haproxy-127.0.0.1-9999"},
	} {
		c := parsed(t, "certificates: [{paths: [/x], hooks: [{"+test.hook+"}]}]")
		if got := c.Hooks[0].Name; got != test.want {
			t.Errorf("%s: got %q, want %q", test.hook, got, test.want)
		}
	}
}

func TestEventsAreThoseOfTheHooks(t *testing.T) {
	var known []string
	for _, e := range hooks.Events() {
		known = append(known, string(e))
	}
	if !slices.Equal(events, known) {
		t.Errorf("got %q, want %q", events, known)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("certificates:\n- paths: [/x, '/y/**/*.pem']\n  server: nginx\n  staple: '{dir}/{name}.ocsp'\n  mode: 0644\n  hooks: [a, {command: [x]}]\nhooks:\n- {name: a, signal: {process: x}}\n")
	f.Add("responders:\n- {host: '*', rate: 1.5, headers: {a: b}}\n- {host: x, proxy: none, hash: sha256}\n")
	f.Add("log: {format: text, level: info}\nadmin: {listen: unix:/x}\nallow: [10.0.0.0/8]\nschedule: TZ=UTC\n")
	f.Add("a: &a [*a]\n<<: *a\n? [x]\n: y\n---\n--- !!binary x\n")
	f.Add("rescan: 99999d9999999h\nno_proxy: [a]\nproxy: 'http://[::1'\ntimeout: .inf\n\t")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse("x", []byte(text))
		switch problems, ok := err.(Problems); {
		case err == nil && c == nil:
			t.Error("neither a config nor an error")
		case err != nil && (!ok || len(problems) == 0):
			t.Errorf("the error is not problems: %v", err)
		}
		for _, p := range asProblems(err) {
			if p.Message == "" || p.File != "x" || p.Line < 0 || p.Line > 2+strings.Count(text, "\n")+strings.Count(text, "\r")+
				strings.Count(text, "\u0085")+strings.Count(text, "\u2028")+strings.Count(text, "\u2029") {
				t.Errorf("%+v names no message or a line that is not there", p)
			}
		}
		if err == nil && (c.Rescan < time.Second || c.Timeout <= 0 || c.Schedule == nil) {
			t.Errorf("accepted values that cannot be used: %+v", c)
		}
	})
}

func asProblems(err error) Problems {
	problems, _ := err.(Problems)
	return problems
}

func parsed(t *testing.T, text string) *Config {
	t.Helper()
	c, err := Parse("x.yaml", []byte(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return c
}
