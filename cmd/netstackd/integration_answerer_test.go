//go:build linux

package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// replying is a shell function that turns an echo request in hex without options
// or extension headers into its reply: the addresses change places, the type
// becomes the reply's, and the checksum moves by as much (RFC 1624).
const replying = `reply() {
	case $1 in
	4*)
		sum=$(( 0x$(echo $1 | cut -c45-48) + 0x0800 ))
		[ $sum -gt 65535 ] && sum=$((sum - 65535))
		echo "$(echo $1 | cut -c1-24)$(echo $1 | cut -c33-40)$(echo $1 | cut -c25-32)00$(echo $1 | cut -c43-44)$(printf %04x $sum)$(echo $1 | cut -c49-)"
		;;
	6*)
		sum=$(( 0x$(echo $1 | cut -c85-88) - 0x0100 ))
		[ $sum -lt 0 ] && sum=$((sum + 65535))
		echo "$(echo $1 | cut -c1-16)$(echo $1 | cut -c49-80)$(echo $1 | cut -c17-48)81$(echo $1 | cut -c83-84)$(printf %04x $sum)$(echo $1 | cut -c89-)"
		;;
	esac
}
`

// answering is a process for -respond exec: that answers every request.
const answering = replying + `while echo READ && read packet; do
	[ "$packet" = TIMEOUT ] && continue
	echo "WRITE $(reply $packet)"
	read verdict
	echo "$verdict" >&2
done`

// script writes a script that others may read, and returns what has -respond start
// it.
func script(t *testing.T, text string) string {
	t.Helper()
	dir := openTo(t)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "answer.sh")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return "exec:sh " + path
}

// background starts a program and stops it when the test ends.
func background(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	})
	return cmd
}

