package hooks

import (
	"context"
	"net/http"
)

// WebhookOptions describes a webhook. URL and Client are required.
type WebhookOptions struct {
	Name      string // of the hook, for the body
	URL       string // http or https
	Method    string // "": POST
	Headers   http.Header
	TokenFile string // holds a bearer token; read for each delivery
	Client    *http.Client
}

type webhook struct{ o WebhookOptions }

// NewWebhook returns an action that posts the changes as JSON.
func NewWebhook(o WebhookOptions) (Action, error) { return &webhook{o}, nil }

func (w *webhook) Deliver(ctx context.Context, changes []Change) error { return nil }
