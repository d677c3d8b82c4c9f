package watcher

import (
	"errors"
	"fmt"
	"os"
)

// vanished reports a problem with what was there a moment ago, unless that it
// is gone is the problem.
func (k *walk) vanished(path string, err error) {
	if !isMissing(err) {
		k.problem(path, err)
	}
}

// maxProblems bounds what one source reports: a directory that may be listed
// but not searched has a problem with each of its files.
const maxProblems = 20

func (k *walk) problem(path string, err error) {
	var pathErr *os.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	switch len(k.problems) {
	case maxProblems:
		err = fmt.Errorf("%w (and perhaps more like this)", err)
	case maxProblems + 1:
		return
	}
	k.problems = append(k.problems, &SourceError{Source: k.index, Path: path, Err: err})
}
