package haproxy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"time"

	"github.com/restaple/restaple/hooks"
)

const (
	// maxErrors is how many failures an error spells out.
	maxErrors = 8

	// maxDead commands in a row without an answer are a dead HAProxy, and
	// not a response that it chokes on.
	maxDead = 3
)

// tell brings the placed staples of changes into every process. To compare is
// to look first what is there, and to pass over those whose end is too near.
func (h *Hook) tell(ctx context.Context, changes []hooks.Change, compare bool) (pushed int, err error) {
	pass, err := h.takeTurn(ctx)
	if err != nil {
		return 0, err
	}
	defer pass()

	current := &visit{line: h.line, unshown: &h.unshown, identity: h.Identity, log: h.log}
	var old []*visit
	if h.options.Master {
		current.prefix = "@1 "
		if old, err = h.oldWorkers(ctx); err != nil {
			return 0, err
		}
	}
	current.catalogue.line, current.catalogue.learned = current.line, h.learned

	var failures failures
	dead := 0
	for i, c := range changes {
		if c.Event != hooks.Placed {
			continue
		}
		r, err := h.read(c, compare)
		if r == nil || err != nil {
			failures.add(c, err)
			continue
		}
		did, err := current.bring(ctx, c.Cert, r, compare)
		if unloaded, ok := errors.AsType[*unloadedError](err); ok {
			h.unloaded(c, unloaded)
			dead = 0
			continue
		}
		if _, ok := errors.AsType[*deadError](err); !ok {
			dead = 0
		} else if dead++; dead == maxDead || ctx.Err() != nil || errors.Is(err, errUnreachable) {
			failures.stop(c, err, len(changes)-i-1)
			break
		}
		failures.add(c, err)
		if err == nil {
			delete(h.said, c.Cert)
		}
		if did {
			pushed++
			h.log.Debug("staple brought into haproxy", "cert", c.Cert, "staple", c.Staple)
		}
		old = slices.DeleteFunc(old, func(v *visit) bool { return h.tellOld(ctx, v, c, r) })
	}
	return pushed, failures.join()
}

// read returns what is to be told of c, or nil if there is nothing.
func (h *Hook) read(c hooks.Change, lenient bool) (*response, error) {
	der, err := h.options.Read(c)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // withdrawn meanwhile, or never written
	}
	if err != nil {
		return nil, err
	}
	r, err := parse(der)
	if err != nil {
		return nil, err
	}
	if err := r.lasting(time.Now()); err != nil {
		if lenient {
			return nil, nil
		}
		return nil, err
	}
	return r, nil
}

// unloaded says, once, that HAProxy does not have a certificate.
func (h *Hook) unloaded(c hooks.Change, e *unloadedError) {
	log := h.log.With("cert", c.Cert, "staple", c.Staple)
	switch said, ok := h.said[c.Cert]; {
	case ok && said == e.earlier:
		log.Debug("haproxy has not loaded the certificate, it reads the staple when it does")
	case e.earlier != "":
		log.Warn("haproxy still serves the earlier certificate, it takes the new one and its staple when it is reloaded",
			"serial", e.earlier)
	default:
		log.Info("haproxy has not loaded the certificate, it reads the staple when it does")
	}
	h.said[c.Cert] = e.earlier
}

// failures gathers what went wrong, within bounds.
type failures struct {
	errs  []error
	count int
}

func (f *failures) add(c hooks.Change, err error) {
	if err == nil {
		return
	}
	if f.count++; f.count <= maxErrors {
		f.errs = append(f.errs, fmt.Errorf("staple for %s (%s): %w", c.Cert, c.Name, err))
	}
}

// stop is add for a failure that ends the delivery.
func (f *failures) stop(c hooks.Change, err error, rest int) {
	if rest > 0 {
		err = fmt.Errorf("%w (%d more not told)", err, rest)
	}
	f.add(c, err)
}

func (f *failures) join() error {
	if n := f.count - len(f.errs); n > 0 {
		f.errs = append(f.errs, errors.New("and "+strconv.Itoa(n)+" more"))
	}
	return errors.Join(f.errs...)
}
