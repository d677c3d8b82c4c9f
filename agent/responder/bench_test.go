package responder

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"testing"

	"github.com/restaple/restaple/agent/lab"
)

// BenchmarkAsk beside BenchmarkBareGET shows what asking costs more than
// net/http does.
func BenchmarkAsk(b *testing.B) {
	q, c := benchWorld(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Ask(b.Context(), q); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBareGET(b *testing.B) {
	q, _ := benchWorld(b)
	request, err := encodeRequest(q.Chain, 0, nil)
	if err != nil {
		b.Fatal(err)
	}
	at := q.URL + "/" + url.QueryEscape(base64.StdEncoding.EncodeToString(request))
	client := &http.Client{}
	b.ReportAllocs()
	for b.Loop() {
		resp, err := client.Get(at)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadAll(resp.Body); err != nil {
			b.Fatal(err)
		}
		_ = resp.Body.Close()
	}
}

// benchWorld is a responder that costs as little as can be.
func benchWorld(b *testing.B) (Query, *Client) {
	b.Helper()
	w := newWorld(b, lab.ResponderOptions{})
	body := bytes.Clone(ask(b, w.client, w.query()).DER)
	return Query{URL: serve(b, bodyHandler(body)), Chain: w.chain}, w.client
}
