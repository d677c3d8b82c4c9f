package prove

import (
	"io"
	"net"
	"testing"
)

// FuzzStartSMTP lets a mail server say anything at once: whatever is left over
// when TLS is to begin must be an error.
func FuzzStartSMTP(f *testing.F) {
	f.Add("220 mx\r\n250-mx\r\n250 STARTTLS\r\n220 go on\r\n")
	f.Add("220 mx\r\n250-mx\r\n250 STARTTLS\r\n220 go on\r\n250 injected\r\n")
	f.Add("220-mx\n220 mx\n250 STARTTLS\n454 no\n")
	f.Add("* OK IMAP4rev1\r\n")
	f.Fuzz(func(t *testing.T, says string) {
		ours, theirs := net.Pipe()
		defer ours.Close()
		go func() {
			defer theirs.Close()
			go io.Copy(io.Discard, theirs)
			_, _ = io.WriteString(theirs, says)
		}()
		conn := &limitedConn{Conn: ours, left: maxRead}
		if err := startSMTP(conn); err != nil {
			return
		}
		if rest, _ := io.ReadAll(conn); maxRead-conn.left != len(says) || len(rest) > 0 && len(says) <= 4096 {
			t.Errorf("of %d octets, %d are left for TLS", len(says), len(rest))
		}
	})
}
