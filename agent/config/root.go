package config

import (
	"log/slog"
	"slices"

	"github.com/restaple/restaple/agent/schedule"
)

// config reads the whole file. Hooks come before the certificates that refer
// to them, wherever they stand.
func (r *reader) config(c *Config, v value) {
	var hooks, certificates, responders, noProxy *value
	later := func(place **value) func(value) {
		return func(v value) { *place = &v }
	}
	answering, checkAnswering := answerKeys(&c.Answer)
	v.keys(append(answering,
		key{"state_dir", into(&c.StateDir, value.filePath)},
		key{"schedule", into(&c.Schedule, value.cron)},
		key{"rescan", into(&c.Rescan, value.interval)},
		key{"log", func(v value) {
			v.keys(
				key{"format", into(&c.Log.Format, oneOf(FormatText, FormatJSON))},
				key{"level", into(&c.Log.Level, value.level)},
			)
		}},
		key{"proxy", into(&c.Proxy, value.proxy)},
		key{"no_proxy", later(&noProxy)},
		key{"guard", func(v value) {
			mode, _ := oneOf("default", "strict")(v)
			c.GuardStrict = mode == "strict"
		}},
		key{"allow", listInto(&c.Allow, value.addressRange)},
		key{"deny", listInto(&c.Deny, value.addressRange)},
		key{"timeout", into(&c.Timeout, value.limit)},
		key{"connect_timeout", into(&c.ConnectTimeout, value.limit)},
		key{"max_in_flight", into(&c.MaxInFlight, value.count)},
		key{"certificates", later(&certificates)},
		key{"responders", later(&responders)},
		key{"hooks", later(&hooks)},
		key{"admin", func(v value) {
			v.keys(
				key{"listen", into(&c.Admin.Listen, value.listen)},
				key{"per_certificate_series", into(&c.Admin.PerCertificateSeries, value.boolean)},
			)
		}},
	)...)
	checkAnswering()
	if hooks != nil {
		hooks.items(func(v value) { r.namedHook(v) })
	}
	listed := slices.Clone(r.hooks)
	if certificates != nil {
		r.certificates(c, *certificates)
	}
	if hooks != nil && len(c.Certificates) > 0 && len(r.problems) == 0 { // a mistyped name is one mistake
		r.unusedHooks(c, *hooks, listed)
	}
	if responders != nil {
		c.Responders = r.responders(*responders)
	}
	if noProxy != nil {
		c.NoProxy = noProxy.noProxy()
		if c.NoProxy != "" && !c.hasProxy() {
			noProxy.fail("counts only together with proxy; the proxy of the environment has its own NO_PROXY")
		}
	}
	c.Hooks = r.hooks
}

// hasProxy reports whether the file names a proxy, for all or for one responder.
func (c *Config) hasProxy() bool {
	named := func(proxy string) bool { return proxy != "" && proxy != Direct }
	return named(c.Proxy) || slices.ContainsFunc(c.Responders, func(r *Responder) bool { return named(r.Proxy) })
}

// cron is a schedule.
func (v value) cron() (*schedule.Cron, bool) {
	s, ok := v.text()
	if !ok {
		return nil, false
	}
	c, err := schedule.ParseCron(s)
	if err != nil {
		v.fail("%s is not a schedule: %v", quoted(s), err)
		return nil, false
	}
	return c, true
}

// level is the least level of what is logged.
func (v value) level() (level slog.Level, ok bool) {
	s, ok := oneOf("debug", "info", "warn", "error")(v)
	if !ok {
		return level, false
	}
	return level, level.UnmarshalText([]byte(s)) == nil
}
