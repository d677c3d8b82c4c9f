package lab

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"
)

// State is what the responder says of each certificate and how it misbehaves.
// `restaple lab` keeps it in a file, so that one command can steer another.
type State struct {
	// Default is the status of certificates that are not listed. A PKI in
	// memory says good of them, one on disk says unknown.
	Default Status `json:"default"`

	// Epoch is counted up to have every response signed anew.
	Epoch int `json:"epoch,omitempty"`

	// Fault is how the responder misbehaves whatever it is asked.
	Fault Fault `json:"fault,omitempty"`

	// Records are by serial, as SerialText writes it.
	Records map[string]Record `json:"certificates,omitempty"`
}

// Record is what the lab knows of one certificate.
type Record struct {
	Name      string    `json:"name,omitempty"`
	Issued    time.Time `json:"issued,omitzero"`
	Status    Status    `json:"status,omitempty"` // "" is the state's default
	RevokedAt time.Time `json:"revoked_at,omitzero"`
	Reason    string    `json:"reason,omitempty"` // a name of Reasons, or "" for none
	Fault     Fault     `json:"fault,omitempty"`  // goes before the state's fault
}

// ParseState reads a state and checks every word in it.
func ParseState(data []byte) (State, error) {
	var s State
	if err := json.Unmarshal(data, &s); err != nil {
		return State{}, err
	}
	if err := checkStatus(s.Default); err != nil {
		return State{}, fmt.Errorf("default: %w", err)
	}
	if err := s.Fault.Check(); err != nil {
		return State{}, err
	}
	for _, serial := range slices.Sorted(maps.Keys(s.Records)) {
		if err := s.Records[serial].Check(); err != nil {
			return State{}, fmt.Errorf("certificate %s: %w", serial, err)
		}
	}
	return s, nil
}

// Check checks every word in the record.
func (r Record) Check() error {
	if err := checkStatus(r.Status); err != nil {
		return err
	}
	if _, err := reasonCode(r.Reason); err != nil {
		return err
	}
	return r.Fault.Check()
}

func checkStatus(s Status) error {
	switch s {
	case "", Good, Revoked, Unknown:
		return nil
	}
	return fmt.Errorf("status %q: must be good, revoked or unknown", s)
}

// clone returns a copy that shares nothing with s.
func (s State) clone() State {
	s.Records = maps.Clone(s.Records)
	if s.Records == nil {
		s.Records = make(map[string]Record)
	}
	return s
}

// Find returns the serial of the certificate that was last issued for a name,
// or that has this serial.
func (s State) Find(nameOrSerial string) (serial string, err error) {
	var issued time.Time
	for key, r := range s.Records {
		if r.Name == nameOrSerial && (serial == "" || r.Issued.After(issued)) {
			serial, issued = key, r.Issued
		}
	}
	if serial != "" {
		return serial, nil
	}
	digits := strings.ReplaceAll(strings.TrimPrefix(nameOrSerial, "0x"), ":", "")
	if n, ok := new(big.Int).SetString(digits, 16); ok {
		if _, ok := s.Records[SerialText(n)]; ok {
			return SerialText(n), nil
		}
	}
	return "", fmt.Errorf("%q: no certificate of this name or serial was issued", nameOrSerial)
}

// SerialText writes a serial as `openssl x509 -serial` does.
func SerialText(serial *big.Int) string {
	b := serial.Bytes()
	if len(b) == 0 {
		b = []byte{0}
	}
	return strings.ToUpper(hex.EncodeToString(b))
}

// Reasons returns the names of revocation reasons (RFC 5280 section 5.3.1)
// by their code; 7 is not used and empty.
func Reasons() []string {
	return []string{
		"unspecified", "keyCompromise", "cACompromise", "affiliationChanged", "superseded",
		"cessationOfOperation", "certificateHold", "", "removeFromCRL", "privilegeWithdrawn", "aACompromise",
	}
}

func reasonCode(name string) (int, error) {
	if name == "" {
		return NoReason, nil
	}
	if code := slices.Index(Reasons(), name); code >= 0 {
		return code, nil
	}
	known := slices.DeleteFunc(Reasons(), func(s string) bool { return s == "" })
	return 0, fmt.Errorf("revocation reason %q: must be one of %s", name, strings.Join(known, ", "))
}
