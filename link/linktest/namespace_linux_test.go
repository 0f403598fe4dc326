package linktest_test

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"netstackd/link/linktest"
)

// TestIntegrationNamespace checks that the namespace is fresh: nothing but lo,
// and lo works.
func TestIntegrationNamespace(t *testing.T) {
	if !linktest.InNamespace(t) {
		return
	}
	links, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		// Kernels may make tunl0 and the like in every new namespace, down.
		if l.Name != "lo" && l.Flags&net.FlagUp != 0 {
			t.Errorf("link %s is up in a fresh namespace", l.Name)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.DialTimeout("tcp", l.Addr().String(), 10*time.Second)
	if err != nil {
		t.Fatalf("lo does not work: %v", err)
	}
	c.Close()
}

// TestIntegrationNamespaceSubtest checks subtests with names that need quoting,
// and that two of them do not share a namespace.
func TestIntegrationNamespaceSubtest(t *testing.T) {
	for _, name := range []string{"one", "two words (and a+b)"} {
		t.Run(name, func(t *testing.T) {
			if !linktest.InNamespace(t) {
				return
			}
			l, err := net.Listen("tcp", "127.0.0.1:7")
			if err != nil {
				t.Fatal(err)
			}
			l.Close()
		})
	}
}

// outcomeEnv chooses what TestIntegrationOutcome does in its namespace.
const outcomeEnv = "LINKTEST_OUTCOME"

// TestIntegrationOutcome is the victim of TestIntegrationNamespaceOutcomes.
func TestIntegrationOutcome(t *testing.T) {
	outcome := os.Getenv(outcomeEnv)
	if outcome == "" {
		return // run by itself it has nothing to say
	}
	if !linktest.InNamespace(t) {
		return
	}
	switch outcome {
	case "fail":
		t.Error("told to fail")
	case "skip":
		t.Skip("told to skip")
	case "missing tool":
		linktest.NeedTools(t, "no-such-tool")
	case "exit":
		os.Exit(0)
	case "hang":
		select {}
	}
}

// TestIntegrationNamespaceOutcomes checks that what happens inside is what the
// test outside reports.
func TestIntegrationNamespaceOutcomes(t *testing.T) {
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		outcome, ci string
		ok          bool
		want        []string
	}{
		{outcome: "pass", ok: true, want: []string{"\n--- PASS: TestIntegrationOutcome"}},
		{outcome: "fail", want: []string{"\n--- FAIL: TestIntegrationOutcome", "told to fail"}},
		{outcome: "skip", ok: true, want: []string{"\n--- SKIP: TestIntegrationOutcome", "told to skip"}},
		{outcome: "missing tool", ok: true, want: []string{"\n--- SKIP: TestIntegrationOutcome", "needs no-such-tool: make deps"}},
		{outcome: "missing tool", ci: "true", want: []string{"\n--- FAIL: TestIntegrationOutcome", "CI=true"}},
		{outcome: "exit", want: []string{"\n--- FAIL: TestIntegrationOutcome"}},
		{outcome: "hang", want: []string{"\n--- FAIL: TestIntegrationOutcome", "test timed out"}},
	} {
		t.Run(tc.outcome+tc.ci, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(executable, "-test.run=^TestIntegrationOutcome$", "-test.v", "-test.timeout=3s", "-test.paniconexit0")
			cmd.Env = append(os.Environ(), outcomeEnv+"="+tc.outcome, "CI="+tc.ci)
			out, err := cmd.CombinedOutput()
			if strings.Contains(string(out), "needs CAP_SYS_ADMIN") {
				linktest.SkipOrFail(t, "needs CAP_SYS_ADMIN or unprivileged user namespaces")
			}
			if (err == nil) != tc.ok {
				t.Errorf("exit %v, want success %v", err, tc.ok)
			}
			for _, want := range tc.want {
				if !strings.Contains("\n"+string(out), want) {
					t.Errorf("output lacks %q", want)
				}
			}
			if t.Failed() {
				t.Logf("output:\n%s", out)
			}
		})
	}
}
