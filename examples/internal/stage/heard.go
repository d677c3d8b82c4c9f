package stage

import (
	"io"
	"os"
	"syscall"
	"time"
)

// heard: the server has read its staples and is still reloading when there is a
// newer one.
func (p *play) heard(slow string) {
	const line = "192.0.2.1\n"
	p.prepare(p.Short)
	p.Write(slow, []byte(line), 0o644)
	p.boot(0)
	watches := p.watch()
	first := p.see(Good, time.Time{})

	// A pipe is read for as long as somebody may write.
	if err := os.Remove(p.Path(slow)); err != nil {
		p.T.Fatal(err)
	}
	if err := syscall.Mkfifo(p.Path(slow), 0o644); err != nil {
		p.T.Fatal(err)
	}
	p.Reload(p.Stage, p.server)
	var pipe *os.File
	p.until("the server reloads", func() (err error) {
		pipe, err = os.OpenFile(p.Path(slow), os.O_WRONLY|syscall.O_NONBLOCK, 0)
		return err
	})
	defer pipe.Close()
	p.Write(slow, []byte(line), 0o644) // for the next time

	<-time.After(time.Until(first.Add(p.Short.Age + 2*time.Second))) // there is a newer response each second
	refresh := p.Start(p.binary(), p.arguments("refresh", "--force")...)
	p.until("the server is told", func() error {
		if !p.server.has(syscall.SIGUSR2, "ShdPnd") {
			return os.ErrNotExist
		}
		return nil
	})
	if _, err := io.WriteString(pipe, line); err != nil {
		p.T.Fatal(err)
	}
	if err := pipe.Close(); err != nil {
		p.T.Fatal(err)
	}
	p.see(Good, first)
	<-refresh.done
	if refresh.err != nil {
		p.T.Errorf("restaple refresh: %v", refresh.err)
	}
	p.end(watches)
}
