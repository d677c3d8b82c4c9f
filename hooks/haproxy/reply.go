package haproxy

import (
	"encoding/hex"
	"strconv"
	"strings"
)

// holding is what HAProxy has for a CertID.
type holding int

const (
	absent     holding = iota // nothing was loaded for it: there is no place to set it
	unreadable                // a place, empty or with a response that HAProxy cannot show
	shown                     // a place with a response
)

// absentReply is what HAProxy says of a CertID that it does not know.
const absentReply = "does not match any certificate"

// parseHolding reads the reply to "show ssl ocsp-response ID", which is what
// OCSP_RESPONSE_print makes of the response, and returns the signature in it.
// The signature tells a response from every other one. The form in base64
// that later versions offer is not used: their code for it writes into the
// response that is being served.
func parseHolding(reply string) (holding, []byte) {
	if strings.Contains(reply, absentReply) {
		return absent, nil
	}
	var signature []byte
	in := false // after the first algorithm: the others are those of certificates
	for l := range strings.Lines(reply) {
		l = strings.TrimSpace(l)
		if !in {
			in = strings.HasPrefix(l, "Signature Algorithm:")
			continue
		}
		octets, ok := parseOctets(l)
		if ok {
			signature = append(signature, octets...)
		} else if len(signature) > 0 {
			break
		}
	}
	if len(signature) == 0 {
		return unreadable, nil
	}
	return shown, signature
}

// parseOctets reads a line such as 30:45:02, which may end in a colon.
func parseOctets(l string) ([]byte, bool) {
	pairs := strings.Split(strings.TrimSuffix(l, ":"), ":")
	out := make([]byte, 0, len(pairs))
	for _, p := range pairs {
		b, err := hex.DecodeString(p)
		if err != nil || len(b) != 1 {
			return nil, false
		}
		out = append(out, b[0])
	}
	return out, true
}

// parseNames reads the reply to "show ssl cert": the names of the certificates
// that are loaded. One with a * is a transaction.
func parseNames(reply string) []string {
	names := []string{}
	for l := range strings.Lines(reply) {
		l = strings.TrimRight(l, "\r\n")
		if l != "" && l[0] != '#' && l[0] != '*' {
			names = append(names, l)
		}
	}
	return names
}

// parseField returns the value of a line "NAME: value".
func parseField(reply, name string) string {
	for l := range strings.Lines(reply) {
		if value, ok := strings.CutPrefix(l, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// maxOldWorkers is more than drain at any time, unless something is wrong.
const maxOldWorkers = 32

// parseOldWorkers reads the reply to the master's "show proc". Something else
// is not ok.
func parseOldWorkers(reply string) (pids []int, ok bool) {
	if !strings.HasPrefix(reply, "#<PID>") {
		return nil, false
	}
	in := false
	for l := range strings.Lines(reply) {
		if strings.HasPrefix(l, "#") {
			in = strings.HasPrefix(l, "# old workers")
			continue
		}
		fields := strings.Fields(l)
		if !in || len(fields) < 2 || fields[1] != "worker" || len(pids) == maxOldWorkers {
			continue
		}
		if pid, err := strconv.Atoi(fields[0]); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
	}
	return pids, true
}

// sameSerial compares two serials in hexadecimal.
func sameSerial(a, b string) bool { return normal(a) == normal(b) }

// normal makes equal serials equal texts, whatever their zeros.
func normal(serial string) string { return strings.ToLower(strings.TrimLeft(serial, "0")) }

// maxWords is how much of HAProxy's words an error repeats.
const maxWords = 200

// words makes a reply fit to be repeated in an error.
func words(reply string) string {
	s := strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return ' '
		}
		return r
	}, reply)), " ")
	switch {
	case s == "":
		return "nothing"
	case len(s) > maxWords:
		return strconv.Quote(strings.ToValidUTF8(s[:maxWords], "")) + "…"
	}
	return strconv.Quote(s)
}
