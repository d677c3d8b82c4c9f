package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

const (
	// fetchTimeout bounds a question to a running restaple.
	fetchTimeout = 30 * time.Second
	// mostReport is how large a report may be: about half a million
	// certificates.
	mostReport = 512 << 20
)

// FetchStatus asks the restaple that listens at address, as in admin.listen,
// how its certificates stand.
func FetchStatus(ctx context.Context, address string) (*Report, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, fetchTimeout, errors.New("no answer in time"))
	defer cancel()
	r, err := fetchStatus(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("ask the restaple at %s: %w", address, err)
	}
	return r, nil
}

func fetchStatus(ctx context.Context, address string) (*Report, error) {
	network, dial, host := "tcp", address, address
	if path, ok := socketPath(address); ok {
		network, dial, host = "unix", path, "localhost"
	} else if strings.HasPrefix(address, ":") {
		dial, host = "localhost"+address, "localhost"+address
	}
	transport := &http.Transport{ // without a proxy: this is never far away
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, dial)
		},
	}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+"/api/status", nil)
	if err != nil {
		return nil, err
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body := io.LimitReader(resp.Body, mostReport)
	if resp.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(body, 256)) // the status says enough
		return nil, fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(said)))
	}
	r := new(Report)
	if err := json.NewDecoder(body).Decode(r); err != nil {
		return nil, fmt.Errorf("read its answer: %w", err)
	}
	return r, nil
}
