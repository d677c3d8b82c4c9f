//go:build !race

package stage

const withRace = false
