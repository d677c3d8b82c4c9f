package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"time"
)

// The part of CycloneDX 1.6 that is needed
// (https://cyclonedx.org/docs/1.6/json/).
type (
	document struct {
		Format       string       `json:"bomFormat"`
		SpecVersion  string       `json:"specVersion"`
		SerialNumber string       `json:"serialNumber"`
		Version      int          `json:"version"`
		Metadata     metadata     `json:"metadata"`
		Components   []component  `json:"components"`
		Dependencies []dependency `json:"dependencies"`
	}
	metadata struct {
		Timestamp string    `json:"timestamp"`
		Component component `json:"component"`
	}
	component struct {
		Ref        string     `json:"bom-ref"`
		Type       string     `json:"type"`
		Name       string     `json:"name"`
		Version    string     `json:"version"`
		Hashes     []hash     `json:"hashes,omitempty"`
		Licenses   []license  `json:"licenses"`
		URL        string     `json:"purl"`
		Properties []property `json:"properties,omitempty"`
	}
	hash struct {
		Algorithm string `json:"alg"`
		Content   string `json:"content"`
	}
	license struct {
		License struct {
			ID string `json:"id"`
		} `json:"license"`
	}
	property struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	dependency struct {
		Ref       string   `json:"ref"`
		DependsOn []string `json:"dependsOn"`
	}
)

// sbom lists the parts of a program. The same program gives the same bytes.
func sbom(program, version string, info *debug.BuildInfo, parts []part, at time.Time) ([]byte, error) {
	b, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(b)
	main := newComponent("application", info.Main.Path, version, []string{"Apache-2.0"})
	main.Hashes = []hash{{"SHA-256", hex.EncodeToString(sum[:])}}
	for _, s := range info.Settings {
		if s.Key == "GOOS" || s.Key == "GOARCH" || s.Key == "CGO_ENABLED" {
			main.Properties = append(main.Properties, property{"go:" + s.Key, s.Value})
		}
	}
	d := document{
		Format: "CycloneDX", SpecVersion: "1.6", Version: 1,
		SerialNumber: "urn:uuid:" + uuid(sum),
		Metadata:     metadata{Timestamp: at.Format(time.RFC3339), Component: main},
		Dependencies: []dependency{{Ref: main.Ref, DependsOn: []string{}}},
	}
	for _, p := range parts {
		c := newComponent("library", p.Path, p.Version, p.Licenses)
		if p.Sum != "" {
			c.Properties = []property{{"go:sum", p.Sum}}
		}
		d.Components = append(d.Components, c)
		d.Dependencies[0].DependsOn = append(d.Dependencies[0].DependsOn, c.Ref)
	}
	out, err := json.MarshalIndent(d, "", "  ")
	return append(out, '\n'), err
}

func newComponent(kind, name, version string, licenses []string) component {
	url := "pkg:golang/" + strings.ToLower(name) + "@" + version
	c := component{Ref: url, Type: kind, Name: name, Version: version, URL: url}
	for _, id := range licenses {
		var l license
		l.License.ID = id
		c.Licenses = append(c.Licenses, l)
	}
	return c
}

// uuid is made of a hash (RFC 9562 section 5.8).
func uuid(sum [32]byte) string {
	sum[6] = sum[6]&0x0f | 0x80 // version 8
	sum[8] = sum[8]&0x3f | 0x80 // the variant of RFC 9562
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[0:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}
