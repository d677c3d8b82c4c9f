package profile

import (
	"slices"
	"testing"
	"time"
)

func FuzzTraitsOf(f *testing.F) {
	now := time.Now().Truncate(time.Second)
	all := samples(f, newPKI(f), now)
	for _, s := range all {
		f.Add(s.der)
	}
	c := all[len(all)-1].chain(f)
	readers := Readers()
	f.Fuzz(func(t *testing.T, der []byte) {
		traits := TraitsOf(der, c, now)
		if len(traits) == 0 {
			t.Fatal("no trait")
		}
		for _, trait := range traits {
			if !slices.Contains(Traits(), trait) {
				t.Errorf("%q is no trait", trait)
			}
		}
		for _, r := range readers {
			if r.Foresee(traits).Does == "" {
				t.Errorf("%s does nothing with %v", r.Name, traits)
			}
		}
	})
}
