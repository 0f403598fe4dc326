package stack

import (
	"os"
	"testing"

	"go.uber.org/goleak"
	"gvisor.dev/gvisor/pkg/refs"
)

// TestMain fails the package when a test leaves a goroutine or a packet buffer
// behind. Nothing is excepted: netstack's TCP processors end with
// Stack.Destroy, and its timers hold no goroutine.
func TestMain(m *testing.M) {
	if os.Getenv(isolatedVariable) != "" {
		SetProcessLog(silentLog())
		os.Exit(m.Run())
	}
	refs.SetLeakMode(refs.LeaksPanic)
	SetProcessLog(silentLog())
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		refs.DoLeakCheck()
		os.Exit(code)
	}))
}
