package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

func TestEachCommandHasAManualPageThatGroffTakes(t *testing.T) {
	dir := t.TempDir()
	date := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	if err := writeManuals(newRootCommand(), dir, date); err != nil {
		t.Fatal(err)
	}
	var want []string
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		want = append(want, filepath.Join(dir, strings.ReplaceAll(cmd.CommandPath(), " ", "-")+".1"))
		for _, c := range cmd.Commands() {
			if !c.Hidden {
				walk(c)
			}
		}
	}
	walk(newRootCommand())
	got, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("got pages %v, want %v", got, want)
	}
	if _, err := exec.LookPath("groff"); err != nil {
		if strings.Contains(os.Getenv("RESTAPLE_TEST_REQUIRE"), "groff") {
			t.Fatal(err)
		}
		t.Skip("groff is not installed")
	}
	for _, path := range got {
		said, err := exec.Command("groff", "-man", "-ww", "-z", "-K", "utf8", path).CombinedOutput()
		if err != nil || len(said) > 0 {
			t.Errorf("%s: %v\n%s", filepath.Base(path), err, said)
		}
	}
}

func TestManualPageSaysWhatTheCommandSays(t *testing.T) {
	cmd := &cobra.Command{
		Use:     "run [flags]",
		Short:   "Do it",
		Long:    "First \\ line\n.dot\n\nSecond 'quoted'.",
		Example: "  restaple run '/etc/**/*.pem'",
		Run:     func(*cobra.Command, []string) {},
	}
	cmd.Flags().StringP("config", "c", "", "a `file` to read")
	cmd.Flags().String("output", "text", "the output `format`")
	cmd.Flags().Duration("wait", 0, "wait so `long`")
	cmd.Flags().Lookup("wait").NoOptDefVal = "2m"
	cmd.Flags().Bool("secret", false, "not for users")
	cmd.Flags().Lookup("secret").Hidden = true
	(&cobra.Command{Use: "restaple"}).AddCommand(cmd)
	got := manual(cmd, time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC))
	for _, want := range []string{
		`.TH "RESTAPLE\-RUN" "1" "2026\-01\-02"`,
		"restaple\\-run \\- Do it\n",
		"First \\e line\n\\&.dot\n.PP\nSecond \\(aqquoted\\(aq.\n",
		"\\fB\\-c\\fR, \\fB\\-\\-config\\fR \\fIfile\\fR\na file to read\n",
		"\\fB\\-\\-output\\fR \\fIformat\\fR\nthe output format (default text)\n",
		"\\fB\\-\\-wait\\fR[=\\fIlong\\fR]\n",
		".EX\n  restaple run \\(aq/etc/**/*.pem\\(aq\n.EE\n",
		"\\fBrestaple\\fR(1)\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got\n%s\nwant in it\n%s", got, want)
		}
	}
	if strings.Contains(got, "secret") {
		t.Errorf("a hidden flag is in\n%s", got)
	}
}

func TestSourceDate(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1767323045")
	got, err := sourceDate()
	if want := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC); err != nil || !got.Equal(want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	t.Setenv("SOURCE_DATE_EPOCH", "yesterday")
	if _, err := sourceDate(); err == nil {
		t.Error("got no error for a date that is none")
	}
}
