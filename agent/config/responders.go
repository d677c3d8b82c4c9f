package config

import (
	"crypto"
	"net/url"
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
	first := make(map[string]string) // host → field
	for _, v := range entries {
		one := v.responder(base)
		if field, taken := first[one.Host]; taken && one.Host != "" {
			v.fail("the host %s has an entry already, %s", quoted(one.Host), field)
			continue
		}
		first[one.Host] = v.path
		all = append(all, one)
	}
	return all
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
