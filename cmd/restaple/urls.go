package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net"
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

	// Via is the proxy that connects there, as host:port. It has a rule of
	// its own. "" is a connection of our own.
	Via string `json:"via,omitempty"`
}

// egressList gathers who is asked about certificates. More are asked besides.
func egressList(certs []agent.Certificate, more []agent.Ask) []egressRule {
	count := make(map[egressRule]int)
	for _, c := range certs {
		seen := make(map[egressRule]bool)
		for _, r := range rules(c.Asks) {
			if !seen[r] {
				seen[r] = true
				count[r]++
			}
		}
	}
	for _, r := range rules(more) {
		count[r] += 0 // for no certificate in particular
	}
	list := make([]egressRule, 0, len(count))
	for r, n := range count {
		r.Certificates = n
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b egressRule) int {
		return cmp.Or(strings.Compare(a.Via, b.Via), strings.Compare(a.Host+":"+a.Port+a.Scheme, b.Host+":"+b.Port+b.Scheme))
	})
	return list
}

// rules returns what has to be let through for asks, by us and by proxies.
func rules(asks []agent.Ask) []egressRule {
	var all []egressRule
	for _, a := range asks {
		r := ruleFor(a.URL)
		if a.Via != "" {
			proxy := ruleFor(a.Via)
			all = append(all, proxy)
			r.Via = net.JoinHostPort(proxy.Host, proxy.Port)
		}
		all = append(all, r)
	}
	return all
}

func ruleFor(raw string) egressRule {
	u, err := url.Parse(raw)
	if err != nil {
		return egressRule{Host: raw} // not what an agent says
	}
	usual := map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}
	return egressRule{Host: strings.ToLower(u.Hostname()), Port: cmp.Or(u.Port(), usual[u.Scheme]), Scheme: u.Scheme}
}

func writeEgress(w io.Writer, list []egressRule, format string) error {
	if format == "json" {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(list)
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "HOST\tPORT\tSCHEME\tCERTIFICATES\tVIA")
	for _, r := range list {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%d\t%s\n", r.Host, r.Port, r.Scheme, r.Certificates, cmp.Or(r.Via, "-"))
	}
	return tw.Flush()
}