// openTo is a directory of the test's own, not too deep for others.
func openTo(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "answerer-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// TestIntegrationRespondFIFO: real pings over both families are answered by a shell
// with the two lines of the prompt, word for word but for the directory.
func TestIntegrationRespondFIFO(t *testing.T) {
	if !inNamespace(t, "ping", "timeout", "cut") {
		return
	}
	dir := openTo(t)
	path, flags := traceFile(t, "compare")
	d := startDaemon(t, append(flags, "-respond", "fifo:"+dir)...)
	background(t, "sh", "-c", replying+strings.ReplaceAll(`
		while true; do
			packet=$(echo "READ" > /tmp/tun_cmd && timeout 35 cat /tmp/tun_resp) || exit
			[ "$packet" = TIMEOUT ] && continue
			wrong=$(reply $packet | sed 's/....$/dead/')
			echo "WRITE $wrong" > /tmp/tun_cmd && cat /tmp/tun_resp
			echo "WRITE $(reply $packet)" > /tmp/tun_cmd && cat /tmp/tun_resp
		done`, "/tmp/", dir+"/"))
	pingedEach(t, 5, "-4", netstack4)
	pingedEach(t, 5, "-6", "-s", "1000", netstack6)
	d.stop(t)
	// A shell that goes on makes files.
	for _, name := range []string{"tun_cmd", "tun_resp"} {
		if info, err := os.Lstat(filepath.Join(dir, name)); err == nil && info.Mode()&os.ModeNamedPipe != 0 {
			t.Errorf("%s is left", name)
		}
	}
	tr := readTrace(t, path)
	tr.addsUp(t)
	if got := tr.judged(t, "fifo", true); len(got) != 1 || got["match"] != 10 {
		t.Errorf("fifo: %v, want 10 times match", got)
	}
	if got := tr.judged(t, "netstack", false); len(got) != 1 || got["match"] != 10 {
		t.Errorf("netstack: %v, want 10 times match", got)
	}
	c := tr.answerers(t)["fifo:"+dir]
	if !c.Live || c.Requests != 10 || c.Answered != 10 || c.RightFirstTime != 0 || c.Wrong["data"] != 10 || c.Latency["max"] < c.Latency["p50"] {
		t.Errorf("scorecard %+v", c)
	}
	if got := tr.echoes("out"); len(got) != 20 { // ours, and netstack's, suppressed
		t.Errorf("%d replies in the trace, want 20", len(got))
	}
}

// TestIntegrationRespondExec: a process answers, small and in fragments, and is
// gone when the daemon is.
func TestIntegrationRespondExec(t *testing.T) {
	if !inNamespace(t, "ping", "cut") {
		return
	}
	path, flags := traceFile(t, "compare")
	answerer := script(t, answering)
	d := startDaemon(t, append(flags, "-respond", answerer)...)
	pingedEach(t, 10, "-4", netstack4)
	pingedEach(t, 10, "-6", netstack6)
	// Over the MTU the reply is fragmented for it.
	for _, size := range []string{"1473", "3000", "20000"} {
		pingedEach(t, 2, "-4", "-s", size, netstack4)
		pingedEach(t, 2, "-6", "-s", size, netstack6)
	}
	d.waitLog(t, "answerer says: OK")
	d.stop(t)
	tr := readTrace(t, path)
	tr.addsUp(t)
	if got := tr.judged(t, "exec", true); len(got) != 1 || got["match"] != 32 {
		t.Errorf("exec: %v, want 32 times match", got)
	}
	c := tr.answerers(t)[answerer]
	if !c.Live || c.Requests != 32 || c.RightFirstTime != 32 {
		t.Errorf("scorecard %+v", c)
	}
}

// TestIntegrationRespondReference: the answerer that is shipped answers whatever
// ping sends, options included.
func TestIntegrationRespondReference(t *testing.T) {
	if !inNamespace(t, "ping", "python3") {
		return
	}
	text, err := os.ReadFile("../../deploy/agent/answer.py")
	if err != nil {
		t.Fatal(err)
	}
	answerer := strings.Replace(script(t, string(text)), "exec:sh", "exec:python3", 1)
	path, flags := traceFile(t, "compare")
	d := startDaemon(t, append(flags, "-respond", answerer)...)
	pinged(t, tool(t, patience, "ping", "-f", "-c", "500", netstack4), 500)
	pinged(t, tool(t, patience, "ping", "-6", "-f", "-c", "500", netstack6), 500)
	pingedEach(t, 2, "-s", "60000", netstack4)
	pingedEach(t, 2, "-R", netstack4)
	pingedEach(t, 2, "-T", "tsandaddr", netstack4)
	d.stop(t)
	tr := readTrace(t, path)
	tr.addsUp(t)
	if got := tr.judged(t, "exec", true); len(got) != 1 || got["match"] != 1006 {
		t.Errorf("exec: %v, want 1006 times match", got)
	}
	if c := tr.answerers(t)[answerer]; c.RightFirstTime != 1006 {
		t.Errorf("scorecard %+v", c)
	} else {
		t.Logf("latency in µs: %v", c.Latency)
	}
}

// TestIntegrationRespondSlow: an answerer that takes 45 seconds for each packet,
// under a flood that it drowns in, holds up neither TCP nor the other addresses,
// nor the end.
func TestIntegrationRespondSlow(t *testing.T) {
	if !inNamespace(t, "ping") {
		return
	}
	path, flags := traceFile(t, "packets")
	d := startDaemon(t, append(flags, "-addr", "172.16.0.3/24",
		"-respond", "172.16.0.3=exec:while echo READ && read packet; do sleep 45; done")...)
	// The device's queue holds 500 packets of the kernel's.
	const flood, rounds, atLeast = 300, 6, 1500
	for range rounds {
		out, err := tryTool(patience, "ping", "-l", strconv.Itoa(flood), "-c", strconv.Itoa(flood), "-q", "-W", "1", "172.16.0.3")
		if err == nil || !strings.Contains(out, " 0 received") {
			t.Errorf("ping of the slow one: %v\n%s", err, out)
		}
	}
	background(t, "ping", "-i", "0.001", "-q", "-s", "8000", "172.16.0.3")
	pinged(t, tool(t, patience, "ping", "-c", "100", "-i", "0.02", "-q", netstack4), 100)
	echoHashed(t, "172.16.0.3", 64<<20)
	echoHashed(t, netstack4, 64<<20)
	begun := time.Now()
	d.stop(t)
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("the end took %v", took)
	}
	tr := readTrace(t, path)
	if dropped := tr.summary.Elsewhere["answerer-queue-full"]; dropped < atLeast-1024 {
		t.Errorf("%d requests dropped by the bound, want %d at least", dropped, atLeast-1024)
	}
	for name, c := range tr.answerers(t) {
		if strings.HasPrefix(name, "exec:") && (c.Requests < atLeast || c.Answered != 0) {
			t.Errorf("scorecard %+v", c)
		}
		if lost := tr.summary.Elsewhere["answerer-queue-full"] + tr.summary.Elsewhere["answerer-ended"]; strings.HasPrefix(name, "exec:") && c.Requests != lost {
			t.Errorf("of %d requests %d are counted as lost", c.Requests, lost)
		}
	}
}

