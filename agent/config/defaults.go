package config

import (
	"log/slog"
	"time"

	"github.com/restaple/restaple/agent/schedule"
)

// everyMinute is when ordinary refreshes happen unless configured otherwise.
const everyMinute = "* * * * *"

// Default returns what an empty file means. It is also what holds when there
// is no file at all.
func Default() *Config {
	cron, err := schedule.ParseCron(everyMinute)
	if err != nil {
		panic(err) // a constant
	}
	return &Config{
		Schedule:       cron,
		Rescan:         time.Minute,
		Log:            Log{Format: FormatText, Level: slog.LevelInfo},
		Timeout:        15 * time.Second,
		ConnectTimeout: 5 * time.Second,
		MaxInFlight:    256,
		Answer:         Answer{For: ForCertificates},
	}
}

// DefaultCertificates returns what an entry of certificates means that names
// nothing but paths.
func DefaultCertificates() *Certificates {
	return &Certificates{Server: "generic", OnRevoked: "withdraw", OnUnknown: "keep"}
}

// DefaultHook returns the settings of a hook that has none of its own.
func DefaultHook() *Hook {
	return &Hook{Delay: time.Second, Timeout: 30 * time.Second}
}
