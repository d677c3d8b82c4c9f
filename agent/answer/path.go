package answer

import (
	"encoding/base64"
	"net/url"
	"strings"
)

// maxGuesses bounds how often a path is tried to be read as a request.
const maxGuesses = 8

// requestInPath finds the request in the path of a GET (RFC 6960 appendix A.1):
// the base64 of it behind whatever prefix there is, after one slash or two.
// Slashes of the base64 itself may have been left as they are, so what follows
// each slash is tried, the longest first.
func requestInPath(path string) (*request, error) {
	guesses := 0
	for {
		_, rest, found := strings.Cut(path, "/")
		if !found || guesses == maxGuesses {
			return nil, errMalformed
		}
		path = rest
		// A DER sequence begins with octet 0x30, so its base64 with an M.
		if !strings.HasPrefix(path, "M") {
			continue
		}
		guesses++
		text, err := url.PathUnescape(path)
		if err != nil {
			continue
		}
		der, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			continue
		}
		if r, err := parseRequest(der); err == nil {
			return r, nil
		}
	}
}
