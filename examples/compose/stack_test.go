package compose

import (
	"cmp"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/restaple/restaple/examples/internal/desk"
	"github.com/restaple/restaple/examples/internal/stage"
)

// stack is what compose.yaml describes, run as plain processes: each volume is
// a directory, each service's host name an address of loopback.
type stack struct {
	*stage.Stage
	file      file
	restaple  string            // the program
	addresses map[string]string // by service:port
	processes map[string]*stage.Process
}

type file struct {
	Services map[string]service
	Volumes  map[string]any
}

type service struct {
	Image       string
	Command     []string
	Volumes     []string
	PID         string                                `yaml:"pid"`
	DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
	HealthCheck struct{ Test []string }               `yaml:"healthcheck"`
}

// ports are where services listen, as the files say it.
var ports = []string{"lab:8889", "restaple:9080", "nginx:443", "haproxy:443", "apache:443", "page:8080"}

func newStack(t *testing.T) *stack {
	t.Helper()
	s := &stack{
		Stage: stage.New(t, "nginx", "haproxy", "apache2"), restaple: desk.Build(t),
		addresses: make(map[string]string), processes: make(map[string]*stage.Process),
	}
	data, err := os.ReadFile("compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(data, &s.file); err != nil {
		t.Fatal(err)
	}
	for _, p := range ports {
		s.addresses[p] = s.Address()
	}
	for _, dir := range []string{"nginx-run", "apache-run", "page-run"} {
		// Servers give up their rights, and make directories below.
		s.Dir("/vol/" + dir)
	}
	return s
}

// up starts all services in the order in which they depend on each other.
func (s *stack) up() {
	s.T.Helper()
	started := make(map[string]bool)
	for len(started) < len(s.file.Services) {
		before := len(started)
		for name, one := range s.file.Services {
			if started[name] || !all(one.DependsOn, started) {
				continue
			}
			s.start(name)
			started[name] = true
		}
		if len(started) == before {
			s.T.Fatal("services depend on each other in a circle, or on one that is not there")
		}
	}
}

func all[T any](needed map[string]T, started map[string]bool) bool {
	for name := range needed {
		if !started[name] {
			return false
		}
	}
	return true
}

// start starts a service, and waits for what others may wait for: that it has
// ended well, or is healthy.
func (s *stack) start(name string) {
	s.T.Helper()
	one := s.file.Services[name]
	args := s.arguments(name, one.Command)
	if s.isWaitedFor(name, "service_completed_successfully") {
		if said, code := s.Run(args[0], args[1:]...); code != 0 {
			s.T.Fatalf("%s: exit code %d\n%s", name, code, said)
		}
		return
	}
	s.processes[name] = s.Start(args[0], args[1:]...)
	// A container takes longer to start than its program to listen.
	s.until(name+" listens", func() bool {
		conn, err := net.Dial("tcp", s.addressOf(name))
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	if s.isWaitedFor(name, "service_healthy") {
		test := s.arguments(name, one.HealthCheck.Test[2:]) // after CMD and the program
		s.until(name+" is healthy", func() bool {
			_, code := s.Run(test[0], test[1:]...)
			return code == 0
		})
	}
}

func (s *stack) addressOf(name string) string {
	for _, p := range ports {
		if strings.HasPrefix(p, name+":") {
			return s.addresses[p]
		}
	}
	s.T.Fatalf("where does %s listen?", name)
	return ""
}

func (s *stack) isWaitedFor(name, condition string) bool {
	for _, one := range s.file.Services {
		if one.DependsOn[name].Condition == condition {
			return true
		}
	}
	return false
}

// arguments are a command of a service as it is run here.
func (s *stack) arguments(name string, command []string) []string {
	s.T.Helper()
	one := s.file.Services[name]
	if one.Image == "restaple" {
		command = append([]string{s.restaple}, command...)
	}
	r := s.replacer(name)
	var out []string
	for _, arg := range command {
		if arg != s.restaple {
			arg = r.Replace(arg)
		}
		out = append(out, arg)
	}
	if out[0] == "httpd" {
		out[0] = "apache2" // as Debian calls it
	}
	return out
}

// replacer turns what a service's files and commands name into what it is here.
// Files that are bound into the service are put in their places on the way.
func (s *stack) replacer(name string) *strings.Replacer {
	s.T.Helper()
	type pair struct{ old, new string }
	pairs := []pair{
		{"/usr/local/apache2\n", "/usr/lib/apache2\n"},                 // the root for modules
		{"LoadModule unixd_module         modules/mod_unixd.so\n", ""}, // built in
		{"listen: ", "allow: [127.0.0.0/8]\nlisten: "},
	}
	for _, p := range ports {
		pairs = append(pairs, pair{p, s.addresses[p]}, pair{"//" + p, "//" + s.addresses[p]})
		if service, port, _ := strings.Cut(p, ":"); service == name {
			pairs = append(pairs, pair{"0.0.0.0:" + port, s.addresses[p]})
		}
	}
	bound := make(map[string]string)
	for _, v := range s.file.Services[name].Volumes {
		fields := strings.Split(v, ":")
		from, to := fields[0], fields[1]
		place := s.Path("/vol/" + from)
		if strings.HasPrefix(from, "./") {
			place = s.Path("/bound/" + name + to)
			bound[from] = "/bound/" + name + to
		} else if _, declared := s.file.Volumes[from]; !declared {
			s.T.Fatalf("%s: volume %s is not declared", name, from)
		} else {
			s.Dir(place)
		}
		pairs = append(pairs, pair{to, place})
	}
	// At the same place in a text the longest wins.
	slices.SortStableFunc(pairs, func(a, b pair) int { return cmp.Compare(len(b.old), len(a.old)) })
	var flat []string
	for _, p := range pairs {
		flat = append(flat, p.old, p.new)
	}
	r := strings.NewReplacer(flat...)
	for from, to := range bound {
		data, err := os.ReadFile(from)
		if err != nil {
			s.T.Fatal(err)
		}
		s.Write(to, []byte(r.Replace(string(data))), 0o644)
	}
	return r
}

// until waits until a condition holds on what others do.
func (s *stack) until(what string, ok func() bool) {
	s.T.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			s.T.Fatalf("not within a minute: %s", what)
		case <-tick.C:
		}
	}
}
