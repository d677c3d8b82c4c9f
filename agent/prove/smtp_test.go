package prove

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
)

// mailServer answers as its replies say, and turns to TLS after STARTTLS.
func mailServer(t *testing.T, config *tls.Config, replies map[string]string) Address {
	a := listen(t, func(conn net.Conn) {
		lines := bufio.NewScanner(conn)
		fmt.Fprint(conn, replies[""])
		for lines.Scan() {
			command, _, _ := strings.Cut(lines.Text(), " ")
			fmt.Fprint(conn, replies[command])
			if command == "STARTTLS" {
				c := tls.Server(conn, config)
				if c.HandshakeContext(t.Context()) == nil {
					_, _ = c.Read(make([]byte, 1))
				}
				return
			}
		}
	})
	a.StartTLS = SMTP
	return a
}

// What only breaks off is in the server's log as an error.
func TestProbeTakesItsLeave(t *testing.T) {
	w := newWorld(t, lab.IssueOptions{})
	config := &tls.Config{Certificates: []tls.Certificate{w.issued.TLS(nil)}}
	for name, row := range map[string]struct {
		start string
		want  string
	}{"https": {"", ""}, "smtp": {SMTP, "QUIT\r\n"}} {
		t.Run(name, func(t *testing.T) {
			heard, ended := make(chan string, 1), make(chan error, 1)
			a := listen(t, func(conn net.Conn) {
				if row.start == SMTP {
					lines := bufio.NewScanner(conn)
					fmt.Fprint(conn, "220 mx\r\n")
					lines.Scan()
					fmt.Fprint(conn, "250-mx\r\n250 STARTTLS\r\n")
					lines.Scan()
					fmt.Fprint(conn, "220 go on\r\n")
				}
				c := tls.Server(conn, config)
				said := make([]byte, len(row.want))
				if _, err := io.ReadFull(c, said); err == nil && row.start == SMTP {
					fmt.Fprint(c, "221 bye\r\n")
				}
				heard <- string(said)
				_, err := c.Read(make([]byte, 1))
				ended <- err
			})
			a.StartTLS = row.start
			if _, err := Probe(t.Context(), Options{Address: a}); err != nil {
				t.Fatal(err)
			}
			if got := <-heard; got != row.want {
				t.Errorf("the server heard %q, want %q", got, row.want)
			}
			if err := <-ended; err != io.EOF {
				t.Errorf("the server saw the end as %v, want TLS's own", err)
			}
		})
	}
}

func TestProbeOfAMailServer(t *testing.T) {
	w := newWorld(t, lab.IssueOptions{})
	good := w.response(time.Minute, nil)
	config := &tls.Config{Certificates: []tls.Certificate{w.issued.TLS(good)}}
	with := func(command, reply string) map[string]string {
		replies := map[string]string{
			"":         "220-mx.test\r\n220 ESMTP\r\n",
			"EHLO":     "250-mx.test\r\n250-PIPELINING\r\n250-starttls\r\n250 HELP\r\n",
			"STARTTLS": "220 go on\r\n",
		}
		if command != "-" {
			replies[command] = reply
		}
		return replies
	}
	for name, row := range map[string]struct {
		replies map[string]string
		want    string // the error; "" for none
	}{
		"as it should be":         {with("-", ""), ""},
		"greets in bad temper":    {with("", "554 no\r\n"), "greeting: 554"},
		"knows no EHLO":           {with("EHLO", "502 what\r\n"), "EHLO localhost: 502"},
		"offers no STARTTLS":      {with("EHLO", "250-mx.test\r\n250 STARTTLSX\r\n"), "does not offer STARTTLS"},
		"has no TLS after all":    {with("STARTTLS", "454 TLS currently unavailable\r\n"), "STARTTLS: 454"},
		"slips something in":      {with("STARTTLS", "220 go on\r\n250 injected\r\n"), "octets after the answer to STARTTLS"},
		"speaks another language": {with("", "* OK IMAP4rev1\r\n"), "greeting"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Probe(t.Context(), Options{Address: mailServer(t, config, row.replies)})
			switch {
			case row.want != "":
				if err == nil || !strings.Contains(err.Error(), row.want) {
					t.Errorf("got %v, want an error about %q", err, row.want)
				}
			case err != nil:
				t.Error(err)
			case !bytes.Equal(got.Staple, good):
				t.Errorf("got the staple %x", got.Staple)
			}
		})
	}
}
