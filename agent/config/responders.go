package config

import (
	"crypto"
	"net/url"
	"reflect"
	"strings"
)

// responders reads the list of responders. What the one for Everywhere says
// is where the others start from.
func (r *reader) responders(v value) []*Responder {
	var entries []value
	base := Responder{}
	v.items(func(v value) {
		entries = append(entries, v)
		if v.isEverywhere() {
			scratch := *r // its problems are found again below
			base = *value{&scratch, v.node, v.path}.responder(Responder{})
			r.nodes = scratch.nodes
		}
	})
	var all []*Responder
	var places []value               // of all
	first := make(map[string]string) // host → field
	for _, v := range entries {
		one := v.responder(base)
		if field, taken := first[one.Host]; taken && one.Host != "" {
			v.fail("the host %s has an entry already, %s", quoted(one.Host), field)
			continue
		}
		first[one.Host] = v.path
		all, places = append(all, one), append(places, v)
	}
	checkShared(all, places)
	return all
}

// checkShared finds entries that have the same host asked instead of theirs,
// each in another way, while that host has no entry of its own to decide.
func checkShared(all []*Responder, places []value) {
	own := make(map[string]bool)
	for _, one := range all {
		own[one.Host] = true
	}
	first := make(map[string]int)
	for i, one := range all {
		host := one.asked()
		if host == "" || own[host] {
			continue
		}
		j, taken := first[host]
		if !taken {
			first[host] = i
			continue
		}
		if !reflect.DeepEqual(one.way(), all[j].way()) {
			places[i].fail("%s is asked instead, as in the entry of %s, but in another way; give %s an entry of its own",
				quoted(host), quoted(all[j].Host), quoted(host))
		}
	}
}

// ByHost returns, by host that is connected to, what to go by: the entry of
// that host, or the one whose URL leads there. It has nothing for hosts that
// the entry for Everywhere is for, unless its URL names them.
func (c *Config) ByHost() map[string]*Responder {
	by := make(map[string]*Responder)
	for _, r := range c.Responders {
		by[r.Host] = r
	}
	for _, r := range c.Responders {
		if host := r.asked(); host != "" && by[host] == nil {
			by[host] = r
		}
	}
	return by
}

// asked is the host that URL leads to, in the form of Host.
func (r *Responder) asked() string {
	u, err := url.Parse(r.URL)
	if err != nil || u.Host == "" {
		return ""
	}
	port := map[string]string{"http": ":80", "https": ":443"}[u.Scheme]
	return strings.TrimSuffix(strings.ToLower(u.Host), port)
}

// way is what of r holds for the host that is connected to, whatever is asked.
func (r *Responder) way() Responder {
	way := *r
	way.Host, way.URL, way.Hash, way.Nonce = "", "", 0, false
	return way
}

func (v value) isEverywhere() bool {
	found := false
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		found = found || follow(v.node.Content[i]).Value == "host" && follow(v.node.Content[i+1]).Value == Everywhere
	}
	return found
}

// responder reads one entry that starts from base.
func (v value) responder(base Responder) *Responder {
	one := base
	one.Host = ""
	g := v.keys(
		key{"host", into(&one.Host, value.host)},
		key{"url", into(&one.URL, value.webURL)},
		key{"proxy", into(&one.Proxy, value.proxy)},
		key{"headers", into(&one.Headers, value.headers)},
		key{"ca_file", into(&one.CAFile, value.filePath)},
		key{"client_cert", into(&one.ClientCert, value.filePath)},
		key{"client_key", into(&one.ClientKey, value.filePath)},
		key{"hash", into(&one.Hash, value.hash)},
		key{"nonce", into(&one.Nonce, value.boolean)},
		key{"max_in_flight", into(&one.MaxInFlight, value.count)},
		key{"rate", into(&one.Rate, value.rate)},
		key{"timeout", into(&one.Timeout, value.limit)},
		key{"connect_timeout", into(&one.ConnectTimeout, value.limit)},
	)
	v.need(g, "host")
	hasCert, hasKey := one.ClientCert != "" || g["client_cert"], one.ClientKey != "" || g["client_key"]
	if hasCert != hasKey {
		v.fail("client_cert and client_key belong together, one of them is missing")
	}
	return &one
}

// host is a responder's host as it stands in its URL, or Everywhere.
func (v value) host() (string, bool) {
	s, ok := v.text()
	if !ok || s == Everywhere {
		return s, ok
	}
	u, err := url.Parse("http://" + s)
	if err != nil || u.Host != s || u.Hostname() == "" || !validPort(u.Port()) || strings.ContainsAny(s, "*,@") {
		v.fail("must be a host such as ocsp.example or ocsp.example:8080")
		return "", false
	}
	for _, port := range []string{":", ":80", ":443"} {
		s = strings.TrimSuffix(s, port)
	}
	return strings.ToLower(s), true
}

// hash is the hash of CertIDs.
func (v value) hash() (crypto.Hash, bool) {
	switch s, ok := oneOf("sha1", "sha256")(v); {
	case !ok:
		return 0, false
	case s == "sha256":
		return crypto.SHA256, true
	}
	return crypto.SHA1, true
}
