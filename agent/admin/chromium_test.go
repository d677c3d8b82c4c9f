package admin

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/responder"
)

// chromium runs Debian's Chromium without a window and returns what it prints.
func chromium(t *testing.T, script bool, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		if slices.Contains(strings.Split(os.Getenv("RESTAPLE_TEST_REQUIRE"), ","), "chromium") {
			t.Fatal(err)
		}
		t.Skip("chromium is not installed: the page was not looked at in a browser")
	}
	args = append([]string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--disable-dev-shm-usage", "--user-data-dir=" + profileDir(t, script), "--enable-logging=stderr",
		"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", // whatever the browser wants of its makers
	}, args...)
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.WaitDelay = time.Minute // for its children to end, too
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil {
		t.Fatalf("chromium: %v\n%s", err, problems.String())
	}
	for line := range strings.Lines(problems.String()) {
		if strings.Contains(line, "CONSOLE") {
			t.Errorf("the browser complains: %s", line) // of scripts and of the content policy
		}
	}
	return out.String()
}

var rowInDOM = regexp.MustCompile(`(?s)<tr role="row" (data-state[^>]*)>(.*?)</tr>`)

// profileDir is a fresh profile, in which pages may run scripts or not.
func profileDir(t *testing.T, script bool) string {
	t.Helper()
	dir := t.TempDir()
	if script {
		return dir
	}
	const settings = `{"profile":{"default_content_setting_values":{"javascript":2}}}`
	if err := os.MkdirAll(filepath.Join(dir, "Default"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "Default", "Preferences"), []byte(settings), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// rows returns the visible rows of a dumped page, and how many are hidden.
func rows(dom string) (visible []string, hidden int) {
	for _, m := range rowInDOM.FindAllStringSubmatch(dom, -1) {
		if strings.Contains(m[1], `hidden=""`) {
			hidden++
			continue
		}
		visible = append(visible, m[2])
	}
	return visible, hidden
}

func TestThePageInABrowser(t *testing.T) {
	s := start(t, "tcp", everyState(time.Now()), false)
	for _, tt := range []struct {
		name, address   string
		script          bool
		visible, hidden int
		says            string
	}{
		{"filtered by the script", "/#q=pem+refused&state=failing", true, 1, 17, "1 of 18 shown"},
		{"a state that there is not", "/#state=gone", true, 0, 18, "0 of 18 shown"},
		{"serial, which is not in sight", "/#q=66726573682e6578616d706c652e74657374", true, 1, 17, "1 of 18 shown"},
		{"filtered by the server", "/?state=failing&q=re", true, 4, 0, "4 of 18 shown"},
		{"without JavaScript", "/", false, 18, 0, "18 of 18 shown"},
		{"filter without JavaScript", "/?state=failing", false, 10, 0, "10 of 18 shown"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dom := chromium(t, tt.script, "--dump-dom", s.url+tt.address)
			visible, hidden := rows(dom)
			if len(visible) != tt.visible || hidden != tt.hidden {
				t.Errorf("%d rows visible, %d hidden; want %d, %d", len(visible), hidden, tt.visible, tt.hidden)
			}
			if !strings.Contains(dom, ">"+tt.says+"<") {
				t.Errorf("does not say %q", tt.says)
			}
			if ran := !strings.Contains(dom, `<label id="live" hidden="">`); ran != tt.script {
				t.Errorf("script ran: %v", ran)
			}
		})
	}
}

// TestThePageKeepsItselfUpToDate lets the browser's time run ahead, and has
// another agent, or none, when the page asks again.
func TestThePageKeepsItselfUpToDate(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		name string
		next Source
		want string
	}{
		{"another agent", &scene{certs: []agent.Certificate{certificate("newcomer.example.test", now)}}, "newcomer.example.test"},
		{"none", nil, "Not up to date: 503: no agent runs yet"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := New(Options{Metrics: NewMetrics("1"), Log: quiet()})
			s.SetSource(everyState(now), false)
			h := s.handler(socketAddr)
			var asked atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/" && asked.Add(1) == 2 {
					s.SetSource(tt.next, false)
				}
				h.ServeHTTP(w, r)
			}))
			defer server.Close()
			dom := chromium(t, true, "--virtual-time-budget=15000", "--dump-dom", server.URL+"/#state=fresh")
			if asked.Load() < 2 {
				t.Fatalf("the page was asked for %d times", asked.Load())
			}
			if !strings.Contains(dom, tt.want) {
				t.Errorf("the page lacks %q", tt.want)
			}
			if visible, _ := rows(dom); tt.next != nil && len(visible) != 1 {
				t.Errorf("%d rows, want the new one", len(visible))
			}
		})
	}
}

// hand is a script beside the page's own, which does what a person would and
// writes down what has the focus at last.
const hand = `
addEventListener('load', () => document.querySelector(PLACE).focus());
setTimeout(() => { document.body.dataset.focus = document.activeElement.matches(PLACE) + ' ' + document.activeElement.isConnected; }, 14000);
`

