package staple

// MaxSigners is the bound of a Verifier's memory.
const MaxSigners = maxSigners

// Remembered returns how many signers a Verifier remembers.
func Remembered(v *Verifier) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.signers)
}
