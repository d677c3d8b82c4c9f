package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/profile"
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
// disk, errNotOnDisk if the leaf had to be among the certificates named.
type finder func(ctx context.Context, leaf *chain.Leaf) ([]stapleFile, error)

var errNotOnDisk = errors.New("it is not among the certificates on disk")

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
		if err == nil && len(files) == 0 && named {
			err = errNotOnDisk
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
	for _, c := range certs {
		if c.Fingerprint != hex.EncodeToString(leaf.Fingerprint[:]) {
			continue
		}
		file, err := readStapleFile(c.Staple)
		if err != nil {
			return nil, err
		}
		p, err := profile.ByName(c.Server)
		if err != nil {
			return nil, err
		}
		file.certificate, file.responders, file.accepts, file.lazy = c.Path, c.Responders, p.Accept, p.Lazy
		if on, err := chain.NewLoader(chain.LoaderOptions{IssuerDirs: s.issuerDirs()}).Load(c.Path); err == nil {
			file.issuer = on.Issuer
		}
		files = append(files, file)
	}
	return files, nil
}

func (s *system) issuerDirs() []string {
	var dirs []string
	for _, g := range s.options.Groups {
		dirs = append(dirs, g.IssuerDirs...)
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