// TestWhatHasTheFocusIsKeptUpToDateToo has somebody choose a link, or scroll a
// table, before the page asks again.
func TestWhatHasTheFocusIsKeptUpToDateToo(t *testing.T) {
	now := time.Now()
	next := everyState(now)
	next.certs = append(next.certs, certificate("newcomer.example.test", now))
	next.lanes = append(next.lanes, responder.LaneState{Host: "ocsp.newcomer.example", State: "open"})
	news := []string{fmt.Sprintf("<b>%d</b> certificates", len(next.certs)), "newcomer.example.test", "ocsp.newcomer.example<"}
	for _, place := range []string{`.counts a[href="?state=failing"]`, `[aria-labelledby="h-responders"][tabindex]`} {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			s := New(Options{Metrics: NewMetrics("1"), Log: quiet()})
			s.SetSource(everyState(now), false)
			h := s.handler(socketAddr)
			var asked atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.URL.Path == "/hand.js":
					w.Header().Set("Content-Type", "text/javascript")
					fmt.Fprint(w, strings.ReplaceAll(hand, "PLACE", strconv.Quote(place)))
				case r.URL.Path == "/" && asked.Add(1) == 1:
					r.Header.Del("Accept-Encoding")
					page := httptest.NewRecorder()
					h.ServeHTTP(page, r)
					fmt.Fprint(w, strings.Replace(page.Body.String(), "</head>", `<script src="hand.js" defer></script></head>`, 1))
				default:
					s.SetSource(next, false)
					h.ServeHTTP(w, r)
				}
			}))
			defer server.Close()
			dom := chromium(t, true, "--virtual-time-budget=15000", "--dump-dom", server.URL+"/")
			for _, want := range news {
				if !strings.Contains(dom, want) {
					t.Errorf("the page does not say %q", want)
				}
			}
			if !strings.Contains(dom, `data-focus="true true"`) {
				t.Error("the focus is lost")
			}
		})
	}
}

// crowd is as many certificates as a page lists.
func crowd(now time.Time) *scene {
	s := everyState(now)
	for i := range mostRows - len(s.certs) {
		s.certs = append(s.certs, certificate(fmt.Sprintf("host%05d.example.test", i), now))
	}
	return s
}

func TestTenThousandRowsInABrowser(t *testing.T) {
	s := start(t, "tcp", crowd(time.Now()), false)
	visible, hidden := rows(chromium(t, true, "--dump-dom", s.url+"/#q=host0042"))
	if len(visible) != 10 || hidden != mostRows-10 {
		t.Errorf("%d rows visible, %d hidden; want 10, %d", len(visible), hidden, mostRows-10)
	}
}

// TestScreenshots draws the page in each of its looks and checks that there is
// something to see. Where RESTAPLE_TEST_SCREENSHOTS names a directory it draws
// more of them and leaves them there for people to look at.
func TestScreenshots(t *testing.T) {
	now := time.Now()
	few := start(t, "tcp", everyState(now), false)
	dir := os.Getenv("RESTAPLE_TEST_SCREENSHOTS")
	forPeople := dir != ""
	if !forPeople {
		dir = t.TempDir()
	}
	for _, tt := range []struct {
		name, path string
		source     *scene
		width      int
		dark       bool
		noScript   bool
		forPeople  bool
	}{
		{name: "light", width: 1400},
		{name: "dark", width: 1400, dark: true},
		{name: "narrow", width: 500},
		{name: "narrow-dark", width: 500, dark: true, forPeople: true},
		{name: "many", width: 1400, source: crowd(now), forPeople: true},
		{name: "filtered", path: "/#state=failing", width: 1400, forPeople: true},
		{name: "without-javascript", width: 1400, noScript: true, forPeople: true},
		{name: "empty", width: 1400, source: &scene{certs: []agent.Certificate{}}, forPeople: true},
	} {
		if tt.forPeople && !forPeople {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			s := few
			if tt.source != nil {
				s = start(t, "tcp", tt.source, false)
			}
			var flags []string
			if tt.dark {
				flags = append(flags, "--blink-settings=preferredColorScheme=0")
			}
			file := filepath.Join(dir, tt.name+".png")
			chromium(t, !tt.noScript, append(flags, fmt.Sprintf("--window-size=%d,1500", tt.width),
				"--hide-scrollbars", "--screenshot="+file, s.url+tt.path)...)
			img := readPicture(t, file)
			if img.Bounds().Dx() != tt.width {
				t.Errorf("%d pixels wide, want %d", img.Bounds().Dx(), tt.width)
			}
			back, others := ground(img)
			if dark := back < 0x8000; dark != tt.dark {
				t.Errorf("background is %#x, want dark: %v", back, tt.dark)
			}
			if others < 0.002 {
				t.Errorf("%.2f %% of the picture is not background", 100*others)
			}
		})
	}
}

func readPicture(t *testing.T, file string) image.Image {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// ground returns the brightness of the top left corner, and how much of the
// picture is far from it.
func ground(img image.Image) (back uint32, others float64) {
	grey := func(x, y int) uint32 { r, g, b, _ := img.At(x, y).RGBA(); return (r + g + b) / 3 }
	size := img.Bounds()
	back = grey(0, 0)
	n := 0
	for y := range size.Dy() {
		for x := range size.Dx() {
			if g := grey(x, y); max(g, back)-min(g, back) > 0x4000 {
				n++
			}
		}
	}
	return back, float64(n) / float64(size.Dx()*size.Dy())
}
