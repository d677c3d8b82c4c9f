//go:build race

package stage

// withRace has the restaple under test look for data races, as the test does.
const withRace = true
