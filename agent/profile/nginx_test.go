package profile

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestSnippetsNameWhateverAStapleIsCalled asks nginx: a file name says nothing
// but itself.
func TestSnippetsNameWhateverAStapleIsCalled(t *testing.T) {
	program := requireProgram(t, "nginx")
	all := samples(t, newPKI(t), time.Now().Truncate(time.Second))
	s := all[slices.IndexFunc(all, func(s sample) bool { return s.trait == good })]
	for called, name := range map[string]string{
		"space": "with space", "double": `quo"te`, "single": "'single'", "backslash": `back\table\\`,
		"punctuation": "semi;colon}{ #hash", "variable": "$dollar", "newline": "new\nline",
		"directive": `in"; ssl_ciphers none; #jected`,
	} {
		t.Run(called, func(t *testing.T) {
			server := serversUnderTest()["nginx"]
			const line = "ssl_stapling on; ssl_stapling_file %[1]s/staple.der;"
			if !strings.Contains(server.config, line) {
				t.Fatalf("got no %q in the configuration", line)
			}
			server.config = strings.Replace(server.config, line, Snippet("%[1]s/"+name), 1)
			server.staple = name
			if does, served, said := startWith(t, program, server, s); does != Serves || !bytes.Equal(served, s.der) {
				t.Errorf("it %s %d octets, want that it serves the file\n%s", does, len(served), said)
			}
		})
	}
}

func TestSnippetsAreKnown(t *testing.T) {
	for text, want := range map[string]bool{
		"": true, "ssl_sta": true, Snippet("/a.ocsp"): true, SnippetFileOnly("/b.ocsp"): true,
		"server {\n": false, "ssl_certificate /x;\n": false, "# ssl_stapling on;\n": false, "s\n": false,
	} {
		if got := IsSnippet([]byte(text)); got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}

func TestSnippetForABlockThatSwitchesStaplingOn(t *testing.T) {
	if got, want := SnippetFileOnly("/a/b.ocsp"), "ssl_stapling_file \"/a/b.ocsp\";\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
