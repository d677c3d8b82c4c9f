//go:build race

package agent

// manyThatHang is fewer with the race detector, which makes each of them ten
// times as expensive; the ten thousand are there without it.
const manyThatHang = 2000
