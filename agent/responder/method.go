package responder

import (
	"cmp"
	"context"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// request is a Query made ready to send.
type request struct {
	Query
	name string   // the URL in errors
	base *url.URL // the URL
	get  *url.URL // the URL with the request in it; nil if there is none
	der  []byte
}

// eitherWay asks by one method and, if that is not understood, once by the
// other.
func (c *Client) eitherWay(ctx context.Context, r *request) (*Answer, *Error) {
	get, short := getURL(r.base, r.der)
	key := hostOf(r.base) + r.base.EscapedPath()
	order := []string{http.MethodPost}
	if get != nil {
		r.get = get
		order = c.memory.order(key, short, time.Now())
	}
	first := c.once(ctx, r, order[0])
	if first.understood() || len(order) == 1 {
		return first.answer, first.err
	}
	second := c.once(ctx, r, order[1])
	if second.err == nil && second.understood() {
		c.memory.keep(key, second.method, short, time.Now())
	}
	return better(&first, &second)
}

// better picks what says more when both methods were tried, the first without
// success.
func better(first, second *try) (*Answer, *Error) {
	a, other := second.answer, first
	if first.answer != nil && (a == nil || !second.understood() && isOCSP(first.answer)) {
		a, other = first.answer, second
	}
	if a != nil {
		a.Warnings = append(a.Warnings, other.method+": "+other.says())
		return a, nil
	}
	both := *first.err
	if second.err.Verdict() != LaneGood || first.err.Verdict() == LaneSilent {
		both = *second.err
	}
	both.RetryAfter = max(first.err.RetryAfter, second.err.RetryAfter)
	both.Err = fmt.Errorf("%s: %w; %s: %w", first.method, first.err.Err, second.method, second.err.Err)
	return nil, &both
}

func isOCSP(a *Answer) bool {
	_, ok := outerStatus(a.DER)
	return ok
}

// try is the outcome of one method: an answer or an error.
type try struct {
	method string
	answer *Answer
	err    *Error
}

// understood reports whether the responder made sense of the request. What it
// said may be bad news then, but the other method would not change it.
func (t *try) understood() bool {
	if t.err != nil {
		switch t.err.Kind {
		case KindHTTP:
			// Who says when to come back is not asked again at once.
			return t.err.Status == http.StatusTooManyRequests || t.err.RetryAfter > 0
		case KindTooLarge:
			return false // a web page, if anything
		case KindInterrupted:
			return false // it, or something on the way, may end what it does not like
		}
		return true
	}
	if t.answer.NotModified {
		return true
	}
	status, ok := outerStatus(t.answer.DER)
	return ok && status != statusMalformedRequest
}

// says describes what was not understood.
func (t *try) says() string {
	if t.err != nil {
		return t.err.Err.Error()
	}
	if isOCSP(t.answer) {
		return "malformedRequest"
	}
	return strings.Join(append([]string{"no OCSP response"}, t.answer.Warnings...), ": ")
}

func (c *Client) once(ctx context.Context, r *request, method string) try {
	x := exchange{
		method: method, url: r.base, name: r.name, limit: c.o.MaxBody,
		header: http.Header{
			"User-Agent": {c.o.UserAgent},
			"Accept":     {"application/ocsp-response"},
		},
	}
	if r.Configured {
		x.trusted = hostPort(r.base)
	}
	if method == http.MethodPost {
		x.body = r.der
	} else {
		x.url = r.get
	}
	conditional := false
	switch {
	case r.NoCache:
		x.header.Set("Cache-Control", "no-cache")
		x.header.Set("Pragma", "no-cache")
	case method == http.MethodGet:
		conditional = addValidators(x.header, r.Validators)
	}
	got, err := c.do(ctx, x)
	if err == nil && got.status == http.StatusNotModified && !conditional {
		err = &Error{Kind: KindHTTP, URL: x.name, Status: got.status, Err: &statusError{code: got.status}}
	}
	if err != nil {
		return try{method: method, err: err}
	}
	return try{method: method, answer: got.answer(method, r.Validators)}
}

func addValidators(h http.Header, v Validators) bool {
	if etag := token(v.ETag); etag != "" {
		h.Set("If-None-Match", etag)
	}
	if modified := token(v.LastModified); modified != "" {
		h.Set("If-Modified-Since", modified)
	}
	return h.Get("If-None-Match") != "" || h.Get("If-Modified-Since") != ""
}

func (r *reply) answer(method string, had Validators) *Answer {
	a := &Answer{
		DER: r.body, NotModified: r.status == http.StatusNotModified,
		Validators: validators(r.header),
		FreshUntil: freshUntil(r.header, r.at),
		Method:     method,
	}
	if a.NotModified { // which need not repeat what has not changed
		a.Validators.ETag = cmp.Or(a.Validators.ETag, had.ETag)
		a.Validators.LastModified = cmp.Or(a.Validators.LastModified, had.LastModified)
	}
	a.Skew, a.Date = skew(r.header, r.at)
	if !a.NotModified {
		a.Warnings = headerWarnings(r.header)
	}
	return a
}

// headerWarnings says what is not as RFC 6960 appendix A.2 demands. The bytes
// decide all the same.
func headerWarnings(h http.Header) (odd []string) {
	value := h.Get("Content-Type")
	kind, _, err := mime.ParseMediaType(value)
	switch {
	case value == "":
		odd = append(odd, "no Content-Type")
	case err != nil || kind != "application/ocsp-response":
		odd = append(odd, fmt.Sprintf("Content-Type %.80q", value))
	}
	if coding := h.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		odd = append(odd, fmt.Sprintf("Content-Encoding %.80q, which was not asked for", coding))
	}
	return odd
}

// memory keeps for each responder that it understands only the method that
// would not be tried first.
type memory struct {
	mu    sync.Mutex
	other map[string]habit
}

type habit struct {
	method string
	until  time.Time
}

const (
	// habitLasts is when the ordinary method gets another chance: GET is
	// what CDNs can answer, and it may have been a bad day.
	habitLasts = 24 * time.Hour
	// maxHabits bounds what certificates can make us remember.
	maxHabits = 4096
)

// order returns both methods, the one to begin with first.
func (m *memory) order(key string, short bool, now time.Time) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	method := usual(short)
	if h, ok := m.other[key]; ok && now.Before(h.until) {
		method = h.method
	}
	if method == http.MethodGet {
		return []string{http.MethodGet, http.MethodPost}
	}
	return []string{http.MethodPost, http.MethodGet}
}

func (m *memory) keep(key, method string, short bool, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if method == usual(short) {
		delete(m.other, key)
		return
	}
	if len(m.other) >= maxHabits {
		clear(m.other)
	}
	m.other[key] = habit{method, now.Add(habitLasts)}
}

func usual(short bool) string {
	if short {
		return http.MethodGet
	}
	return http.MethodPost
}
