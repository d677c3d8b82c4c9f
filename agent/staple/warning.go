package staple

import (
	"crypto"
	"fmt"
	"slices"
	"time"

	"github.com/restaple/restaple/watcher/chain"
)

// warnings says what is odd about a response that verified.
func (r *response) warnings(a algorithm, ours []single, single *single, signer *signer, leaf *chain.Leaf, now time.Time) []string {
	all := slices.Clone(signer.warnings)
	warn := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if a.hash == crypto.SHA1 {
		warn("signed with SHA-1")
	}
	if a.hash == crypto.SHA224 {
		warn("signed with SHA-224, which browsers do not know")
	}
	if a.family == pss && a.salt != a.hash.Size() {
		warn("signed with RSASSA-PSS and a salt of %d octets where browsers demand %d", a.salt, a.hash.Size())
	}
	if r.unreadable > 0 {
		warn("%d of the certificates in it cannot be read: OpenSSL and GnuTLS refuse the whole response", r.unreadable)
	}
	if r.hasEmptyExtensions() {
		warn("an empty list of extensions, for which Chromium ignores it")
	}
	if len(ours) > 1 {
		warn("%d SingleResponses are about this certificate", len(ours))
	}
	if !single.hasNext {
		warn("no nextUpdate")
	}
	// Sub saturates, so a nextUpdate in the year 9999 is far away too.
	if single.end().Sub(single.thisUpdate) > longWindow {
		warn("nextUpdate is more than ten days after thisUpdate, Firefox takes it for ten only")
	}
	if now.Sub(single.thisUpdate) > oldThisUpdate {
		warn("thisUpdate %s is older than seven days, Chromium ignores it", stamp(single.thisUpdate))
	}
	if single.nextUpdate.After(leaf.NotAfter) {
		warn("nextUpdate %s is after the certificate's notAfter %s", stamp(single.nextUpdate), stamp(leaf.NotAfter))
	}
	return all
}

// hasEmptyExtensions reports whether a list of extensions is there without any
// in it.
func (r *response) hasEmptyExtensions() bool {
	empty := func(e []extension) bool { return e != nil && len(e) == 0 }
	return empty(r.extensions) || slices.ContainsFunc(r.singles, func(s single) bool { return empty(s.extensions) })
}
