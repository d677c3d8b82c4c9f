//go:build !race

package agent

// manyThatHang is how many certificates wait for a responder that hangs.
const manyThatHang = 10_000
