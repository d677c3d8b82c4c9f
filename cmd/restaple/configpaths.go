package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/restaple/restaple/agent/config"
	"github.com/restaple/restaple/watcher"
)

// emptyPaths finds the paths of a configuration that lead to no file now. That
// is no mistake, for a volume may be filled later; but it looks like one.
func emptyPaths(ctx context.Context, c *config.Config) (config.Problems, error) {
	var sources []watcher.Source
	var keys []string // of sources
	for i, set := range c.Certificates {
		for j, source := range sourcesOf(set) {
			sources = append(sources, source)
			keys = append(keys, fmt.Sprintf("certificates[%d].paths[%d]", i, j))
		}
	}
	w, err := watcher.New(watcher.Options{Sources: sources})
	if err != nil {
		return nil, err
	}
	var empty config.Problems
	warn := func(source int, err error) {
		empty = append(empty, c.Blame(keys[source], fmt.Errorf("warning: %w", err)))
	}
	said := make(map[int]bool) // by source
	files, problems := w.Scan(ctx)
	for _, f := range files {
		said[f.Source] = true
	}
	for _, err := range problems {
		e, ok := errors.AsType[*watcher.SourceError](err)
		if !ok {
			return nil, err
		}
		warn(e.Source, err)
		said[e.Source] = true
	}
	for i, source := range sources {
		if said[i] {
			continue
		}
		about := "no certificate file is there now"
		if hasDirs(source.Path) && !source.Recursive {
			about += ", and without recursive: directories below are not looked into"
		}
		warn(i, fmt.Errorf("%s: %s", source.Path, about))
	}
	empty.Sort()
	return empty, nil
}

func hasDirs(path string) bool {
	entries, _ := os.ReadDir(path) // it need not be a directory
	return slices.ContainsFunc(entries, os.DirEntry.IsDir)
}
