package profile

import (
	"fmt"
	"slices"
	"strings"
)

// Reaction is what a server or a client does with a response. The words are
// public: they stand in JSON.
type Reaction string

// What servers do with the file, from harmless to harmful, and what clients
// do with the staple.
const (
	Serves  Reaction = "serves"  // sends it to clients
	Ignores Reaction = "ignores" // goes on as if there were none
	Fails   Reaction = "fails"   // does not start, or no longer speaks TLS

	Accepts Reaction = "accepts" // takes it as proof that the certificate is good, or does not look
	Refuses Reaction = "refuses" // ends the connection
)

// weight orders reactions: the heaviest of those to several traits counts.
func (r Reaction) weight() int {
	return slices.Index([]Reaction{Serves, Accepts, Ignores, Fails, Refuses}, r)
}

// Reader is a server that reads staple files, or a client that reads staples.
type Reader struct {
	Name   string
	Client bool
	rules  []rule
}

// rule is how a reader reacts to some traits. Each trait is in exactly one
// rule of each reader.
type rule struct {
	does Reaction
	says string // the rest of a sentence that begins with the reader and what it does
	to   []Trait
}

// Foresight is what a reader would do with a response.
type Foresight struct {
	Reader  string   `json:"reader"`
	Client  bool     `json:"client,omitempty"`
	Does    Reaction `json:"does"`
	Because Trait    `json:"because"`
	Detail  string   `json:"detail,omitempty"`
}

// Readers returns every reader there is, the servers first.
func Readers() []Reader { return append(servers(), clients()...) }

// unread begins what readers do with what does not parse.
const unread = "it does not parse: "

func servers() (readers []Reader) {
	for _, p := range all() {
		if p.reacts != nil {
			readers = append(readers, Reader{Name: p.Name, rules: p.reacts})
		}
	}
	return readers
}

// ReaderNames returns the names that ReadersByName takes.
func ReaderNames() []string {
	var names []string
	for _, r := range Readers() {
		names = append(names, r.Name)
	}
	return names
}

// AllReaders is the name that stands for every reader.
const AllReaders = "all"

// ReadersByName returns readers in the order of their names.
func ReadersByName(names []string) ([]Reader, error) {
	var found []Reader
	for _, name := range names {
		name = strings.TrimSpace(name) // people write ", " between them
		if name == AllReaders {
			return Readers(), nil
		}
		i := slices.IndexFunc(Readers(), func(r Reader) bool { return r.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("unknown server or client %q, want %s or some of %s", name, AllReaders, strings.Join(ReaderNames(), ", "))
		}
		found = append(found, Readers()[i])
	}
	return found, nil
}

// Foresee says what the reader would do with a response that has these traits.
func (r Reader) Foresee(traits []Trait) Foresight {
	out := Foresight{Reader: r.Name, Client: r.Client}
	for _, t := range traits {
		rule := r.rule(t)
		if out.Does == "" || rule.does.weight() > out.Does.weight() {
			out.Does, out.Because, out.Detail = rule.does, t, rule.says
		}
	}
	return out
}

func (r Reader) rule(t Trait) rule {
	i := slices.IndexFunc(r.rules, func(r rule) bool { return slices.Contains(r.to, t) })
	return r.rules[i]
}
