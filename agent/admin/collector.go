package admin

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/responder"
)

// collector makes metrics of snapshots. What a snapshot does not say, such as
// the budget when there is no staple, has no series.
type collector struct {
	server *Server

	certificates, failing, budget, problems, polling, ready *prometheus.Desc
	up, inFlight, limit, queued                             *prometheus.Desc
	hookPending, hookFailing, hookDelivered                 *prometheus.Desc
	served                                                  *prometheus.Desc
	answers, upstream, kept                                 *prometheus.Desc
	thisUpdate, nextUpdate, expiry, state, must, meaning    *prometheus.Desc
}

func newCollector(s *Server) *collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("restaple_"+name, help, labels, nil)
	}
	return &collector{
		server:       s,
		certificates: desc("certificates", "Certificates by state.", "state"),
		failing:      desc("certificates_failing", "Certificates that do not have the staple they should have."),
		budget:       desc("outage_budget_seconds", "How long all responders may be down before the first of the valid staples ends."),
		problems:     desc("problems", "Paths of the configuration that cannot be looked at."),
		polling:      desc("polling", "1 if directories are looked at from time to time because the kernel will not watch them."),
		ready:        desc("ready", "1 once the first pass is over."),

		up:       desc("responder_up", "0 while the responder counts as down.", "responder"),
		inFlight: desc("responder_requests_in_flight", "Requests that the responder has not answered yet.", "responder"),
		limit:    desc("responder_requests_limit", "How many requests at a time the responder is trusted with.", "responder"),
		queued:   desc("responder_requests_queued", "Requests that wait for their turn.", "responder"),

		hookPending:   desc("hook_pending_changes", "Changes that the hook has not been told of yet.", "hook"),
		hookFailing:   desc("hook_failing", "1 if the last run of the hook has failed.", "hook"),
		hookDelivered: desc("hook_last_success_timestamp_seconds", "When the hook last succeeded.", "hook"),

		served: desc("served_matches_disk", "1 if the last handshake with the address showed what is on disk.", "address", "result"),

		answers:  desc("answers_total", "OCSP requests by what they came to: hit, miss, passed, foreign, malformed or limited.", "result"),
		upstream: desc("answers_upstream_requests_total", "Requests to responders on behalf of those who ask here."),
		kept:     desc("answers_kept", "Responses that are kept for those who ask here."),

		thisUpdate: desc("staple_this_update_timestamp_seconds", "thisUpdate of the staple in place.", "path", "staple"),
		nextUpdate: desc("staple_next_update_timestamp_seconds", "nextUpdate of the staple in place.", "path", "staple"),
		expiry:     desc("staple_expiry_timestamp_seconds", "When the staple in place really ends: with nextUpdate, its signer or the certificate.", "path", "staple"),
		state:      desc("certificate_state", "1 for the state that the certificate is in.", "path", "staple", "state"),
		must:       desc("certificate_must_staple", "1 if the certificate demands a staple.", "path", "staple"),
		meaning:    desc("certificate_info", "Always 1; its labels say what the certificate is.", "path", "staple", "name", "serial", "server"),
	}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		c.certificates, c.failing, c.budget, c.problems, c.polling, c.ready, c.up, c.inFlight, c.limit, c.queued,
		c.hookPending, c.hookFailing, c.hookDelivered, c.served,
		c.answers, c.upstream, c.kept,
		c.thisUpdate, c.nextUpdate, c.expiry, c.state, c.must, c.meaning,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		for i := range labels {
			labels[i] = utf8Label(labels[i])
		}
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(c.ready, number(c.server.ready.Load()))
	c.collectAnswers(ch)
	s, err := c.server.shots.get(context.Background()) // bounded there
	if err != nil {
		c.server.o.Log.Debug("no metrics of certificates", "err", err)
		return
	}
	for _, state := range agent.States() {
		gauge(c.certificates, float64(s.states[state]), string(state))
	}
	gauge(c.failing, float64(s.failing))
	if !s.firstEnd.IsZero() {
		gauge(c.budget, max(0, time.Until(s.firstEnd).Seconds()))
	}
	gauge(c.problems, float64(len(s.problems)))
	gauge(c.polling, number(s.polling))
	for host, l := range c.lanes(s.lanes) {
		gauge(c.up, number(!l.down), host)
		gauge(c.inFlight, float64(l.inFlight), host)
		gauge(c.limit, float64(l.limit), host)
		gauge(c.queued, float64(l.queued), host)
	}
	for _, h := range s.hooks {
		gauge(c.hookPending, float64(h.Pending), h.Name)
		gauge(c.hookFailing, number(h.Err != nil), h.Name)
		if !h.DeliveredAt.IsZero() {
			gauge(c.hookDelivered, seconds(h.DeliveredAt), h.Name)
		}
	}
	for _, f := range s.proofs {
		gauge(c.served, number(f.Same), f.Address.String(), string(f.Result))
	}
	if c.server.perCertificate.Load() {
		perCertificate(c, s.certs, gauge)
	}
}

// collectAnswers makes the series of OCSP requests, if any are answered.
func (c *collector) collectAnswers(ch chan<- prometheus.Metric) {
	n := c.server.answered()
	if n == nil {
		return
	}
	count := func(d *prometheus.Desc, v int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	count(c.answers, n.Hits, "hit")
	count(c.answers, n.Misses, "miss")
	count(c.answers, n.Passed, "passed")
	count(c.answers, n.Foreign, "foreign")
	count(c.answers, n.Malformed, "malformed")
	count(c.answers, n.Limited, "limited")
	count(c.upstream, n.Upstream)
	ch <- prometheus.MustNewConstMetric(c.kept, prometheus.GaugeValue, float64(n.Kept))
}

// perCertificate makes the series of each certificate. A file that two groups
// look after may come twice; the same series twice would be an error.
func perCertificate(c *collector, certs []agent.Certificate, gauge func(*prometheus.Desc, float64, ...string)) {
	type key struct{ path, staple string }
	seen := make(map[key]bool, len(certs))
	for i := range certs {
		x := &certs[i]
		k := key{utf8Label(x.Path), utf8Label(x.Staple)}
		if seen[k] {
			continue
		}
		seen[k] = true
		if !x.ThisUpdate.IsZero() {
			gauge(c.thisUpdate, seconds(x.ThisUpdate), k.path, k.staple)
		}
		if !x.NextUpdate.IsZero() {
			gauge(c.nextUpdate, seconds(x.NextUpdate), k.path, k.staple)
		}
		if !x.Expires.IsZero() {
			gauge(c.expiry, seconds(x.Expires), k.path, k.staple)
		}
		gauge(c.state, 1, k.path, k.staple, string(x.State))
		gauge(c.must, number(x.MustStaple), k.path, k.staple)
		gauge(c.meaning, 1, k.path, k.staple, x.Name, x.Serial, x.Server)
	}
}

// laneSum is what lanes with the same label do together.
type laneSum struct {
	down                    bool
	inFlight, limit, queued int
}

func (c *collector) lanes(states []responder.LaneState) map[string]laneSum {
	out := make(map[string]laneSum)
	for _, l := range states {
		host := c.server.o.Metrics.hosts.label(l.Host)
		sum := out[host]
		sum.down = sum.down || l.State == "down"
		sum.inFlight += l.InFlight
		sum.limit += l.Limit
		sum.queued += l.Queued
		out[host] = sum
	}
	return out
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func seconds(t time.Time) float64 { return float64(t.Unix()) + float64(t.Nanosecond())/1e9 }
