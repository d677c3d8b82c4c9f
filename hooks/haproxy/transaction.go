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
	if err := v.free(ctx, name, r.key); err != nil {
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

// free makes sure that nobody else is changing the certificate: what they have
// prepared must not be committed for them. A transaction for another one makes
// HAProxy refuse ours. One that a killed restaple has left is taken back.
func (v *visit) free(ctx context.Context, name, key string) error {
	pending, err := v.say(ctx, "show ssl cert *"+escape(name), "")
	if err != nil || !strings.HasPrefix(pending, "Filename:") {
		return err
	}
	current, err := v.say(ctx, "show ssl cert "+escape(name), "")
	if err != nil {
		return err
	}
	if parseField(pending, ocspKey) == key && sameCertificate(pending, current) {
		return v.abort(ctx, name)
	}
	return fmt.Errorf("somebody is changing %s in HAProxy; if nobody is, say \"abort ssl cert %s\" to its socket", name, name)
}

// ocspKey is what HAProxy calls the CertID of the response that goes with a
// certificate.
const ocspKey = "OCSP Response Key"

// sameCertificate reports whether two replies to "show ssl cert" tell of the
// same certificate and chain: then a transaction changes nothing that is shown
// but the response.
func sameCertificate(a, b string) bool {
	shown := func(reply string) []string {
		return slices.DeleteFunc(strings.Split(reply, "\n"), func(l string) bool {
			name, _, _ := strings.Cut(l, ":")
			return slices.Contains([]string{"Filename", "Status", ocspKey}, name)
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
