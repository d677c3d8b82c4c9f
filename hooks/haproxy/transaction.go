package haproxy

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// transact puts r into HAProxy along with the certificate called name there,
// as if both had been loaded together. The key in HAProxy's memory serves on.
func (v *visit) transact(ctx context.Context, name string, r *response) error {
	if err := v.free(ctx); err != nil {
		return err
	}
	reply, err := v.say(ctx, "set ssl cert "+escape(name)+".ocsp", base64.StdEncoding.EncodeToString(r.der))
	if _, unsent := errors.AsType[*unsentError](err); unsent {
		return err
	}
	if err == nil && !strings.Contains(reply, "Transaction created") {
		err = refused("set ssl cert "+name+".ocsp", reply)
	}
	if err != nil && strings.TrimSpace(reply) == "" {
		// Whether there is a transaction now is not known, and one that is
		// left over would stop all others.
		return errors.Join(err, v.abort(ctx, name))
	}
	if err != nil {
		return err
	}
	reply, err = v.sayLimited(ctx, "commit ssl cert "+escape(name), "", commitTimeout, maxReply)
	if err == nil && !slices.Contains(strings.Fields(reply), "Success!") {
		err = refused("commit ssl cert "+name, reply)
	}
	if err != nil {
		return errors.Join(err, v.abort(ctx, name))
	}
	// HAProxy says "Success!" to a response that it ignores, too.
	return v.prove(ctx, r)
}

const (
	// lookAgain is how long a transaction may take that a program makes in one
	// go. One that has not changed then was left over, or a person is at work.
	lookAgain = 2 * time.Second
	lookPause = 50 * time.Millisecond
)

// free waits until there is no transaction. HAProxy has one at a time: what
// others have prepared must not be committed for them, and 2.6 would put our
// response into it, whichever certificate it is about. One that a killed
// restaple has left is taken back.
func (v *visit) free(ctx context.Context) error {
	name, err := v.ongoing(ctx)
	if name == "" || err != nil {
		return err
	}
	if name != v.busy { // one wait for it in each delivery
		v.busy = name
		before, left, err := v.addsStaple(ctx, name)
		if err != nil {
			return err
		}
		for waited := time.Duration(0); waited < lookAgain; waited += lookPause {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(lookPause):
			}
			if name, err = v.ongoing(ctx); name == "" || err != nil {
				return err
			}
		}
		after, _, err := v.addsStaple(ctx, name)
		if err != nil {
			return err
		}
		if left && name == v.busy && after == before {
			v.busy = ""
			v.log.Info("a transaction that was left in haproxy is taken back", "cert", name)
			return v.abort(ctx, name)
		}
	}
	return fmt.Errorf("somebody is changing %s in HAProxy; if nobody is, say \"abort ssl cert %s\" to its socket", name, name)
}

// ongoing returns the name of the certificate that a transaction is about, or
// "". What answers that, and at the same cost whatever is loaded, is the abort
// of a transaction that cannot be: "*" is HAProxy's own mark of them.
func (v *visit) ongoing(ctx context.Context) (name string, err error) {
	const command = "abort ssl cert *"
	reply, err := v.say(ctx, command, "")
	if err != nil || strings.Contains(reply, "No ongoing transaction") {
		return "", err
	}
	_, name, _ = strings.Cut(reply, "transaction is about '")
	end := strings.LastIndex(name, "' but you are trying")
	if end <= 0 {
		return "", refused(command, reply)
	}
	return name[:end], nil
}

// addsStaple reports whether a transaction does nothing but bring its
// certificate a response, and returns what HAProxy shows of that.
func (v *visit) addsStaple(ctx context.Context, name string) (response string, ok bool, err error) {
	var replies [4]string
	for i, what := range []string{"*" + escape(name), escape(name), "*" + escape(name) + ".ocsp", escape(name) + ".ocsp"} {
		if replies[i], err = v.say(ctx, "show ssl cert "+what, ""); err != nil {
			return "", false, err
		}
	}
	pending, current, response, held := replies[0], replies[1], replies[2], replies[3]
	return response, strings.HasPrefix(pending, "Filename:") && sameCertificate(pending, current) &&
		strings.Contains(response, "OCSP Response Data:") && response != held, nil
}

// sameCertificate reports whether two replies to "show ssl cert" tell of the
// same certificate and chain: then a transaction changes nothing that is shown
// but the response.
func sameCertificate(a, b string) bool {
	shown := func(reply string) []string {
		return slices.DeleteFunc(strings.Split(reply, "\n"), func(l string) bool {
			name, _, _ := strings.Cut(l, ":")
			return slices.Contains([]string{"Filename", "Status", "OCSP Response Key"}, name)
		})
	}
	return slices.Equal(shown(a), shown(b))
}

// abort takes back a transaction, also when there is no time left: otherwise
// nobody could begin another one.
func (v *visit) abort(ctx context.Context, name string) error {
	reply, err := v.say(context.WithoutCancel(ctx), "abort ssl cert "+escape(name), "")
	if err != nil {
		return fmt.Errorf("abort the transaction: %w", err)
	}
	if strings.Contains(reply, "Transaction aborted") || strings.Contains(reply, "No ongoing transaction") {
		return nil
	}
	return refused("abort ssl cert "+name, reply)
}

// escape makes a name one word of a command.
func escape(name string) string {
	return strings.NewReplacer(`\`, `\\`, " ", `\ `, ";", `\;`, "\t", "\\\t").Replace(name)
}
