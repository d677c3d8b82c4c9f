package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
)

// part is a module in the program, or Go's own library.
type part struct {
	Path     string // of the module; "std" is Go's library
	Version  string
	Sum      string   // as in go.sum
	Licenses []string // SPDX identifiers
	texts    []text
}

// text is a licence or a notice.
type text struct{ name, content string }

// partsOf finds the parts of a program, and their licences.
func partsOf(info *debug.BuildInfo) ([]part, error) {
	goroot, err := command("go", "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	parts := []part{{Path: "std", Version: strings.TrimPrefix(info.GoVersion, "go")}}
	dirs := []string{strings.TrimSpace(goroot)}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		out, err := command("go", "mod", "download", "-json", m.Path+"@"+m.Version)
		if err != nil {
			return nil, err
		}
		var at struct{ Dir string }
		if err := json.Unmarshal([]byte(out), &at); err != nil {
			return nil, fmt.Errorf("module %s: %w", m.Path, err)
		}
		parts = append(parts, part{Path: m.Path, Version: m.Version, Sum: m.Sum})
		dirs = append(dirs, at.Dir)
	}
	for i := range parts {
		if err := parts[i].readLicenses(dirs[i]); err != nil {
			return nil, err
		}
	}
	return parts, nil
}

func command(name string, args ...string) (string, error) {
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return string(out), nil
}

func (p *part) readLicenses(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		stem, _, _ := strings.Cut(strings.ToUpper(e.Name()), ".")
		if e.IsDir() || !slices.Contains([]string{"LICENSE", "LICENCE", "COPYING", "NOTICE", "PATENTS"}, stem) {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		p.texts = append(p.texts, text{e.Name(), string(b)})
		p.Licenses = append(p.Licenses, licenseIDs(string(b))...)
	}
	slices.Sort(p.Licenses)
	if p.Licenses = slices.Compact(p.Licenses); len(p.Licenses) == 0 {
		return fmt.Errorf("module %s: no licence that is known", p.Path)
	}
	return nil
}

// licenseIDs recognizes licences by words that only they have.
func licenseIDs(s string) []string {
	s = strings.ReplaceAll(strings.Join(strings.Fields(s), " "), ",", "")
	var ids []string
	if strings.Contains(s, "Apache License Version 2.0") {
		ids = append(ids, "Apache-2.0")
	}
	if strings.Contains(s, "Permission is hereby granted free of charge") {
		ids = append(ids, "MIT")
	}
	if strings.Contains(s, "Redistribution and use in source and binary forms") {
		if strings.Contains(s, "Neither the name") {
			ids = append(ids, "BSD-3-Clause")
		} else {
			ids = append(ids, "BSD-2-Clause")
		}
	}
	return ids
}

// licenseTexts is what has to be handed on with the program.
func licenseTexts(parts []part) string {
	var out strings.Builder
	out.WriteString("restaple contains software of others, under these licences.\n")
	for _, p := range parts {
		for _, t := range p.texts {
			fmt.Fprintf(&out, "\n\n%s\n%s %s: %s\n\n%s\n", strings.Repeat("=", 78), p.Path, p.Version, t.name, strings.TrimSpace(t.content))
		}
	}
	return out.String()
}
