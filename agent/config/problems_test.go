package config

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestEachMistakeIsNamedWithItsLineAndField(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       []string // without the file's name
	}{
		{"unknown key", "schedul: x", []string{`1: schedul: unknown key, did you mean "schedule"?`}},
		{"unknown key with a dash", "state-dir: /x", []string{`1: state-dir: unknown key, did you mean "state_dir"?`}},
		{"unknown key that is far off", "log: {colour: red}", []string{`1: log.colour: unknown key, want one of format, level`}},
		{"unknown key in an item", "certificates:\n- paths: [/x]\n  recusive: true",
			[]string{`3: certificates[0].recusive: unknown key, did you mean "recursive"?`}},
		{"key given twice", "rescan: 1m\nproxy: none\nrescan: 2m", []string{`3: rescan: given twice, first in line 1`}},
		{"merge key", "log:\n  <<: {format: text}", []string{`2: log.<<: merging mappings is not supported, write the keys out`}},
		{"key that is a list", "? [a]\n: b", []string{`1: a key must be text, got a list`}},
		{"second document", "rescan: 1m\n---\nrescan: 2m", []string{`2: a second YAML document begins here, but only one is read`}},
		{"second document that is broken", "rescan: 1m\n---\nrescan: [", []string{`3: not YAML: did not find expected node content`}},
		{"two documents and another mistake", "rescan: 1\n---\nx: y", []string{`1: rescan: needs a unit, such as 1s`,
			`2: a second YAML document begins here, but only one is read`}},
		{"list at the top", "- a", []string{`1: must be a mapping (key: value), got a list`}},
		{"text at the top", "restaple", []string{`1: must be a mapping (key: value), got text`}},
		{"tab", "log:\n\tformat: text", []string{`2: not YAML: indented with a tab, use spaces`}},
		{"character that needs quotes", "schedule: @daily", []string{`1: not YAML: a value begins with a character that needs quotes`}},
		{"asterisk that needs quotes", "rescan: 1m\nschedule: *secret", []string{"2: not YAML: a value refers to an anchor that is not there; put a value that begins with * into quotes"}},
		{"bracket left open", "log: {format: text", []string{`1: not YAML: did not find expected ',' or '}'`}},
		{"item that is not indented as the list is", "certificates:\n- paths: [/x]\n\n server: nginx", []string{`4: not YAML: did not find expected key`}},
		{"tab among spaces", "log:\n  format: text\n\tlevel: info", []string{`3: not YAML: indented with a tab, use spaces`}},
		{"bracket left open after one that is closed", "allow: [\n  10.0.0.0/8,\n]\ndeny: [\n  10.0.0.0/8,\nproxy: none", []string{`6: not YAML: did not find expected ',' or ']'`}},
		{"octet that is not UTF-8", "# \xc3\xa4\nstate_dir: /caf\xe9\nrescan: 1m", []string{`2: not UTF-8: octet 0xE9 is out of place`}},
		{"custom tag", "state_dir: !secret x", []string{`1: state_dir: a tag (!…) is not supported here`}},

		{"text for a mapping", "log: text", []string{`1: log: must be a mapping (key: value), got text`}},
		{"text for a list", "allow: 10.0.0.0/8", []string{`1: allow: must be a list, got text`}},
		{"mapping for text", "state_dir: {a: b}", []string{`1: state_dir: must be text, got a mapping`}},
		{"nothing for text", "state_dir:", []string{`1: state_dir: has no value`}},
		{"empty text", "state_dir: ' '", []string{`1: state_dir: must not be empty`}},
		{"NUL in a path", `state_dir: "/x\0"`, []string{`1: state_dir: must not hold a NUL character`}},
		{"home directory", "state_dir: ~/state", []string{`1: state_dir: ~ is not expanded here, write the whole path (or ./~… if it is a name)`}},

		{"variable of the environment", "certificates: [{paths: [$HOME/x, '${CERTS}/*.pem', './$x', /srv/$x]}]", []string{
			`1: certificates[0].paths[0]: variables of the environment are not expanded here, write the whole path (or ./$… if it is a name)`,
			`1: certificates[0].paths[1]: variables of the environment are not expanded here, write the whole path (or ./$… if it is a name)`}},

		{"duration without unit", "rescan: 30", []string{`1: rescan: needs a unit, such as 30s`}},
		{"duration in words", "rescan: soon", []string{`1: rescan: must be a duration such as 90s, 12h or 7d, got "soon"`}},
		{"negative duration", "timeout: -5s", []string{`1: timeout: must not be negative, got -5s`}},
		{"no duration at all", "timeout: 0s", []string{`1: timeout: must be more than 0`}},
		{"too small an interval", "rescan: 10ms", []string{`1: rescan: must be at least 1s, got 10ms`}},
		{"number in words", "max_in_flight: many", []string{`1: max_in_flight: must be a whole number, got "many"`}},
		{"days that overflow", "rescan: 99999d9999999h", []string{`1: rescan: must be a duration such as 90s, 12h or 7d, got "99999d9999999h"`}},
		{"value too long to show", "rescan: " + strings.Repeat("x", 100), []string{`1: rescan: must be a duration such as 90s, 12h or 7d, got "` + strings.Repeat("x", 60) + `"…`}},
		{"NUL in an argument", `hooks: [{name: a, command: [x, "\0"]}]`, []string{`1: hooks[0].command[1]: must not hold a NUL character`}},
		{"broken number", "max_in_flight: 1.5", []string{`1: max_in_flight: must be a whole number, got "1.5"`}},
		{"number too small", "max_in_flight: 0", []string{`1: max_in_flight: must be at least 1, got 0`}},
		{"yes for true", "admin: {per_certificate_series: yes}", []string{`1: admin.per_certificate_series: must be true or false, without quotes, got "yes"`}},
		{"bad schedule", "schedule: '0 0 30 2 *'", []string{`1: schedule: "0 0 30 2 *" is not a schedule: "0 0 30 2 *" never comes true: no month has such a day`}},
		{"schedule that is a time zone", "schedule: TZ=UTC", []string{`1: schedule: "TZ=UTC" is not a schedule: nothing follows the time zone in "TZ=UTC"`}},
		{"unknown word", "log: {format: jsn}", []string{`1: log.format: "jsn" is not known, did you mean "json"?`}},
		{"unknown level", "log: {level: loud}", []string{`1: log.level: "loud" is not known, want one of debug, info, warn, error`}},
		{"unknown guard", "guard: none", []string{`1: guard: "none" is not known, want one of default, strict`}},
		{"bad address range", "allow: [10.0.0.0/33]", []string{`1: allow[0]: must be an address range such as 10.0.0.0/8, got "10.0.0.0/33"`}},
		{"no_proxy without proxy", "no_proxy: [a]", []string{`1: no_proxy: counts only together with proxy; the proxy of the environment has its own NO_PROXY`}},
		{"no_proxy with no proxy at all", "proxy: none\nno_proxy: [a]\nresponders: [{host: x, proxy: none}]", []string{`2: no_proxy: counts only together with proxy; the proxy of the environment has its own NO_PROXY`}},
		{"no_proxy with commas", "proxy: http://p\nno_proxy: ['a,b']", []string{`2: no_proxy[0]: must be one host, domain or address range, got "a,b"`}},
		{"proxy of another kind", "proxy: ftp://p", []string{`1: proxy: must begin with one of http://, https://, socks5://, socks5h://, got ftp://`}},
		{"listen without port", "admin: {listen: localhost}", []string{`1: admin.listen: must be unix:/path or host:port such as 127.0.0.1:9110, got "localhost"`}},
		{"listen at a relative path", "admin: {listen: unix:x}", []string{`1: admin.listen: must be an absolute path after unix:, got "unix:x"`}},
		{"answering without listening", "answer_for: issuers\nanswer_rate: 5", []string{`1: answer_for: counts only together with listen`, `2: answer_rate: counts only together with listen`}},
		{"listen without port", "listen: localhost", []string{`1: listen: must be unix:/path or host:port such as 127.0.0.1:9110, got "localhost"`}},
		{"empty listen", "listen: ''", []string{`1: listen: must not be empty`}},
		{"nowhere to listen", "listen: []", []string{`1: listen: must not be empty`}},
		{"unknown thing to answer for", "listen: 80\nanswer_for: issuer", []string{`2: answer_for: "issuer" is not known, did you mean "issuers"?`}},
		{"issuers not answered for", "listen: 80\nissuers: [{certificate: /ca.pem, responder: http://x/}]", []string{`2: issuers: counts only together with answer_for: issuers`}},
		{"issuer without responder", "listen: 80\nanswer_for: issuers\nissuers: [{certificate: /ca.pem}]", []string{`3: issuers[0]: responder is missing`}},
		{"issuer without certificate", "listen: 80\nanswer_for: issuers\nissuers: [{responder: http://x/}]", []string{`3: issuers[0]: certificate is missing`}},

		{"certificates without paths", "certificates:\n- server: nginx", []string{`2: certificates[0]: paths is missing`}},
		{"certificates with no paths", "certificates:\n- paths: []", []string{`2: certificates[0].paths: must not be empty`}},
		{"text for paths", "certificates:\n- paths: /x", []string{`2: certificates[0].paths: must be a list, got text`}},
		{"bad glob", "certificates:\n- paths: ['/x/[a']", []string{`2: certificates[0].paths[0]: "/x/[a" is not a valid glob`}},
		{"hook that nothing is told to", "certificates:\n- {paths: [/x], hooks: [b]}\nhooks:\n- {name: a, command: [x]}\n- {name: b, command: [y]}", []string{
			`4: hooks[0]: "a" is told of nothing: put its name into the hooks of certificates`}},
		{"unknown server", "certificates:\n- paths: [/x]\n  server: ngnix", []string{`3: certificates[0].server: "ngnix" is not known, did you mean "nginx"?`}},
		{"unknown placeholder", "certificates:\n- paths: [/x]\n  staple: '/y/{nam}.ocsp'",
			[]string{`3: certificates[0].staple: unknown placeholder "{nam}", did you mean "{name}"?`}},
		{"lone brace", "certificates:\n- paths: [/x]\n  staple: '/y/{name.ocsp'",
			[]string{`3: certificates[0].staple: a brace belongs to no placeholder in "/y/{name.ocsp"`}},
		{"staple that is a directory", "certificates:\n- paths: [/x]\n  staple: '{dir}/'",
			[]string{`3: certificates[0].staple: must name a file, such as "{dir}/{base}.ocsp"`}},
		{"staple that is the certificate", "certificates:\n- paths: [/x]\n  staple: '{path}'",
			[]string{`3: certificates[0].staple: would replace the certificate itself`}},
		{"one staple for all", "certificates:\n- paths: [/x/*.pem]\n  staple: /y.ocsp",
			[]string{`3: certificates[0].staple: gives all certificates the same staple path, put one of {dir}, {name}, {base}, {path}, {md5} into it`}},
		{"same path twice", "certificates:\n- paths: [/x]\n- paths: [/y, /x/]\n  server: nginx",
			[]string{`3: certificates[1].paths[1]: is already in certificates[0].paths[0], with the same staple path`}},
		{"mode in decimal", "certificates:\n- paths: [/x]\n  mode: 0689", []string{`3: certificates[0].mode: must be a mode in octal digits such as "0644", got "0689"`}},
		{"mode with more than permissions", "certificates:\n- paths: [/x]\n  mode: 4755", []string{`3: certificates[0].mode: must be a mode in octal digits such as "0644", got "4755"`}},
		{"mode that nobody can read", "certificates:\n- paths: [/x]\n  mode: '0044'", []string{`3: certificates[0].mode: must let the owner read the file, got "0044"`}},
		{"owner that is no name", "certificates:\n- paths: [/x]\n  owner: root:root", []string{`3: certificates[0].owner: must be a name or a number, got "root:root"`}},
		{"responder without scheme", "certificates:\n- paths: [/x]\n  responder: ocsp.example",
			[]string{`3: certificates[0].responder: must be a URL such as http://ocsp.example/`}},
		{"responder by LDAP", "certificates:\n- paths: [/x]\n  responder: ldap://ocsp.example/x",
			[]string{`3: certificates[0].responder: must begin with one of http://, https://, got ldap://`}},
		{"policy for unknown that is for revoked", "certificates:\n- paths: [/x]\n  on_unknown: withdraw",
			[]string{`3: certificates[0].on_unknown: "withdraw" is not known, want one of keep, publish`}},
		{"place to prove without port", "certificates:\n- paths: [/x]\n  prove: [www.example]",
			[]string{`3: certificates[0].prove[0]: must be host:port such as www.example:443 or [::1]:443, got "www.example"`}},
		{"unknown hook", "hooks: [{name: reload, command: [x]}]\ncertificates:\n- paths: [/x]\n  hooks: [relod]",
			[]string{`4: certificates[0].hooks[0]: there is no hook "relod", did you mean "reload"?`}},
		{"hook where there are none", "certificates:\n- paths: [/x]\n  hooks: [reload]",
			[]string{`3: certificates[0].hooks[0]: there is no hook "reload", there is none`}},
		{"timeout of a hook in place", "certificates:\n- paths: [/x]\n- paths: [/y]\n  hooks:\n  - command: [x]\n    timeout: -5s",
			[]string{`6: certificates[1].hooks[0].timeout: must not be negative, got -5s`}},
		{"two hooks in place with one name", "certificates:\n- paths: [/x]\n  hooks:\n  - command: [systemctl, reload, nginx]\n  - command: [systemctl, reload, nginx]\n    delay: 5s",
			[]string{`5: certificates[0].hooks[1]: would be called "systemctl-reload-nginx", which is already the name of another hook, certificates[0].hooks[0]; give it a name of its own`}},

		{"hook without a name", "hooks:\n- command: [x]", []string{`2: hooks[0]: needs a name, by which certificates refer to it`}},
		{"hook with a bad name", "hooks:\n- name: a/b\n  command: [x]", []string{`2: hooks[0].name: must be at most 64 letters, digits, dots, dashes and underscores, got "a/b"`}},
		{"two hooks with one name", "hooks:\n- {name: a, command: [x]}\n- {name: a, command: [x]}", []string{`3: hooks[1]: the name "a" is already that of hooks[0]`}},
		{"hook that does nothing", "hooks:\n- name: a", []string{`2: hooks[0]: command or signal or webhook or haproxy is missing`}},
		{"hook that does two things", "hooks:\n- {name: a, command: [x], signal: {process: y}}", []string{`2: hooks[0]: does only one thing, but has command and signal`}},
		{"command as a line", "hooks:\n- {name: a, command: nginx -s reload}",
			[]string{`2: hooks[0].command: must be a list such as ["nginx", "-s", "reload"]: there is no shell that would take it apart`}},
		{"command without a program", "hooks:\n- {name: a, command: ['']}", []string{`2: hooks[0].command: names no program`}},
		{"empty command", "hooks:\n- {name: a, command: []}", []string{`2: hooks[0].command: must not be empty`}},
		{"check without a command", "hooks:\n- {name: a, check: [x], signal: {process: y}}", []string{`2: hooks[0]: check belongs to a command, and there is none`}},
		{"unknown event", "hooks:\n- {name: a, command: [x], on: [place]}", []string{`2: hooks[0].on[0]: "place" is not known, did you mean "placed"?`}},
		{"signal to nobody", "hooks:\n- {name: a, signal: {signal: HUP}}", []string{`2: hooks[0].signal: pid_file or process is missing`}},
		{"signal that kills", "hooks:\n- {name: a, signal: {process: x, signal: KILL}}",
			[]string{`2: hooks[0].signal.signal: "KILL" is not known, want one of HUP, INT, QUIT, TERM, USR1, USR2, WINCH`}},
		{"webhook without URL", "hooks:\n- {name: a, webhook: {}}", []string{`2: hooks[0].webhook: url is missing`}},
		{"haproxy without socket", "hooks:\n- {name: a, haproxy: }", []string{`2: hooks[0].haproxy: socket is missing`}},
		{"issuers-chain-path of another server", "certificates:\n- {paths: [/x], server: nginx, issuers_chain_path: true}",
			[]string{`2: certificates[0].issuers_chain_path: is for server: haproxy only, here it is nginx`}},
		{"haproxy without a path", "hooks:\n- {name: a, haproxy: {socket: 'unix:'}}", []string{`2: hooks[0].haproxy.socket: must name a file`}},
		{"haproxy with a tiny buffer", "hooks:\n- {name: a, haproxy: {socket: /x, buffer: 16}}", []string{`2: hooks[0].haproxy.buffer: must be HAProxy's tune.bufsize, from 4096 to 1048576, got 16`}},

		{"responder without host", "responders:\n- nonce: true", []string{`2: responders[0]: host is missing`}},
		{"responder's host is a URL", "responders:\n- host: http://x/", []string{`2: responders[0].host: must be a host such as ocsp.example or ocsp.example:8080`}},
		{"responder's host is a pattern", "responders:\n- host: '*.x'", []string{`2: responders[0].host: must be a host such as ocsp.example or ocsp.example:8080`}},
		{"responder twice", "responders:\n- host: x\n- host: X:80", []string{`3: responders[1]: the host "x" has an entry already, responders[0]`}},
		{"two ways to one host", "responders:\n- {host: x, url: 'http://B:80/', rate: 1}\n- {host: y, url: 'https://b/'}",
			[]string{`3: responders[1]: "b" is asked instead, as in the entry of "x", but in another way; give "b" an entry of its own`}},
		{"another way than that of all", "responders:\n- {host: '*', url: 'http://b:81/'}\n- {host: y, headers: {a: b}}",
			[]string{`3: responders[1]: "b:81" is asked instead, as in the entry of "*", but in another way; give "b:81" an entry of its own`}},
		{"mistake in the responder for all, once", "responders:\n- host: '*'\n  rate: fast\n- host: x",
			[]string{`3: responders[0].rate: must be a number of requests per second, got "fast"`}},
		{"no rate", "responders:\n- {host: x, rate: 0}", []string{`2: responders[0].rate: must be more than 0, got "0"`}},
		{"rate without end", "responders:\n- {host: x, rate: .inf}", []string{`2: responders[0].rate: must be a number of requests per second, got ".inf"`}},
		{"certificate without key", "responders:\n- {host: x, client_cert: /c}", []string{`2: responders[0]: client_cert and client_key belong together, one of them is missing`}},
		{"unknown hash", "responders:\n- {host: x, hash: md5}", []string{`2: responders[0].hash: "md5" is not known, want one of sha1, sha256`}},
		{"header that is no name", "responders:\n- {host: x, headers: {'a b': c}}", []string{`2: responders[0].headers.(key not shown): is no name of a header field`}},
		{"header of the client", "responders:\n- {host: x, headers: {host: c}}", []string{`2: responders[0].headers.host: this header field cannot be set`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse("x.yaml", []byte(test.text))
			problems, ok := err.(Problems)
			if !ok {
				t.Fatalf("got %v, want problems", err)
			}
			var got []string
			for _, p := range problems {
				got = append(got, strings.TrimSpace(strings.TrimPrefix(p.String(), "x.yaml:")))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(test.want, "\n\t"))
			}
		})
	}
}

