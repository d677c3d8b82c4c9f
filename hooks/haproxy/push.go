package haproxy

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// success is the only reply to "set ssl ocsp-response" that means success.
const success = "OCSP Response updated!"

// maxProvable is the size up to which a response can surely be read back:
// HAProxy formats the text, which is several times as long as the DER, in a
// buffer of tune.bufsize, and shows no more than fits.
const maxProvable = 1500

// unloadedError says that HAProxy does not have the certificate. It reads the
// staple's file when it loads it, so there is nothing to be done before.
type unloadedError struct {
	earlier string // serial of the certificate it has loaded from the same file
}

func (e *unloadedError) Error() string {
	if e.earlier != "" {
		return "it still serves the earlier certificate, serial " + e.earlier
	}
	return "it has not loaded the certificate"
}

// visit is one delivery to one HAProxy process.
type visit struct {
	line
	catalogue catalogue
	unshown   *unshown // nil for a worker that is about to go
	identity  func(context.Context) (string, error)
	known     bool   // whether unshown is of this process
	busy      string // certificate whose transaction was waited for in vain
	log       *slog.Logger
}

// unshown is what a process has taken and cannot show, for its size: without a
// note of it, it would be told the same at each comparison.
type unshown struct {
	process    string
	signatures map[string][]byte // by CertID
}

// taken returns what the process has taken of what it cannot show.
func (v *visit) taken(ctx context.Context) (map[string][]byte, error) {
	if v.unshown == nil {
		return nil, nil
	}
	if !v.known {
		process, err := v.identity(ctx)
		if err != nil {
			return nil, err
		}
		if process != v.unshown.process {
			*v.unshown = unshown{process, make(map[string][]byte)}
		}
		v.known = true
	}
	return v.unshown.signatures, nil
}

// bring makes the process hold r, and reports whether it had to tell it. If
// there is no place for r, which is so when there was no staple when it
// started, a transaction makes one. To compare is to look first.
func (v *visit) bring(ctx context.Context, cert string, r *response, compare bool) (pushed bool, err error) {
	if compare {
		if same, err := v.holds(ctx, r); same || err != nil {
			return false, err
		}
	}
	err = v.set(ctx, r)
	if !errors.Is(err, errAbsent) {
		return err == nil, err
	}
	name, earlier, err := v.catalogue.find(ctx, cert, r.serial)
	if err != nil {
		return false, err
	}
	if name == "" {
		return false, &unloadedError{earlier}
	}
	err = v.transact(ctx, name, r)
	return err == nil, err
}

// holds reports whether the process has r, as far as it can tell.
func (v *visit) holds(ctx context.Context, r *response) (bool, error) {
	reply, err := v.show(ctx, r)
	if err != nil {
		return false, err
	}
	held, signature := parseHolding(reply)
	if held == unreadable && len(r.der) > maxProvable {
		taken, err := v.taken(ctx)
		return bytes.Equal(taken[r.key], r.signature), err
	}
	return held == shown && bytes.Equal(signature, r.signature), nil
}

// show asks for what is in the place of r.
//
// Of a place that is empty HAProxy (2.6, 3.0, 3.2) leaves OpenSSL's error lying
// about in its thread, where the next read of any connection finds it: that
// connection is closed. What clears it is the end of "set ssl ocsp-response",
// here with one that is refused, and in the same line, so in the same thread. The
// master CLI takes lines apart.
func (v *visit) show(ctx context.Context, r *response) (reply string, err error) {
	command := showCommand + " " + r.key
	if v.prefix == "" {
		command += ";set ssl ocsp-response " + tryLater
	}
	reply, err = v.say(ctx, command, "")
	if err == nil && denied(reply) {
		err = refused(showCommand, reply)
	}
	return reply, err
}

const (
	showCommand = "show ssl ocsp-response"

	// tryLater is the shortest OCSP response, in base64.
	tryLater = "MAMKAQM="
)

// errAbsent says that there is no place for a response.
var errAbsent = errors.New("HAProxy has no place for the response")

// set replaces the response in a place that is there.
func (v *visit) set(ctx context.Context, r *response) error {
	const command = "set ssl ocsp-response"
	reply, err := v.say(ctx, command+" "+base64.StdEncoding.EncodeToString(r.der), "")
	if err != nil {
		return err
	}
	if strings.Contains(reply, absentReply) {
		return errAbsent
	}
	if strings.TrimSpace(reply) != success {
		return refused(command, reply)
	}
	return v.prove(ctx, r)
}

// prove reads back what HAProxy has said to have taken.
func (v *visit) prove(ctx context.Context, r *response) error {
	reply, err := v.show(ctx, r)
	if err != nil {
		return fmt.Errorf("read the response back: %w", err)
	}
	held, signature := parseHolding(reply)
	if held == unreadable && len(r.der) > maxProvable {
		taken, err := v.taken(ctx)
		if taken != nil {
			taken[r.key] = r.signature
		}
		return err
	}
	if held != shown || !bytes.Equal(signature, r.signature) {
		return fmt.Errorf("HAProxy said that it took the response and does not have it; "+
			"it holds another one or none for CertID %s", r.key)
	}
	return nil
}

func denied(reply string) bool {
	return strings.Contains(reply, "Permission denied") || strings.Contains(reply, "Can't allocate memory")
}

// refused says what HAProxy answered and what to do about it.
func refused(command, reply string) error {
	advice := ""
	switch {
	case denied(reply):
		advice = ": the socket needs level admin"
	case strings.TrimSpace(reply) == "" || strings.Contains(reply, "too big for the buffer"):
		advice = ": is its tune.bufsize less than restaple was told?"
	case strings.Contains(reply, "following commands are valid"):
		advice = ": is this the master CLI? that needs its own setting"
	case strings.Contains(reply, "target PID"):
		advice = ": the worker has gone, or this is not the master CLI"
	case strings.Contains(reply, "nknown command"):
		advice = ": is this the stats socket of HAProxy 2.2 or later? the master CLI needs its own setting"
	}
	return fmt.Errorf("HAProxy said %s to %q%s", words(reply), command, advice)
}
