package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// manual writes the page of a command in roff, with the man macros
// (groff_man(7)). The module that cobra offers for this goes by way of
// Markdown, where a glob such as **/*.pem is emphasis.
func manual(cmd *cobra.Command, date time.Time) string {
	var p page
	name := pageName(cmd)
	p.macro("TH", strings.ToUpper(name), "1", date.Format(time.DateOnly), "restaple "+versionString(), "User Commands")
	p.section("NAME")
	p.text(name + " - " + cmd.Short)
	p.section("SYNOPSIS")
	p.bold(cmd.UseLine())
	if cmd.Long != "" {
		p.section("DESCRIPTION")
		p.prose(cmd.Long)
	}
	if children := documented(cmd); len(children) > 0 {
		p.section("COMMANDS")
		for _, c := range children {
			p.macro("TP")
			p.bold(c.CommandPath())
			p.text(c.Short)
		}
	}
	p.section("OPTIONS")
	cmd.LocalFlags().VisitAll(p.option)
	if cmd.Example != "" {
		p.section("EXAMPLES")
		p.example(cmd.Example)
	}
	p.section("EXIT STATUS")
	for _, c := range [][2]string{
		{"0", "All is well."},
		{"1", "A staple is missing, ended, revoked or not as it should be."},
		{"2", "The command line or the configuration is wrong."},
	} {
		p.macro("TP")
		p.bold(c[0])
		p.text(c[1])
	}
	if !cmd.HasParent() {
		p.section("FILES")
		p.macro("TP")
		p.bold(defaultConfig)
		p.text("The configuration, if none is named.")
		p.macro("TP")
		p.bold("/var/lib/restaple")
		p.text("What must survive a restart, if neither systemd nor the configuration names another directory.")
	}
	p.seeAlso(cmd)
	return p.String()
}

func pageName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// page is a manual page that is being written.
type page struct{ strings.Builder }

func (p *page) macro(name string, args ...string) {
	p.WriteString("." + name)
	for _, a := range args {
		p.WriteString(` "` + strings.ReplaceAll(roff(a), `"`, `\(dq`) + `"`)
	}
	p.WriteByte('\n')
}

func (p *page) section(title string) { p.macro("SH", title) }

// text writes lines of running text.
func (p *page) text(s string) {
	for line := range strings.Lines(s) {
		p.WriteString(roffLine(line) + "\n")
	}
}

func (p *page) bold(s string) { p.WriteString(`\fB` + roff(s) + "\\fR\n") }

// prose writes paragraphs, which blank lines part.
func (p *page) prose(s string) {
	for i, paragraph := range strings.Split(strings.TrimSpace(s), "\n\n") {
		if i > 0 {
			p.macro("PP")
		}
		if strings.HasPrefix(paragraph, " ") || strings.HasPrefix(paragraph, "\t") {
			p.example(paragraph)
			continue
		}
		p.text(paragraph)
	}
}

// example writes lines that stay as they are.
func (p *page) example(s string) {
	p.macro("EX")
	p.text(s)
	p.macro("EE")
}

func (p *page) option(f *pflag.Flag) {
	if f.Hidden {
		return
	}
	value, usage := pflag.UnquoteUsage(f)
	p.macro("TP")
	if f.Shorthand != "" {
		p.WriteString(`\fB` + roff("-"+f.Shorthand) + `\fR, `)
	}
	p.WriteString(`\fB` + roff("--"+f.Name) + `\fR`)
	switch {
	case value == "":
	case f.NoOptDefVal != "":
		p.WriteString(`[=\fI` + roff(value) + `\fR]`)
	default:
		p.WriteString(` \fI` + roff(value) + `\fR`)
	}
	p.WriteByte('\n')
	switch f.DefValue {
	case "", "false", "0", "0s", "[]":
	default:
		usage += fmt.Sprintf(" (default %s)", f.DefValue)
	}
	p.text(usage)
}

func (p *page) seeAlso(cmd *cobra.Command) {
	var others []string
	if cmd.HasParent() {
		others = append(others, pageName(cmd.Parent()))
	}
	for _, c := range documented(cmd) {
		others = append(others, pageName(c))
	}
	if len(others) == 0 {
		return
	}
	p.section("SEE ALSO")
	for i, name := range others {
		comma := ","
		if i == len(others)-1 {
			comma = ""
		}
		p.WriteString(`\fB` + roff(name) + `\fR(1)` + comma + "\n")
	}
}

// roff escapes what has a meaning within a line. A bare hyphen would be set as
// a dash that cannot be pasted into a shell.
func roff(s string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(s)
}

// roffLine escapes a whole line, at whose beginning a dot and a quote would
// mean a macro.
func roffLine(s string) string {
	s = roff(strings.TrimRight(s, "\n"))
	if strings.HasPrefix(s, ".") {
		return `\&` + s
	}
	return s
}
