//go:build linux

package main_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"netstackd/link/linktest"
)

// binaryVariable carries the path of the daemon under test to the copies of
// this test binary that run inside namespaces, so that it is built once.
const binaryVariable = "NETSTACKDTEST_BINARY"

// built is what building the daemon gave. once guards dir and err.
var built struct {
	once sync.Once
	dir  string
	err  error
}

// TestMain removes the binary that the tests built, and looks for goroutines
// left behind. The language of the machine must not steer the tools that the
// tests run.
func TestMain(m *testing.M) {
	os.Setenv("LC_ALL", "C")
	// Tests of package main may have registered it; only now all have.
	if flag.Lookup("update") == nil {
		flag.Bool("update", false, "rewrite the golden files")
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if built.dir != "" {
			os.RemoveAll(built.dir)
		}
		os.Exit(code)
	}))
}

// daemonPath is the path of the daemon under test, built by the first test that
// asks. It is the binary that is shipped: static, without the race detector.
func daemonPath(t *testing.T) string {
	t.Helper()
	if path := os.Getenv(binaryVariable); path != "" {
		return path
	}
	built.once.Do(func() {
		built.dir, built.err = os.MkdirTemp("", "netstackd-test-")
		if built.err != nil {
			return
		}
		// Another user runs it, to see what it says without privilege.
		if built.err = os.Chmod(built.dir, 0o755); built.err != nil {
			return
		}
		path := filepath.Join(built.dir, "netstackd")
		build := exec.Command("go", "build", "-trimpath", "-ldflags", "-X main.version=test", "-o", path, ".")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("build netstackd: %w\n%s", err, out)
			return
		}
		built.err = os.Setenv(binaryVariable, path)
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return os.Getenv(binaryVariable)
}

// inNamespace runs the calling test in a fresh network namespace. It reports
// true in there; the caller returns at once if it reports false.
func inNamespace(t *testing.T, tools ...string) bool {
	t.Helper()
	daemonPath(t)
	if !linktest.InNamespace(t) {
		return false
	}
	linktest.NeedTools(t, tools...)
	tun, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if err != nil {
		linktest.SkipOrFail(t, "needs a TUN device: %v", err)
	}
	tun.Close()
	return true
}
