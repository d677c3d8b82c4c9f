package config

import (
	"crypto"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/restaple/restaple/agent/schedule"
)

// Config is a file that was read without a problem, with the defaults filled
// in. Paths are absolute if the file's own path is.
type Config struct {
	StateDir string         // "": the command's default
	Schedule *schedule.Cron // when ordinary refreshes may happen; nil: at any time
	Rescan   time.Duration  // between two full looks at the certificates
	Log      Log

	Proxy          string // URL, perhaps with a password; "": the environment's; Direct: none
	NoProxy        string // what is asked without Proxy, in the syntax of NO_PROXY
	GuardStrict    bool   // refuse private addresses, too
	Allow, Deny    []netip.Prefix
	Timeout        time.Duration // of one exchange with a responder
	ConnectTimeout time.Duration
	MaxInFlight    int // requests to all responders together

	Certificates []*Certificates
	Responders   []*Responder
	Hooks        []*Hook // those with a place of their own and those written where they are used
	Admin        Admin
	Answer       Answer

	file  string         // as it was named; "": there is none
	lines map[string]int // by key, such as certificates[1].owner
}

// Blame makes err, which came of using the value of a key such as
// certificates[1].owner, a problem of the file.
func (c *Config) Blame(key string, err error) Problem {
	p := Problem{File: c.file, Field: key, Message: err.Error()}
	for ; p.Line == 0 && key != ""; key = key[:max(0, strings.LastIndexAny(key, ".["))] {
		p.Line = c.lines[key] // a default is where it would stand
	}
	return p
}

// Direct is the Proxy that means to use none, whatever the environment says.
const Direct = "none"

// Log is where the log's form is set. It always goes to standard error.
type Log struct {
	Format string // FormatText or FormatJSON
	Level  slog.Level
}

// The forms of the log.
const (
	FormatText = "text"
	FormatJSON = "json"
)

// Certificates is a set of certificates that are looked after in the same way.
type Certificates struct {
	Paths     []string // files, directories or globs
	Recursive bool
	Server    string      // name of a profile
	Staple    string      // template of the staple's path; "": the profile's
	Mode      fs.FileMode // of the staple file; 0: as it is, or 0644
	Owner     string      // name or number; "": as it is, or as the certificate's
	Group     string      // likewise
	Responder string      // URL asked instead of the leaf's own; "": the leaf's
	Issuers   []string    // directories
	OnRevoked string      // "withdraw", "publish" or "keep"
	OnUnknown string      // "keep" or "publish"
	Strict    bool        // refuse SHA-1 signatures
	Hooks     []*Hook     // the same pointer for the same hook; nil if the key is not there
	Prove     []string    // addresses where the staple is served

	// Snippet is the template of a file for nginx to include, which is there
	// only while there is a staple; "": none. SnippetFileOnly leaves
	// ssl_stapling on out of it.
	Snippet         string
	SnippetFileOnly bool
	Reserve         bool // an empty file where HAProxy has no staple

	// IssuersChainPath says that HAProxy has one, in which it finds the
	// issuers that are in no file of the certificate's.
	IssuersChainPath bool
}

// Responder is how one responder is asked. What the one for Everywhere says
// has been filled in where this one says nothing. Zero values mean that the
// general setting or the default holds.
type Responder struct {
	Host           string // in lower case, with a port unless it is the scheme's own; or Everywhere
	URL            string // asked instead
	Proxy          string // as in Config
	Headers        http.Header
	CAFile         string
	ClientCert     string
	ClientKey      string
	Hash           crypto.Hash // of the CertID; 0: SHA-1
	Nonce          bool
	MaxInFlight    int
	Rate           float64 // requests per second; 0: as they come
	Timeout        time.Duration
	ConnectTimeout time.Duration
}

// Everywhere is the Host of the Responder that stands for all others.
const Everywhere = "*"

// Hook is what is told when staples have changed: exactly one of Command,
// Signal, Webhook and HAProxy.
type Hook struct {
	Name    string // fit for a file name
	Command []string
	Check   []string // command that has to succeed before Command is run
	Signal  *Signal
	Webhook *Webhook
	HAProxy *HAProxy
	Running []string      // pid files or sockets: without a live server behind one of them there is nobody to tell
	On      []string      // events; nil: the hook's default
	Delay   time.Duration // of quiet before it is told; 0: none
	Timeout time.Duration // of one attempt
}

// Signal is a hook that sends a signal. If both PIDFile and Process are given,
// the process in the file must have that name.
type Signal struct {
	PIDFile string
	Process string
	Signal  syscall.Signal
}

// Webhook is a hook that posts JSON.
type Webhook struct {
	URL       string // may hold a token: not to be shown
	Headers   http.Header
	TokenFile string
}

// HAProxy is a hook that hands staples to a running HAProxy.
type HAProxy struct {
	Socket string // absolute path of a Unix socket, or host:port
	Master bool   // it is the master CLI (haproxy -W -S)
	Buffer int    // HAProxy's tune.bufsize, in octets; 0: its default
}

// Admin is the listener for metrics, health and status.
type Admin struct {
	Listen               string // unix:/path or host:port; "": none
	PerCertificateSeries bool
}
