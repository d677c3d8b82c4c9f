package haproxy

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// transact puts r into HAProxy along with the certificate called name there,
// as if both had been loaded together. The key in HAProxy's memory serves on.
func (v *visit) transact(ctx context.Context, name string, r *response) error {
	if err := v.free(ctx, name); err != nil {
		return err
	}
	reply, err := v.say(ctx, "set ssl cert "+escape(name)+".ocsp", base64.StdEncoding.EncodeToString(r.der))
	if err != nil {
		return err
	}
	if !strings.Contains(reply, "Transaction created") {
		return refused("set ssl cert "+name+".ocsp", reply)
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

// free makes sure that nobody else is changing the certificate: what they have
// prepared must not be committed for them. A transaction for another one makes
// HAProxy refuse ours.
func (v *visit) free(ctx context.Context, name string) error {
	reply, err := v.say(ctx, "show ssl cert *"+escape(name), "")
	if err != nil {
		return err
	}
	if strings.HasPrefix(reply, "Filename:") {
		return fmt.Errorf("somebody is changing %s in HAProxy; if nobody is, say \"abort ssl cert %s\" to its socket", name, name)
	}
	return nil
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
