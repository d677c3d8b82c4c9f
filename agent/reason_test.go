package agent_test

import (
	"errors"

	"github.com/restaple/restaple/agent/staple"
)

func isReason(err error, want staple.Reason) bool {
	e, ok := errors.AsType[*staple.Error](err)
	return ok && e.Reason == want
}
