package stage

import (
	"bufio"
	"crypto/tls"
	"net/http"
	"time"
)

// hold opens a connection, if the example says that it will stay.
func (p *play) hold() *tls.Conn {
	p.T.Helper()
	if !p.Steady {
		return nil
	}
	conn, err := tls.Dial("tcp", p.address, p.client(0).config())
	if err != nil {
		p.T.Fatal(err)
	}
	return conn
}

// release makes a request on a connection that was held.
func (p *play) release(conn *tls.Conn) {
	p.T.Helper()
	if conn == nil {
		return
	}
	defer conn.Close()
	request, err := http.NewRequestWithContext(p.T.Context(), http.MethodGet, "https://"+Name+"/", http.NoBody)
	if err != nil {
		p.T.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(lookTime)); err != nil {
		p.T.Fatal(err)
	}
	if err := request.Write(conn); err != nil {
		p.T.Errorf("connection from before the refresh: %v", err)
		return
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), request)
	if err != nil {
		p.T.Errorf("connection from before the refresh: %v", err)
		return
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		p.T.Errorf("connection from before the refresh: got %s", response.Status)
	}
}
