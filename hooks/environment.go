package hooks

import (
	"slices"
	"strconv"
	"strings"
)

// maxList bounds a list in the environment: the kernel takes 128 KiB for one
// variable, and a quarter of the stack limit for all of them.
const maxList = 64 << 10

// environment is what a command hook finds in its environment:
//
//	RESTAPLE_HOOK       the hook's name
//	RESTAPLE_EVENTS     which events there are, sorted, with spaces between
//	RESTAPLE_CHANGED    the number of changes; 0 if the details were lost in a crash
//	RESTAPLE_CERTS      paths of the certificates, one per line
//	RESTAPLE_STAPLES    paths of the staple files, one per line
//	RESTAPLE_TRUNCATED  1 if the two lists are not whole; standard input always is
func environment(hook string, changes []Change) []string {
	var events, certs, staples []string
	for _, c := range changes {
		events = append(events, string(c.Event))
		certs = append(certs, c.Cert)
		staples = append(staples, c.Staple)
	}
	certList, certCut := list(certs)
	stapleList, stapleCut := list(staples)
	truncated := ""
	if certCut || stapleCut {
		truncated = "1"
	}
	slices.Sort(events)
	return []string{
		"RESTAPLE_HOOK=" + hook,
		"RESTAPLE_EVENTS=" + strings.Join(slices.Compact(events), " "),
		"RESTAPLE_CHANGED=" + strconv.Itoa(len(changes)),
		"RESTAPLE_CERTS=" + certList,
		"RESTAPLE_STAPLES=" + stapleList,
		"RESTAPLE_TRUNCATED=" + truncated,
	}
}

// list puts each path once on a line of its own, and reports whether it had
// to stop early.
func list(paths []string) (lines string, cut bool) {
	slices.Sort(paths)
	var b strings.Builder
	for _, p := range slices.Compact(paths) {
		if b.Len()+len(p)+1 > maxList {
			return b.String(), true
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(p)
	}
	return b.String(), false
}
