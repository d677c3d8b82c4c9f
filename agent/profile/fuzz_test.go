package profile

import (
	"slices"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/staple"
)

func FuzzTraitsOf(f *testing.F) {
	now := time.Now().Truncate(time.Second)
	all := samples(f, newPKI(f), now)
	for _, s := range all {
		f.Add(s.der)
	}
	f.Add(make([]byte, staple.MaxSize))
	f.Add(make([]byte, staple.MaxSize+1))
	c := all[len(all)-1].chain(f)
	readers := Readers()
	f.Fuzz(func(t *testing.T, der []byte) {
		traits := TraitsOf(der, c, now)
		if (len(traits) == 0) != (len(der) > staple.MaxSize) {
			t.Fatalf("%d octets: got %v", len(der), traits)
		}
		for _, trait := range traits {
			if !slices.Contains(Traits(), trait) {
				t.Errorf("%q is no trait", trait)
			}
		}
		for _, r := range readers {
			if len(traits) > 0 && r.Foresee(traits).Does == "" {
				t.Errorf("%s does nothing with %v", r.Name, traits)
			}
		}
	})
}
