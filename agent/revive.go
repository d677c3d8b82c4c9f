package agent

import "github.com/restaple/restaple/agent/responder"

// revive has everything asked that was waiting for one of the hosts to come
// back.
func (a *Agent) revive(back map[string]bool) {
	if len(back) == 0 {
		return
	}
	now := wall()
	known := make(map[string]bool) // by URL
	leads := func(u string, direct bool) bool {
		is, seen := known[u]
		if !seen {
			host := responder.Host(u)
			if !direct {
				_, host, _ = a.direct(u)
			}
			is = back[host]
			known[u] = is
		}
		return is
	}
	for _, s := range a.subjects {
		if s.attempts == 0 || s.asking || s.failure != nil && s.failure.own {
			continue
		}
		urls, issuer := s.urls, a.wantsIssuer(s)
		if issuer {
			urls = s.chain.Leaf.CAIssuers
		}
		for _, u := range urls {
			if leads(u, issuer) {
				s.revived = true
				s.At = now
				a.due.Set(s)
				break
			}
		}
	}
}

// direct says which URL is really asked when u is to be, its host, and how.
func (a *Agent) direct(u string) (url, host string, how Asking) {
	url, host = u, responder.Host(u)
	if a.o.Asking != nil {
		if how = a.o.Asking(host); how.URL != "" {
			url, host = how.URL, responder.Host(how.URL)
		}
	}
	return url, host, how
}
