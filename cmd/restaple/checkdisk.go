package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/staple"
	"github.com/restaple/restaple/watcher/chain"
)

// stapleFile is a file that should be what is served.
type stapleFile struct {
	path        string
	content     []byte // nil: there is no file
	certificate string // path of its certificate; "" if not known
	issuer      *chain.Issuer
	responders  []string
	accepts     func(s *staple.Staple, now time.Time) error
	lazy        time.Duration
}

// finder finds the staple files of a leaf: none if nothing is known about the
// disk, an *elsewhereError if the leaf had to be among the certificates named.
type finder func(ctx context.Context, leaf *chain.Leaf) ([]stapleFile, error)

// elsewhereError says that a leaf is not among the certificates on disk.
type elsewhereError struct {
	among    int      // certificates that were read
	problems []string // what could not be
}

func (e *elsewhereError) Error() string {
	text := fmt.Sprintf("it is not among those on disk (%d were found)", e.among)
	const most = 3
	if n := len(e.problems); n > 0 {
		text += ", where not all can be read: " + strings.Join(e.problems[:min(n, most)], "; ")
		if n > most {
			text += fmt.Sprintf("; and %d more", n-most)
		}
	}
	return text
}

// finder says where to look for staple files.
func (f *checkFlags) finder(paths []string) (finder, error) {
	named := len(paths) > 0 || f.work.config != ""
	if !named && f.work.staple != "" {
		file, err := readStapleFile(f.work.staple)
		if err != nil {
			return nil, err
		}
		return func(context.Context, *chain.Leaf) ([]stapleFile, error) { return []stapleFile{file}, nil }, nil
	}
	if !named {
		// It may be about other certificates than the server's, and be for
		// root's eyes only: then the handshake alone will do.
		c, err := os.Open(defaultConfig)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			return func(context.Context, *chain.Leaf) ([]stapleFile, error) { return nil, nil }, nil
		}
		if err == nil {
			c.Close()
		}
	}
	config, only, err := f.work.load(paths)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, leaf *chain.Leaf) ([]stapleFile, error) {
		s, err := assemble(config, only, slog.New(slog.DiscardHandler))
		if err != nil {
			return nil, err
		}
		defer s.client.Close()
		s.options.LookOnly = true
		files, err := s.filesOf(ctx, leaf)
		if _, ok := errors.AsType[*elsewhereError](err); ok && !named {
			err = nil
		}
		return files, err
	}, nil
}

// filesOf looks at all certificates on disk for those that are the leaf.
func (s *system) filesOf(ctx context.Context, leaf *chain.Leaf) ([]stapleFile, error) {
	a, err := agent.New(s.options)
	if err != nil {
		return nil, err
	}
	certs, err := a.RunOnce(ctx)
	if err != nil {
		return nil, &notOK{err.Error()}
	}
	var files []stapleFile
	missed := &elsewhereError{problems: a.Problems()}
	for _, c := range certs {
		if c.Fingerprint == "" {
			problem := c.Error
			if !strings.Contains(problem, c.Path) {
				problem = c.Path + ": " + problem
			}
			missed.problems = append(missed.problems, problem)
			continue
		}
		missed.among++
		if c.Fingerprint != hex.EncodeToString(leaf.Fingerprint[:]) {
			continue
		}
		file, err := readStapleFile(c.Staple)
		if err != nil {
			return nil, err
		}
		file.certificate, file.responders = c.Path, c.Responders
		if g := s.groupOf(c); g != nil {
			file.accepts, file.lazy = g.Profile.Accept, g.Lazy()
		}
		if on, err := chain.NewLoader(chain.LoaderOptions{IssuerDirs: s.issuerDirs()}).Load(c.Path); err == nil {
			file.issuer = on.Issuer
		}
		files = append(files, file)
	}
	if len(files) == 0 {
		return nil, missed
	}
	return files, nil
}

// groupOf returns the group that looks after a certificate.
func (s *system) groupOf(c agent.Certificate) *agent.Group {
	i := slices.IndexFunc(s.options.Groups, func(g agent.Group) bool {
		return g.Profile.Name == c.Server && agent.StaplePath(cmp.Or(g.Template, g.Profile.Template), c.Path) == c.Staple
	})
	if i < 0 {
		return nil
	}
	return &s.options.Groups[i]
}

// issuerDirs is where issuers are found, those among them that an agent has
// fetched.
func (s *system) issuerDirs() []string {
	var dirs []string
	for _, g := range s.options.Groups {
		dirs = append(dirs, g.IssuerDirs...)
	}
	if s.options.StateDir != "" {
		dirs = append(dirs, agent.FetchedIssuers(s.options.StateDir))
	}
	return dirs
}

// readStapleFile reads a staple file; one that is missing is as good as empty.
func readStapleFile(path string) (stapleFile, error) {
	content, err := readResponse(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return stapleFile{path: path, content: content}, err
}

// choose picks the file to compare with: the same certificate may have several,
// for several servers.
func choose(files []stapleFile, served []byte) *stapleFile {
	if len(files) == 0 {
		return nil
	}
	i := slices.IndexFunc(files, func(f stapleFile) bool { return bytes.Equal(f.content, served) })
	return &files[max(i, 0)]
}
