package main

import (
	"os"
	"testing"
)

// asProgram makes the test binary be restaple itself, for tests that need a
// process of its own.
const asProgram = "RESTAPLE_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}
