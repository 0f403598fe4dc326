package faults_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
	"gvisor.dev/gvisor/pkg/refs"
)

// TestMain fails when the tests leave packet buffers or goroutines behind.
func TestMain(m *testing.M) {
	refs.SetLeakMode(refs.LeaksPanic)
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		refs.DoLeakCheck() // panics
		os.Exit(code)
	}))
}
