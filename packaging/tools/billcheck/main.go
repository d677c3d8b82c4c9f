// Billcheck holds a bill of materials against CycloneDX's own JSON schema,
// which comes with CycloneDX's library for Go.
//
//	billcheck SCHEMAS BILL
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	_ "github.com/CycloneDX/cyclonedx-go" // has the schemas
	"github.com/xeipuuv/gojsonschema"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: billcheck SCHEMAS BILL")
		os.Exit(2)
	}
	if err := check(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintf(os.Stderr, "billcheck: %v\n", err)
		os.Exit(1)
	}
}

func check(schemas, bill string) error {
	all := gojsonschema.NewSchemaLoader()
	// The first two by the names by which the last one calls them.
	for _, s := range []struct{ url, file string }{
		{"http://cyclonedx.org/schema/spdx.schema.json", "spdx.schema.json"},
		{"http://cyclonedx.org/schema/jsf-0.82.schema.json", "jsf-0.82.schemax.json"},
	} {
		b, err := os.ReadFile(filepath.Join(schemas, s.file))
		if err != nil {
			return err
		}
		if err := all.AddSchema(s.url, gojsonschema.NewBytesLoader(b)); err != nil {
			return err
		}
	}
	b, err := os.ReadFile(filepath.Join(schemas, "bom-1.6.schema.json"))
	if err != nil {
		return err
	}
	schema, err := all.Compile(gojsonschema.NewBytesLoader(b))
	if err != nil {
		return err
	}
	text, err := os.ReadFile(bill)
	if err != nil {
		return err
	}
	result, err := schema.Validate(gojsonschema.NewBytesLoader(text))
	if err != nil {
		return err
	}
	var problems []error
	for _, e := range result.Errors() {
		problems = append(problems, fmt.Errorf("%s: %s", bill, e))
	}
	return errors.Join(problems...)
}
