//go:build linux

package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// threads is the status of each thread of a process, as fields by name.
func threads(t *testing.T, pid int) []map[string]string {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	var all []map[string]string
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue // it has ended
		}
		fields := map[string]string{}
		for line := range strings.Lines(string(text)) {
			name, value, _ := strings.Cut(line, ":")
			fields[name] = strings.Join(strings.Fields(value), " ")
		}
		all = append(all, fields)
	}
	return all
}

// contained wants every thread without any privilege, as a user.
func contained(t *testing.T, pid int, uid string) {
	t.Helper()
	all := threads(t, pid)
	if len(all) < 3 {
		t.Fatalf("%d threads of process %d can be seen", len(all), pid)
	}
	const none = "0000000000000000"
	want := map[string]string{
		"CapInh": none, "CapPrm": none, "CapEff": none, "CapBnd": none, "CapAmb": none,
		"NoNewPrivs": "1", "Seccomp": "2", "Uid": strings.Repeat(uid+" ", 3) + uid, "Gid": strings.Repeat(uid+" ", 3) + uid,
	}
	for _, fields := range all {
		for name, value := range want {
			if fields[name] != value {
				t.Errorf("thread %s: %s is %q, want %q", fields["Pid"], name, fields[name], value)
			}
		}
	}
}

// TestIntegrationContained: no thread has a privilege, under load either; a process
// that answers is started again when it ends, and is gone with the daemon; and the
// device is.
func TestIntegrationContained(t *testing.T) {
	if !inNamespace(t, "ping", "cut") {
		return
	}
	// It ends after each answer, and says who it is.
	answerer := script(t, strings.Replace(answering, "read verdict", "read verdict; echo \"I am $$, $(id -u)\" >&2; exit 7", 1))
	d := startDaemon(t, "-respond", answerer)
	pinged(t, tool(t, patience, "ping", "-c", "1", "-W", "3", netstack4), 1)
	d.waitLog(t, `error="exit status 7"`)
	pinged(t, tool(t, patience, "ping", "-c", "1", "-W", "5", netstack4), 1)
	tcpEcho(t, netstack4)
	contained(t, d.cmd.Process.Pid, "0")
	var spawners []string
	for _, pid := range childrenOf(t, d.cmd.Process.Pid) {
		status := threads(t, pid)
		if len(status) == 0 {
			continue
		}
		spawners = append(spawners, status[0]["Name"])
		if s := status[0]; s["CapPrm"] != "0000000000000000" || s["CapBnd"] != "0000000000000000" || s["NoNewPrivs"] != "1" {
			t.Errorf("the spawner has privileges: %v", s)
		}
	}
	if len(spawners) != 1 {
		t.Errorf("the daemon's children are %v, want the spawner alone", spawners)
	}
	d.stop(t)
	waitFor(t, "the end of the answerer", func() bool {
		files, err := filepath.Glob("/proc/[0-9]*/cmdline")
		if err != nil || len(files) == 0 {
			t.Fatalf("no processes can be seen: %v", err)
		}
		for _, f := range files {
			if text, err := os.ReadFile(f); err == nil && strings.Contains(string(text), strings.TrimPrefix(answerer, "exec:sh ")) {
				return false
			}
		}
		return true
	})
}

// childrenOf are the processes that a process has started and that live.
func childrenOf(t *testing.T, pid int) []int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var children []int
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		fields := strings.Fields(rest)
		if len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			child, err := strconv.Atoi(filepath.Base(filepath.Dir(f)))
			if err != nil {
				t.Fatal(err)
			}
			children = append(children, child)
		}
	}
	return children
}

// TestIntegrationContainedUser: the host is another user's than root's, with its FIFOs
// and its socket, which are gone at the end.
func TestIntegrationContainedUser(t *testing.T) {
	if !inNamespace(t, "ping", "curl") {
		return
	}
	needOthers(t)
	dir := openTo(t)
	if err := os.Chown(dir, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	socket, capture := filepath.Join(dir, "socket"), filepath.Join(dir, "f.pcapng")
	d := startDaemon(t, "-user", "nobody", "-addr", "172.16.0.3/24", "-respond", "172.16.0.3=fifo:"+dir, "-http", "unix:"+socket,
		"-pcapng", capture, "-pcapng-rotate", "20KB")
	contained(t, d.cmd.Process.Pid, "65534")
	_, _ = tryTool(patience, "ping", "-c", "100", "-i", "0.02", netstack4) // it may not wait for the last reply
	pingedEach(t, 1, netstack4)
	tool(t, patience, "curl", "-sf", "--unix-socket", socket, "http://localhost/healthz")
	waitFor(t, "the next file of the capture", func() bool {
		_, err := os.Stat(filepath.Join(dir, "f.1.pcapng"))
		return err == nil
	})
	// The FIFOs go on being opened.
	for range 2 {
		if out := tool(t, patience, "sh", "-c", "echo nonsense > "+dir+"/tun_cmd && timeout 5 cat "+dir+"/tun_resp"); !strings.HasPrefix(out, "ERROR ") {
			t.Errorf("the FIFO says %q", out)
		}
		time.Sleep(50 * time.Millisecond)
	}
	d.stop(t)
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range left {
		if !strings.HasSuffix(f.Name(), ".pcapng") {
			t.Errorf("%s is left", f.Name())
		}
	}
}

// TestIntegrationNotContained: -contain off says so.
func TestIntegrationNotContained(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	d := startDaemon(t, "-contain", "off")
	if !strings.Contains(d.log.String(), "level=warning msg=\"not contained") {
		t.Error("the log does not warn")
	}
	if s := threads(t, d.cmd.Process.Pid)[0]; s["Seccomp"] != "0" {
		t.Errorf("Seccomp is %s", s["Seccomp"])
	}
	d.stop(t)
}
