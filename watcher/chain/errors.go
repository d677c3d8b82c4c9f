package chain

import "errors"

var (
	// ErrNotChain says that there is no end-entity certificate: a CA bundle,
	// a key, a request, or no certificate at all. Directories are full of
	// such files, so they are passed over without a word.
	ErrNotChain = errors.New("no end-entity certificate")

	// ErrIncomplete says that the file ends too early, as it does while
	// somebody writes it: it is worth another look soon.
	ErrIncomplete = errors.New("incomplete, perhaps still being written")
)
