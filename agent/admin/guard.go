package admin

import (
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
)

// contentPolicy lets the page load its own script and style and nothing else,
// and nobody frame it. There is no inline script or style in it.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func isSocket(at net.Addr) bool { return at.Network() == "unix" }

// guarded keeps web pages out that a browser on this machine or in its network
// shows. They can send requests here, and read the answers once their own name
// leads here too (DNS rebinding): so on TCP the Host has to be one that no
// stranger can own. There is no CORS, and what acts takes no cross-origin
// request.
func guarded(at net.Addr, h http.Handler) http.Handler {
	names := ownNames(at)
	h = http.NewCrossOriginProtection().Handler(h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", contentPolicy)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Cache-Control", "no-store")
		if !isSocket(at) && !names.allow(r.Host) && !(names.open && forScrapers[r.URL.Path]) {
			http.Error(w, "restaple does not know itself by this name: use an IP address, or put the name into admin.listen",
				http.StatusMisdirectedRequest)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// forScrapers are the paths that are answered under any name, unless only this
// machine can get at the listener anyway: scrapers and probes know a machine
// by names that it does not know.
var forScrapers = map[string]bool{"/metrics": true, "/healthz": true, "/readyz": true}

// knownNames are the names under which a listener is asked.
type knownNames struct {
	own  map[string]bool
	open bool // to other machines
}

func ownNames(at net.Addr) knownNames {
	n := knownNames{own: make(map[string]bool)}
	if host, err := os.Hostname(); err == nil {
		n.own[strings.ToLower(host)] = true
	}
	if named, ok := at.(namedAddr); ok {
		n.own[strings.ToLower(named.host)] = true
		at = named.Addr
	}
	if tcp, ok := at.(*net.TCPAddr); ok {
		n.open = !tcp.IP.IsLoopback()
	}
	return n
}

// privateSuffixes end names that are never delegated in the public DNS (RFC
// 6761, 6762, 8375, ICANN's .internal), and Kubernetes' own.
var privateSuffixes = []string{".localhost", ".local", ".internal", ".home.arpa", ".svc"}

// allow reports whether the Host of a request can only be this machine. Names
// of one label are not in the public DNS either.
func (n knownNames) allow(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return true // what is no name cannot be led here
	}
	if host == "" || n.own[host] || !strings.Contains(host, ".") {
		return host != ""
	}
	for _, suffix := range privateSuffixes {
		if strings.HasSuffix(host, suffix) {
			return true
		}
	}
	return false
}
