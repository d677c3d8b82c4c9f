// Inventory says what a restaple program is made of: a bill of materials in
// CycloneDX JSON, and the licences that have to go with it. It reads what the
// Go command has noted in the program, and the licences from the module cache.
package main

import (
	"debug/buildinfo"
	"flag"
	"fmt"
	"os"
	"strconv"
	"time"
)

func main() {
	bill := flag.String("sbom", "", "write the bill of materials to this `file`")
	notices := flag.String("licenses", "", "write the licences to this `file`")
	version := flag.String("version", "devel", "the `version` of the program")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: inventory [-sbom FILE] [-licenses FILE] [-version VERSION] PROGRAM")
		os.Exit(2)
	}
	if err := run(flag.Arg(0), *version, *bill, *notices); err != nil {
		fmt.Fprintf(os.Stderr, "inventory: %v\n", err)
		os.Exit(1)
	}
}

func run(program, version, bill, notices string) error {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return err
	}
	parts, err := partsOf(info)
	if err != nil {
		return err
	}
	if bill != "" {
		at, err := sourceDate()
		if err != nil {
			return err
		}
		b, err := sbom(program, version, info, parts, at)
		if err != nil {
			return err
		}
		if err := os.WriteFile(bill, b, 0o644); err != nil {
			return err
		}
	}
	if notices != "" {
		return os.WriteFile(notices, []byte(licenseTexts(parts)), 0o644)
	}
	return nil
}

// sourceDate is the date of what is built, or now.
func sourceDate() (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		return time.Now().UTC(), nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH %q is not a number of seconds", text)
	}
	return time.Unix(seconds, 0).UTC(), nil
}
