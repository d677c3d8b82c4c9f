package config

import (
	"net"
	"strings"

	"gopkg.in/yaml.v3"
)

// Answer is how OCSP requests of servers are answered.
type Answer struct {
	Listen  []string // each unix:/path or host:port; none: nothing is answered
	For     string   // ForCertificates or ForIssuers
	Rate    float64  // requests per second and client; 0: as they come
	Issuers []Issuer // beside those of the certificates
}

// What is answered for.
const (
	ForCertificates = "certificates" // the certificates that are looked after
	ForIssuers      = "issuers"      // all that their issuers, and the named ones, have issued
)

// Issuer is a CA whose certificates are answered for.
type Issuer struct {
	Certificate string   // file
	Responders  []string // URLs, in the order in which they are asked
}

// answerKeys are the keys at the top that are about answering. Check is to be
// called when all of them have been read.
func answerKeys(a *Answer) (keys []key, check func()) {
	var rest []value
	noted := func(read func(value)) func(value) {
		return func(v value) {
			rest = append(rest, v)
			read(v)
		}
	}
	var issuers *value
	keys = []key{
		{"listen", into(&a.Listen, oneOrList(value.listenLocally))},
		{"answer_for", noted(into(&a.For, oneOf(ForCertificates, ForIssuers)))},
		{"answer_rate", noted(into(&a.Rate, value.rate))},
		{"issuers", noted(func(v value) { listInto(&a.Issuers, value.issuer)(v); issuers = &v })},
	}
	return keys, func() {
		switch {
		case len(a.Listen) == 0:
			for _, v := range rest {
				v.fail("counts only together with listen")
			}
		case issuers != nil && a.For != ForIssuers:
			issuers.fail("counts only together with answer_for: issuers")
		}
	}
}

// oneOrList returns a reader of one value, or a list of them.
func oneOrList[T any](read func(value) (T, bool)) func(value) ([]T, bool) {
	return func(v value) ([]T, bool) {
		if v.node.Kind == yaml.SequenceNode {
			all := filledList(v, read)
			return all, len(all) > 0
		}
		one, ok := read(v)
		return []T{one}, ok
	}
}

// listenLocally is a place to listen at, where no host means this one: whoever
// wants all the world to ask has to say so.
func (v value) listenLocally() (string, bool) {
	s, ok := v.scalar("an address")
	if !ok {
		return "", false
	}
	if s != "" && !strings.Contains(s, ":") && validPort(s) {
		return net.JoinHostPort("127.0.0.1", s), true
	}
	if s, ok = v.listen(); ok && strings.HasPrefix(s, ":") {
		s = "127.0.0.1" + s
	}
	return s, ok
}

func (v value) issuer() (one Issuer, ok bool) {
	before := len(v.r.problems)
	g := v.keys(
		key{"certificate", into(&one.Certificate, value.filePath)},
		key{"responder", into(&one.Responders, oneOrList(value.webURL))},
	)
	v.need(g, "certificate")
	v.need(g, "responder")
	return one, len(v.r.problems) == before
}
