package haproxy

import (
	"bytes"
	"encoding/asn1"
	"strings"
	"testing"
	"time"
)

// The forms in which OpenSSL 1.1.1, 3.0 and HAProxy 2.6 show a response and
// list processes.
const (
	shown3 = "OCSP Response Data:\n    OCSP Response Status: successful (0x0)\n    Cert Status: good\n    This Update: Nov 20 23:19:48 2026 GMT\n \n" +
		"    Signature Algorithm: ecdsa-with-SHA256\n    Signature Value:\n        30:46:02:21:00:b7:ea:8a:57:3f:15:85:61:6b:96:d7:26:2c:\n        0d:6e\n" +
		"Certificate:\n    Signature Algorithm: ecdsa-with-SHA256\n    Signature Value:\n        ff:ff\n\n"
	shown1 = "OCSP Response Data:\n    Signature Algorithm: sha256WithRSAEncryption\n         5c:01:\n         02:03\n \nCertificate:\n    Signature Algorithm: x\n         ff\n\n"
	pss    = " Signature Algorithm: rsassaPss\n    Hash Algorithm: sha256\n    Mask Algorithm: mgf1 with sha256\n     Salt Length: 0x20\n    Trailer Field: 0x01\n    Signature Value:\n 5c:01\n\n"
	procs  = "#<PID>          <type>          <reloads>       <uptime>        <version>      \n28024           master          1 [failed: 0]   0d00h03m18s     2.6.12\n" +
		"# workers\n30518           worker          0               0d00h00m01s     2.6.12\n# old workers\n28025           worker          1               0d00h03m18s     2.6.12\n# programs\n77 prog - 0 -\n\n"
)

func TestRepliesAreReadRight(t *testing.T) {
	for _, test := range []struct {
		name, reply string
		want        holding
		signature   []byte
	}{
		{"OpenSSL 3", shown3, shown, []byte{0x30, 0x46, 0x02, 0x21, 0, 0xb7, 0xea, 0x8a, 0x57, 0x3f, 0x15, 0x85, 0x61, 0x6b, 0x96, 0xd7, 0x26, 0x2c, 0x0d, 0x6e}},
		{"OpenSSL 1.1.1", shown1, shown, []byte{0x5c, 1, 2, 3}},
		{"RSA-PSS", pss, shown, []byte{0x5c, 1}},
		{"an empty place", "\n", unreadable, nil},
		{"cut off", shown3[:200], unreadable, nil},
		{"no place, 2.6", "Certificate ID does not match any certificate.\n\n", absent, nil},
		{"no place, 3.x", "Certificate ID or path does not match any certificate.\n\n", absent, nil},
	} {
		if held, signature := parseHolding(test.reply); held != test.want || !bytes.Equal(signature, test.signature) {
			t.Errorf("%s: got %v, %x, want %v, %x", test.name, held, signature, test.want, test.signature)
		}
	}
	if pids, ok := parseOldWorkers(procs); !ok || len(pids) != 1 || pids[0] != 28025 {
		t.Errorf("got old workers %v, %v, want 28025", pids, ok)
	}
	for _, pair := range [][2]string{{"0A", "a"}, {"00ff", "FF"}, {"37065B", "37065b"}} {
		if !sameSerial(pair[0], pair[1]) {
			t.Errorf("%v differ", pair)
		}
	}
}

func FuzzReplies(f *testing.F) {
	for _, seed := range []string{shown3, shown1, pss, procs, "# transaction\n*/a\n# filename\n/a\n/b c\n\n", "Pid: 7\nSerial: 0A\n", "OCSP Response updated!\n\n", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, reply string) {
		if held, signature := parseHolding(reply); (held == shown) != (len(signature) > 0) || len(signature) > len(reply) {
			t.Errorf("holding %v with signature %x", held, signature)
		}
		for _, name := range parseNames(reply) {
			if name == "" || strings.ContainsAny(name, "\n") {
				t.Errorf("name %q would end a command", name)
			}
			if word := escape(name); strings.Contains(word, "\n") {
				t.Errorf("escaped name %q", word)
			}
		}
		pids, ok := parseOldWorkers(reply)
		if len(pids) > maxOldWorkers || !ok && pids != nil {
			t.Errorf("old workers %v, %v", pids, ok)
		}
		if w := words(reply); len(w) > 5*maxWords || strings.ContainsAny(w, "\n\x1b") {
			t.Errorf("words %q", w)
		}
		parseField(reply, "Pid")
	})
}

func FuzzResponse(f *testing.F) {
	for _, der := range staples(f, 1) {
		f.Add(der)
	}
	f.Add([]byte{0x30, 0x03, 0x0a, 0x01, 0x03})
	f.Fuzz(func(t *testing.T, der []byte) {
		r, err := parse(der)
		if err != nil {
			return
		}
		if len(r.signature) > len(der) || !bytes.Equal(r.der, der) || r.key == "" || r.serial == "" {
			t.Errorf("got %+v", r)
		}
		if r.lasting(time.Now()) == nil && !r.nextUpdate.After(time.Now()) {
			t.Error("an ended response would be sent")
		}
		var raw asn1.RawValue
		if _, err := asn1.Unmarshal(der, &raw); err != nil {
			t.Errorf("encoding/asn1 does not take it: %v", err)
		}
	})
}
