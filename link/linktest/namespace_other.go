//go:build !linux

package linktest

import "testing"

// InNamespace skips the test: network namespaces are Linux's. See the Linux
// version for what it does there.
func InNamespace(t *testing.T) (inside bool) {
	t.Helper()
	SkipOrFail(t, "needs Linux: network namespaces")
	return false
}
