package admin

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestTextCanBeRead holds the colours of both looks to the contrast that WCAG 2.2
// asks for: 4.5 for text, 3 for what is no text.
func TestTextCanBeRead(t *testing.T) {
	css, err := assets.ReadFile("assets/style.css")
	if err != nil {
		t.Fatal(err)
	}
	looks := regexp.MustCompile(`(?s):root \{(.*?)\}`).FindAllStringSubmatch(string(css), -1)
	if len(looks) != 2 {
		t.Fatalf("got %d sets of colours, want light and dark", len(looks))
	}
	for i, look := range []string{"light", "dark"} {
		colors := make(map[string]float64) // how bright they are
		for _, m := range regexp.MustCompile(`--(\w+): (#[0-9a-f]+);`).FindAllStringSubmatch(looks[i][1], -1) {
			colors[m[1]] = luminance(t, m[2])
		}
		for _, pairs := range []struct {
			least       float64
			front, back string
		}{
			{4.5, "front dim good warn bad none", "back box"},
			{3, "focus", "back box"},
			{3, "now", "past track gone"}, // the line in a bar, on what is still to come
			{3, "warn bad", "track"},      // the bar
		} {
			for _, front := range strings.Fields(pairs.front) {
				for _, back := range strings.Fields(pairs.back) {
					x, ok := colors[front]
					y, too := colors[back]
					if !ok || !too {
						t.Fatalf("%s: no colour %s or %s", look, front, back)
					}
					if got := (max(x, y) + 0.05) / (min(x, y) + 0.05); got < pairs.least {
						t.Errorf("%s: %s on %s has a contrast of %.1f, want %v", look, front, back, got, pairs.least)
					}
				}
			}
		}
	}
}

// luminance is WCAG's relative luminance of #rgb or #rrggbb.
func luminance(t *testing.T, color string) float64 {
	t.Helper()
	hex := color[1:]
	if len(hex) == 3 {
		hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
	}
	n, err := strconv.ParseUint(hex, 16, 24)
	if err != nil {
		t.Fatal(err)
	}
	part := func(shift int) float64 {
		c := float64(n>>shift&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*part(16) + 0.7152*part(8) + 0.0722*part(0)
}
