package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/restaple/restaple/agent"
)

// egressRule is a place that restaple has to reach, for firewall rules and network
// policies. Its JSON form is a public interface.
type egressRule struct {
	Host         string `json:"host"`
	Port         string `json:"port"`
	Scheme       string `json:"scheme"`
	Certificates int    `json:"certificates"`
}

// egressList gathers the responders of certificates.
func egressList(certs []agent.Certificate) []egressRule {
	count := make(map[egressRule]int)
	for _, c := range certs {
		seen := make(map[egressRule]bool)
		for _, raw := range c.Responders {
			u, err := url.Parse(raw)
			if err != nil || u.Hostname() == "" {
				continue // said by its state
			}
			port := u.Port()
			if port == "" {
				port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
			}
			r := egressRule{Host: strings.ToLower(u.Hostname()), Port: port, Scheme: u.Scheme}
			if !seen[r] {
				seen[r] = true
				count[r]++
			}
		}
	}
	list := make([]egressRule, 0, len(count))
	for r, n := range count {
		r.Certificates = n
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b egressRule) int {
		return strings.Compare(a.Host+":"+a.Port+a.Scheme, b.Host+":"+b.Port+b.Scheme)
	})
	return list
}

func writeEgress(w io.Writer, list []egressRule, format string) error {
	if format == "json" {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(list)
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "HOST\tPORT\tSCHEME\tCERTIFICATES")
	for _, r := range list {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%d\n", r.Host, r.Port, r.Scheme, r.Certificates)
	}
	return tw.Flush()
}
