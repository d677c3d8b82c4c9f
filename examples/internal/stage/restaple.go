package stage

import "strings"

// configPath is where the examples' configuration of restaple belongs.
const configPath = "/etc/restaple/restaple.yaml"

// binary is the restaple under test.
func (s *Stage) binary() string {
	s.T.Helper()
	path, err := build()
	if err != nil {
		s.T.Fatal(err)
	}
	return path
}

// arguments are those of a command that works on the example's certificates.
// The lab responder is on loopback, where restaple asks nobody untold.
func (s *Stage) arguments(command string, more ...string) []string {
	return append([]string{command, "--config", s.Path(configPath), "--allow", "127.0.0.0/8", "--log-level", "debug"}, more...)
}

// Agent starts `restaple run`. At its end it has to say that all went well.
func (s *Stage) Agent() *Process {
	s.T.Helper()
	p := s.Start(s.binary(), s.arguments("run")...)
	s.T.Cleanup(func() {
		if err := p.Stop(); err != nil {
			s.T.Errorf("restaple run: %v", err)
		}
	})
	return p
}

// Refresh runs `restaple refresh`, which has to end with this exit code, and
// returns what it said.
func (s *Stage) Refresh(code int, more ...string) (said string) {
	s.T.Helper()
	said, got := s.Run(s.binary(), s.arguments("refresh", more...)...)
	if got != code {
		s.T.Fatalf("restaple refresh %s: got exit code %d, want %d\n%s", strings.Join(more, " "), got, code, said)
	}
	return said
}
