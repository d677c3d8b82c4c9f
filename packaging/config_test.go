package packaging

import (
	"os"
	"strings"
	"testing"

	"github.com/restaple/restaple/agent/config"
)

// TestThePackagedConfigurationIsRight reads it as it is shipped, and with what
// is commented out in it.
func TestThePackagedConfigurationIsRight(t *testing.T) {
	text, err := os.ReadFile("restaple.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if c, err := config.Parse("restaple.yaml", text); err != nil || len(c.Certificates) != 0 {
		t.Errorf("as shipped: got %v, %v", c, err)
	}
	head, rest, ok := strings.Cut(string(text), "certificates: []\n")
	if !ok {
		t.Fatalf("got no place for certificates in\n%s", text)
	}
	with := head + "certificates:\n" + strings.ReplaceAll("\n"+rest, "\n#", "\n")
	c, err := config.Parse("restaple.yaml", []byte(with))
	if err != nil {
		t.Fatalf("%v\n%s", err, with)
	}
	if len(c.Certificates) != 1 || len(c.Certificates[0].Hooks) != 1 {
		t.Errorf("got %d certificates of\n%s", len(c.Certificates), with)
	}
}
