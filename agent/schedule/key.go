package schedule

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"time"
)

// Key is what the jitter of a leaf on a host is a function of: two hosts with
// the same certificate don't ask at the same moment, and one host asks about
// its many certificates at different ones, the same after each restart.
func Key(fingerprint [sha256.Size]byte, host string) uint64 {
	sum := sha256.Sum256(append(fingerprint[:], host...))
	return binary.BigEndian.Uint64(sum[:])
}

// part is the share of d that key stands for, evenly spread over [0, d).
func part(key uint64, d time.Duration) time.Duration {
	share, _ := bits.Mul64(key, uint64(max(0, d)))
	return time.Duration(share)
}

// mix spreads neighbouring numbers (the finalizer of SplitMix64).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
