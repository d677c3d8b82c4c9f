package hooks

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
)

// maxAnswer is how much of a webhook's answer is read, so that its connection
// can be used again.
const maxAnswer = 64 << 10

// WebhookOptions describes a webhook. URL is required.
type WebhookOptions struct {
	Name      string // of the hook, for the body
	URL       string // http or https
	Method    string // "": POST
	Headers   http.Header
	TokenFile string       // holds a bearer token; read anew for each delivery
	Client    *http.Client // nil: one that takes its proxy from the environment
}

type webhook struct {
	options WebhookOptions
	client  *http.Client
	host    string // all that messages say of the URL: the rest may be a secret
}

// webhookBody is what a webhook gets. Its JSON form is public.
type webhookBody struct {
	Hook    string   `json:"hook"`
	Changes []Change `json:"changes"`
}

// NewWebhook returns an action that posts the changes as JSON. Only a 2xx
// answer is a success; redirects are not followed.
func NewWebhook(o WebhookOptions) (Action, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, errors.New("a webhook needs an http or https URL")
	}
	o.Method = cmp.Or(o.Method, http.MethodPost)
	// A redirect would turn the POST into a GET, and take headers elsewhere.
	client := http.Client{}
	if o.Client != nil {
		client = *o.Client
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &webhook{options: o, client: &client, host: u.Scheme + "://" + u.Host}, nil
}

func (w *webhook) Deliver(ctx context.Context, changes []Change) error {
	if changes == nil {
		changes = []Change{}
	}
	body, err := json.Marshal(webhookBody{Hook: w.options.Name, Changes: changes})
	if err != nil {
		return err
	}
	req, err := w.request(ctx, body)
	if err != nil {
		return err
	}
	resp, err := w.client.Do(req)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err // without the URL
		}
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return fmt.Errorf("%s: %w", w.host, err)
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s: %s", w.host, resp.Status)
	}
	return nil
}

func (w *webhook) request(ctx context.Context, body []byte) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, w.options.Method, w.options.URL, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%s: malformed request", w.host)
	}
	for name, values := range w.options.Headers {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	req.Header.Set("Content-Type", "application/json")
	if w.options.TokenFile != "" {
		token, err := os.ReadFile(w.options.TokenFile)
		if err != nil {
			return nil, fmt.Errorf("token: %w", err)
		}
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	}
	return req, nil
}
