package lab

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Fault is a way to misbehave, as text: a name of Faults, with "=PARAMETER"
// where it takes one, or an HTTP status code of 400 to 599, optionally with
// "=SECONDS" to retry after. The empty Fault is none.
type Fault string

// FaultKind describes a fault for people.
type FaultKind struct {
	Name      string
	Parameter string // what it takes, in capitals; "" if nothing
	About     string
}

// kind is a fault and what it does: to the response before it is signed, or
// to the way it is served.
type kind struct {
	FaultKind
	check  func(parameter string) error
	change func(*Response, circumstances) error
	serve  func(http.ResponseWriter, *http.Request, reply, string)
}

// Faults returns what the responder can be told to do wrong.
func Faults() []FaultKind {
	var all []FaultKind
	for _, k := range kinds() {
		all = append(all, k.FaultKind)
	}
	return all
}

func kinds() []kind {
	return []kind{
		changes("revoked", "say that every certificate is revoked", sayRevoked),
		changes("unknown", "say that every certificate is unknown", sayUnknown),
		changes("malformedRequest", "answer with this error status", errorStatus(MalformedRequest)),
		changes("internalError", "answer with this error status", errorStatus(InternalError)),
		changes("tryLater", "answer with this error status", errorStatus(TryLater)),
		changes("sigRequired", "answer with this error status", errorStatus(SigRequired)),
		changes("unauthorized", "answer with this error status", errorStatus(Unauthorized)),
		changes("sha1-only", "answer unauthorized when asked with another CertID hash", sha1Only),
		changes("wrong-certificate", "speak of another serial", speakOfAnother),
		changes("wrong-issuer", "speak of another issuer's certificate with the same serial", speakOfStranger),
		changes("multi", "add a second, unrelated SingleResponse", addSingle),
		changes("expired", "give a response whose nextUpdate has passed", giveExpired),
		changes("not-yet-valid", "give a response from the future", giveFuture),
		changes("older", "give a valid response from half a window ago, as stale caches do", giveOlder),
		changes("no-next-update", "leave nextUpdate out", leaveOutNextUpdate),
		changes("bad-signature", "damage the signature", damageSignature),
		changes("sha1-signature", "sign with SHA-1", signWithSHA1),
		changes("delegate-without-usage", "sign with a delegate that lacks the OCSP signing usage", signWith(withoutUsage)),
		changes("expired-delegate", "sign with a delegate whose certificate has ended", signWith(ended)),
		changes("foreign-delegate", "sign with a delegate of another CA of the same name", signWith(foreign)),
		{
			FaultKind: FaultKind{"huge", "BYTES", "pad the response to more than this, 1 MiB if not given, rightly signed"},
			check:     optional(checkBytes), change: padResponse,
		},
		serves("truncate", "give half of the response as if it were all", serveHalf),
		serves("cut", "close the connection in the middle of the response", cut),
		serves("stall", "stop in the middle of the response and keep the connection open", stall),
		serves("garbage", "give bytes that are no response", serveGarbage),
		serves("empty", "give no bytes at all", serveNothing),
		serves("html", "give a web page with status 200, as captive portals do", serveHTML),
		serves("wrong-content-type", "call the response text/plain", serveAsText),
		serves("no-get", "answer GET with 405, POST as always", refuseGet),
		serves("redirect-loop", "redirect to the same URL for ever", redirectLoop),
		serves("reset", "reset the connection", reset),
		serves("hang", "take the request and never answer", hang),
		{
			FaultKind: FaultKind{"slow", "DURATION", "answer after this time"},
			check:     checkDuration, serve: serveLate,
		},
		{
			FaultKind: FaultKind{"503", "SECONDS", "answer with this HTTP status (any of 400 to 599), with Retry-After if seconds are given"},
			check:     optional(checkSeconds), serve: serveStatus(http.StatusServiceUnavailable),
		},
	}
}

func changes(name, about string, change func(*Response, circumstances) error) kind {
	return kind{FaultKind: FaultKind{Name: name, About: about}, check: checkNone, change: change}
}

func serves(name, about string, serve func(http.ResponseWriter, *http.Request, reply, string)) kind {
	return kind{FaultKind: FaultKind{Name: name, About: about}, check: checkNone, serve: serve}
}

// Check says whether there is such a fault and its parameter is right.
func (f Fault) Check() error {
	if f == "" {
		return nil
	}
	_, _, err := f.find()
	return err
}

func (f Fault) find() (kind, string, error) {
	name, parameter, _ := strings.Cut(string(f), "=")
	for _, k := range kinds() {
		if k.Name == name || k.Name == "503" && isErrorCode(name) {
			if err := k.check(parameter); err != nil {
				return kind{}, "", fmt.Errorf("fault %q: %w", f, err)
			}
			if code, err := strconv.Atoi(name); err == nil {
				k.serve = serveStatus(code)
			}
			return k, parameter, nil
		}
	}
	return kind{}, "", fmt.Errorf("fault %q: there is no such fault", f)
}

func isErrorCode(s string) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n >= 400 && n <= 599
}

func checkNone(s string) error {
	if s != "" {
		return errors.New("takes no parameter")
	}
	return nil
}

func optional(check func(string) error) func(string) error {
	return func(s string) error {
		if s == "" {
			return nil
		}
		return check(s)
	}
}

func checkDuration(s string) error {
	if d, err := time.ParseDuration(s); err != nil || d < 0 {
		return errors.New("needs a duration such as slow=2s")
	}
	return nil
}

func checkSeconds(s string) error {
	if _, err := strconv.ParseUint(s, 10, 31); err != nil {
		return errors.New("the time to retry after is a number of seconds")
	}
	return nil
}

func checkBytes(s string) error {
	if n, err := strconv.Atoi(s); err != nil || n < 0 || n > maxPadding {
		return fmt.Errorf("the size is a number of bytes up to %d", maxPadding)
	}
	return nil
}