func TestAllProblemsComeAtOnceInTheOrderOfLines(t *testing.T) {
	_, err := Parse("restaple.yaml", []byte(`certificates:
- paths: [/x]
  hooks: [nobody]
  mode: rw
rescan: -1s
hooks:
- name: a
  command: []
  timeout: 0s
`))
	const want = `restaple.yaml:3: certificates[0].hooks[0]: there is no hook "nobody", there is none
restaple.yaml:4: certificates[0].mode: must be a mode in octal digits such as "0644", got "rw"
restaple.yaml:5: rescan: must not be negative, got -1s
restaple.yaml:8: hooks[0].command: must not be empty
restaple.yaml:9: hooks[0].timeout: must be more than 0`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestAReferenceToAHookWithAMistakeIsNoMistake(t *testing.T) {
	_, err := Parse("x", []byte("hooks:\n- name: a\n  command: []\ncertificates:\n- paths: [/x]\n  hooks: [a]\n"))
	if problems, ok := err.(Problems); !ok || len(problems) != 1 {
		t.Errorf("got %v, want only the mistake in the hook itself", err)
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	for _, text := range []string{
		"proxy: htp://user:s3cret@proxy:3128",
		"proxy: http://user:s3cret@proxy:99999",
		"proxy: http://user:s3cret@pro xy",
		"proxy: 'http://user:s3cret%zz@proxy'",
		"proxy: [http://user:s3cret@proxy]",
		"proxy: *s3cret",
		"proxy:\n  http://user:s3cret@proxy: 3128",
		"http://user:s3cret@proxy: 3128",
		"responders:\n- host: x\n  headers: {Authorization: \"Bearer s3cret\\n\"}",
		"responders:\n- host: x\n  headers: [Authorization, s3cret]",
		"responders:\n- host: x\n  headers: {'Authorization: s3cret': }",
		"responders:\n- host: http://user:s3cret@x",
		"responders:\n- host: user:s3cret@x",
		"hooks:\n- name: a\n  webhook: {url: 'hooks.example/s3cret'}",
		"hooks:\n- name: a\n  webhook: {url: 'ftp://hooks.example/s3cret'}",
		"hooks:\n- name: a\n  webhook: {url: 'https://hooks.example/#s3cret'}",
		"hooks:\n- name: a\n  webhook: https://hooks.example/s3cret",
		"certificates:\n- paths: [/x]\n  responder: http://user:s3cret@",
		"certificates:\n- paths: [/x]\n  hooks: [{command: [a, s3cret]}, {command: [a, s3cret], delay: 9s}]",
	} {
		_, err := Parse("x", []byte(text))
		if err == nil {
			t.Errorf("accepted: %s", text)
		} else if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("shows the secret: %v", err)
		}
	}
}

func TestAliasesOfAliasesEndSoon(t *testing.T) {
	var b strings.Builder
	b.WriteString("hooks:\n- &h\n  name: a\n  command: &c [")
	b.WriteString(strings.Repeat("x, ", 1000) + "x]\ncertificates:\n- &d\n  paths: [/x]\n  hooks: [")
	b.WriteString(strings.Repeat("*h, ", 5000) + "*h]\n" + strings.Repeat("- *d\n", 5000))
	start := cpuTime(t)
	_, err := Parse("x", []byte(b.String()))
	if err == nil || !strings.Contains(err.Error(), "values with its aliases") {
		t.Errorf("got %.200v, want that there are too many values", err)
	}
	if took := cpuTime(t) - start; took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}

// cpuTime returns how long this process has been at work. Others of the machine
// have no part in it.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func TestAnAliasOfItselfIsAMistakeAndNoLoop(t *testing.T) {
	for _, text := range []string{"allow: &a [*a]", "log: &a {format: *a}", "certificates: &a\n- paths: *a\n- hooks: *a"} {
		if _, err := Parse("x", []byte(text)); err == nil {
			t.Errorf("accepted: %s", text)
		}
	}
}
