package agent

import "github.com/restaple/restaple/agent/responder"

// Lanes are those in which the agent asks responders, and which run as long as
// it does. Others that ask use them, too, so that a responder's limits and what
// it wants hold for all together.
func (a *Agent) Lanes() *responder.Lanes { return a.lanes }