// TestIntegrationRespondLate: a reply after the ping's patience is judged, sent and
// reported, and ping says how long it took.
func TestIntegrationRespondLate(t *testing.T) {
	if !inNamespace(t, "ping", "cut") {
		return
	}
	path, flags := traceFile(t, "compare")
	d := startDaemon(t, append(flags, "-respond", script(t, strings.Replace(answering, `	echo "WRITE`, `	sleep 2.5; echo "WRITE`, 1)))...)
	out := tool(t, patience, "ping", "-c", "1", "-W", "8", netstack4)
	pinged(t, out, 1)
	_, took, _ := strings.Cut(out, "time=")
	took, _, _ = strings.Cut(took, " ms")
	if ms, err := strconv.ParseFloat(took, 64); err != nil || ms < 2500 {
		t.Errorf("ping does not tell of 2.5 seconds:\n%s", out)
	}
	d.stop(t)
	tr := readTrace(t, path)
	tr.addsUp(t)
	if got := tr.judged(t, "exec", true); got["match"] != 1 {
		t.Errorf("exec: %v", got)
	}
	if f := tr.summary.Fates["in"]; f["answered"] != 0 {
		t.Errorf("fates in: %v; the deadline passed before the reply", f)
	}
}

// TestIntegrationRespondBadReplies: wrong replies leave only if that is wanted, and
// are seen to be wrong then.
func TestIntegrationRespondBadReplies(t *testing.T) {
	if !inNamespace(t, "ping", "cut", "sed") {
		return
	}
	wrong := strings.Replace(answering, `$(reply $packet)`, `$(reply $packet | sed 's/....$/dead/')`, 1)
	for _, send := range []bool{false, true} {
		path, flags := traceFile(t, "compare")
		if send {
			flags = append(flags, "-send-bad-replies")
		}
		d := startDaemon(t, append(flags, "-respond", script(t, wrong))...)
		out, err := tryTool(patience, "ping", "-c", "2", "-i", "0.2", "-W", "1", netstack4)
		says := map[bool]string{false: "2 packets transmitted, 0 received", true: "wrong data byte #54 should be 0x36 but was 0xde"}[send]
		if (err == nil) != send || !strings.Contains(out, says) {
			t.Errorf("sent %v: ping: %v\n%s", send, err, out)
		}
		d.waitLog(t, "answerer says: ERROR data is 0xde at byte 82, by hand 0x36 (RFC 792); ICMP checksum is")
		d.stop(t)
		tr := readTrace(t, path)
		tr.addsUp(t)
		want := map[bool]int{true: 2}[send]
		if got := tr.judged(t, "exec", true); got["differ"] != want || got["match"] != 0 {
			t.Errorf("sent %v: %v, want %d times differ", send, got, want)
		}
	}
}

// TestIntegrationRespondRefusals: what cannot answer is told at the start, in one
// line.
func TestIntegrationRespondRefusals(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	dir := openTo(t)
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "tun_cmd")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		flags []string
		says  string
	}{
		{[]string{"-respond", "fifo:/nonexistent"}, "netstackd: respond fifo:/nonexistent: there is no such directory: make it, or name another\n"},
		{[]string{"-respond", "fifo:" + dir}, "netstackd: respond fifo:" + dir + ": " + dir + "/tun_cmd is a symbolic link, which is not followed: remove it, or name another directory\n"},
		{[]string{"-respond", "exec:true", "-exec-user", "no-such-user"}, "netstackd: respond exec: -exec-user no-such-user: there is no such user\n"},
	} {
		out, err := tryTool(patience, daemonPath(t), append([]string{"-addr", prefix4, "-log-level", "error"}, c.flags...)...)
		if err == nil || !strings.HasSuffix(out, c.says) || strings.Count(out, "\n") != 1+strings.Count(out, "packets ")+strings.Count(out, "checksums by")+strings.Count(out, "comparisons") {
			t.Errorf("%v: %v\n%s", c.flags, err, out)
		}
	}
}
