package answer

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxClients is how many clients have a limit of their own at a time. Those
// beyond share one.
const maxClients = 4096

// limits is a rate limit for each client. It is safe for concurrent use.
type limits struct {
	rate   rate.Limit
	burst  int
	mu     sync.Mutex
	by     map[netip.Prefix]*rate.Limiter
	others *rate.Limiter
	swept  time.Time
}

// sweepPause bounds how often quiet clients are looked for.
const sweepPause = time.Second

// newLimits makes limits of so many events a second; nil, which is 0 of them,
// limits nothing.
func newLimits(perSecond float64, burst int) *limits {
	if perSecond <= 0 {
		return nil
	}
	return &limits{
		rate: rate.Limit(perSecond), burst: burst, by: make(map[netip.Prefix]*rate.Limiter),
		others: rate.NewLimiter(rate.Limit(perSecond), burst),
	}
}

// allow reports whether the client at an address, as net/http knows it, may go
// on.
func (l *limits) allow(remote string, now time.Time) bool {
	return l == nil || l.of(remote, now).AllowN(now, 1)
}

func (l *limits) of(remote string, now time.Time) *rate.Limiter {
	client := clientOf(remote)
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.by[client]; c != nil {
		return c
	}
	if len(l.by) >= maxClients && now.Sub(l.swept) >= sweepPause {
		l.swept = now
		for k, c := range l.by {
			if c.TokensAt(now) >= float64(l.burst) {
				delete(l.by, k) // it has been quiet
			}
		}
	}
	if len(l.by) >= maxClients {
		return l.others
	}
	c := rate.NewLimiter(l.rate, l.burst)
	l.by[client] = c
	return c
}

// clientOf is an address, or the network in which one customer has all of
// them. All of a Unix socket are one client.
func clientOf(remote string) netip.Prefix {
	a, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Prefix{}
	}
	addr, bits := a.Addr().Unmap(), 64
	if addr.Is4() {
		bits = 32
	}
	p, _ := addr.WithZone("").Prefix(bits) // both are within the address
	return p
}
