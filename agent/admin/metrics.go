package admin

import (
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/responder"
	"github.com/restaple/restaple/hooks"
)

// Metrics counts what happens in a process. It outlives agents and listeners,
// so that nothing starts again from zero when a configuration is taken.
type Metrics struct {
	registry      *prometheus.Registry
	hosts         *bounded
	attempts      *prometheus.CounterVec
	requests      *prometheus.HistogramVec
	writes        *prometheus.CounterVec
	hookRuns      *prometheus.CounterVec
	hookTime      *prometheus.HistogramVec
	configTaken   prometheus.Gauge
	configTakenAt prometheus.Gauge
}

// Values of the label result.
const (
	success = "success"
	failure = "failure"
)

// NewMetrics returns counters in a registry of their own. Version is
// restaple's.
func NewMetrics(version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		hosts:    newBounded(mostResponders),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "restaple_attempts_total",
			Help: "Attempts to get a staple, by responder and by reason: good, or why there was none.",
		}, []string{"responder", "reason"}),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "restaple_request_duration_seconds",
			Help:    "How long attempts took in which a responder was asked, by responder.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"responder"}),
		writes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "restaple_writes_total",
			Help: "Staple files changed, by event: placed or withdrawn.",
		}, []string{"event"}),
		hookRuns: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "restaple_hook_runs_total",
			Help: "Attempts to run a hook, by hook and result: success or failure.",
		}, []string{"hook", "result"}),
		hookTime: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "restaple_hook_duration_seconds",
			Help:    "How long attempts to run a hook took, by hook.",
			Buckets: []float64{.01, .1, .5, 1, 5, 10, 30, 60},
		}, []string{"hook"}),
		configTaken: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "restaple_config_last_reload_successful",
			Help: "1 if the configuration was right when it was last read, 0 if an older one is in force.",
		}),
		configTakenAt: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "restaple_config_last_reload_success_timestamp_seconds",
			Help: "When the configuration in force was taken.",
		}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "restaple_build_info",
		Help:        "Always 1; its labels say what runs.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version(), "goos": runtime.GOOS, "goarch": runtime.GOARCH},
	})
	build.Set(1)
	m.ConfigTaken(nil) // without a right one nothing starts
	for _, e := range []hooks.Event{hooks.Placed, hooks.Withdrawn} {
		m.writes.WithLabelValues(string(e)) // there before the first one
	}
	m.registry.MustRegister(m.attempts, m.requests, m.writes, m.hookRuns, m.hookTime, m.configTaken, m.configTakenAt, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Asked counts an attempt; it is for agent.Options.
func (m *Metrics) Asked(a agent.Attempt) {
	host, reason := m.hosts.label(a.Responder), a.Reason
	if reason == "" {
		reason = other
	}
	m.attempts.WithLabelValues(host, reason).Inc()
	if !unasked[responder.Kind(a.Reason)] {
		m.requests.WithLabelValues(host).Observe(a.Took.Seconds())
	}
}

// unasked are the reasons for which nobody was asked: they took no time that
// says anything about the responder.
var unasked = map[responder.Kind]bool{
	responder.KindDown: true, responder.KindCanceled: true, responder.KindURL: true, responder.KindRequest: true,
}

// Changed counts a change of a staple file; it is for agent.Options.
func (m *Metrics) Changed(e hooks.Event) { m.writes.WithLabelValues(string(e)).Inc() }

// HookRan counts a run of a hook; it is for hooks.QueueOptions.
func (m *Metrics) HookRan(name string, err error, took time.Duration) {
	name = utf8Label(name)
	result := success
	if err != nil {
		result = failure
	}
	m.hookRuns.WithLabelValues(name, result).Inc()
	m.hookTime.WithLabelValues(name).Observe(took.Seconds())
}

// expect makes the series of hooks that have not run yet, so that the first
// failure is an increase.
func (m *Metrics) expect(states []hooks.QueueState) {
	for _, h := range states {
		m.hookRuns.WithLabelValues(utf8Label(h.Name), success)
		m.hookRuns.WithLabelValues(utf8Label(h.Name), failure)
	}
}

// ConfigTaken notes that a configuration was taken, or with an error that it
// was not.
func (m *Metrics) ConfigTaken(err error) {
	if err != nil {
		m.configTaken.Set(0)
		return
	}
	m.configTaken.Set(1)
	m.configTakenAt.SetToCurrentTime()
}
