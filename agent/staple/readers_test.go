package staple

import (
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

func TestIntegersAreMinimal(t *testing.T) {
	for _, row := range []struct {
		der  string
		want bool
	}{
		{"\x02\x01\x00", true},
		{"\x02\x01\x80", true}, // -128: another serial than 128, but an INTEGER
		{"\x02\x02\x00\x80", true},
		{"\x02\x02\xff\x7f", true},
		{"\x02\x02\x00\x7f", false},
		{"\x02\x02\xff\x80", false},
		{"\x02\x00", false},
		{"\x0a\x01\x00", false},
	} {
		in, content := cryptobyte.String(row.der), cryptobyte.String(nil)
		if got := readInteger(&in, &content); got != row.want {
			t.Errorf("%x: got %v, want %v", row.der, got, row.want)
		}
	}
}

func TestSmallNumbersAreMinimalAndNotNegative(t *testing.T) {
	for der, want := range map[string]int{
		"\x02\x01\x00":         0,
		"\x02\x01\x7f":         127,
		"\x02\x02\x00\x80":     128,
		"\x02\x02\x7f\xff":     32767,
		"\x02\x02\x00\x7f":     -1,
		"\x02\x01\x80":         -1,
		"\x02\x02\xff\x00":     -1,
		"\x02\x03\x00\x80\x00": -1,
		"\x02\x00":             -1,
	} {
		in, got := cryptobyte.String(der), 0
		if !readSmall(&in, asn1.INTEGER, &got) {
			got = -1
		}
		if got != want {
			t.Errorf("%x: got %d, want %d", der, got, want)
		}
	}
}

func TestTimesHaveOneForm(t *testing.T) {
	want := time.Date(2024, 2, 29, 23, 59, 59, 0, time.UTC)
	for text, ok := range map[string]bool{
		"20240229235959Z":     true,
		"20230229235959Z":     false,
		"20240230235959Z":     false,
		"20240229235960Z":     false, // RFC 5280 knows no leap seconds
		"20240229240000Z":     false,
		"20240229236059Z":     false,
		"20240029235959Z":     false,
		"20241329235959Z":     false,
		"20240200235959Z":     false,
		"202402292359Z":       false,
		"20240229235959":      false,
		"20240229235959z":     false,
		"20240229235959.0Z":   false,
		"20240229235959+0000": false,
		"2024022923595 Z":     false,
		"+0240229235959Z":     false,
		"20240229235959Z\x00": false,
		"２０２４0229Z":           false,
	} {
		in := cryptobyte.String("\x18" + string(rune(len(text))) + text)
		var got time.Time
		if read := readTime(&in, &got); read != ok {
			t.Errorf("%q: got %v, want %v", text, read, ok)
		} else if ok && !got.Equal(want) {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
	utcTime := cryptobyte.String("\x17\x0d240229235959Z")
	if readTime(&utcTime, &want) {
		t.Error("read a UTCTime, want it refused")
	}
}

func TestObjectIdentifiersAreMinimal(t *testing.T) {
	for der, want := range map[string]bool{
		"\x06\x03\x2a\x86\x48":     true,
		"\x06\x01\x2a":             true,
		"\x06\x00":                 false,
		"\x06\x02\x2a\x86":         false, // ends within an arc
		"\x06\x03\x2a\x80\x01":     false, // padded arc
		"\x06\x03\x80\x2a\x01":     false,
		"\x06\x04\x2a\x81\x80\x01": true,
	} {
		in, oid := cryptobyte.String(der), cryptobyte.String(nil)
		if got := readOID(&in, &oid); got != want {
			t.Errorf("%x: got %v, want %v", der, got, want)
		}
	}
}

func TestObjectIdentifiersAreNamedForPeople(t *testing.T) {
	for oid, want := range map[string]string{
		oidSCTList: "1.3.6.1.4.1.11129.2.4.5",
		"\x2a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01": "2affffffffffffffffff01",
		string(make([]byte, 200)):                      "that is too long to name",
	} {
		if got := dotted([]byte(oid)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
