package respond_test

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	bt "netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/respond"
)

func silent() logrus.FieldLogger {
	l := logrus.New()
	l.SetOutput(io.Discard)
	return l
}

// shell runs a script in a directory with the FIFOs and returns what it printed.
func shell(t *testing.T, dir, script string) string {
	t.Helper()
	cmd := exec.Command("sh", "-c", script)
	cmd.Dir = dir
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%.100s: %v\n%.300s", script, err, out)
	}
	return string(out)
}

// openFIFO starts a FIFO for a desk in a directory of its own.
func openFIFO(t *testing.T, b *bench, wait time.Duration) (*respond.FIFO, string) {
	t.Helper()
	dir := t.TempDir()
	f, err := respond.OpenFIFO(respond.FIFOConfig{Dir: dir, Desk: b.Desk, Log: silent(), Wait: wait})
	if err != nil {
		t.Fatal(err)
	}
	f.Start()
	t.Cleanup(func() {
		begun := time.Now()
		f.Close()
		if took := time.Since(begun); took > time.Second {
			t.Errorf("Close took %v", took)
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("%v is left", left)
		}
	})
	return f, dir
}

// The two lines of a shell that answers, with timeouts where a client that is not
// answered would hang.
const (
	read  = `echo "READ" > tun_cmd && timeout 35 cat tun_resp`
	write = `echo "WRITE ` + goldenReply + `" > tun_cmd && timeout 35 cat tun_resp`
)

// TestFIFO: the two lines, word for word, and what they print.
func TestFIFO(t *testing.T) {
	b := newBench(t, respond.DeskConfig{})
	_, dir := openFIFO(t, b, 300*time.Millisecond)
	for _, name := range []string{"tun_cmd", "tun_resp"} {
		if info, err := os.Lstat(filepath.Join(dir, name)); err != nil || info.Mode() != os.ModeNamedPipe|0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	for _, step := range []struct{ script, want string }{
		{read, "TIMEOUT\n"},
		{"ask", ""},
		{read, goldenRequest + "\n"},
		{read, "TIMEOUT\n"},
		{strings.Replace(write, "5cf5", "54f5", 1), "ERROR ICMP checksum is 0x54f5, by hand 0x5cf5 (RFC 792)\n"},
		{strings.Replace(write, "WRITE 45", "WRITE 4", 1), "ERROR parse hex: character 167: '7' stands alone: a byte has two digits\n"},
		{write, "OK\n"},
		{write, "ERROR the echo request from 172.16.0.1 with identifier 13 and sequence number 1 was answered already\n"},
		{strings.ReplaceAll(read, "READ", "HELLO"), "ERROR \"HELLO\" is no command: expected READ, or WRITE and a packet in hex\n"},
		{"printf READ > tun_cmd && timeout 35 cat tun_resp", "TIMEOUT\n"},
		{"head -c 1048576 /dev/zero | tr '\\0' 4 > tun_cmd && timeout 35 cat tun_resp", "ERROR the line is longer than 524288 bytes: no packet needs that\n"},
		{"head -c 1000 /dev/urandom | tr '\\n' x > tun_cmd && timeout 35 cat tun_resp | cut -c1-6", "ERROR \n"},
	} {
		if step.script == "ask" {
			b.ask(t, bits(t, goldenRequest))
			continue
		}
		if got := shell(t, dir, step.script); got != step.want {
			t.Errorf("%.60s\nprints %.200q\nwant   %.200q", step.script, got, step.want)
		}
	}
	if len(b.sent) != 1 {
		t.Errorf("%d sent", len(b.sent))
	}
}

// TestFIFOLongest: the longest packets go in and out.
func TestFIFOLongest(t *testing.T) {
	b := newBench(t, respond.DeskConfig{})
	_, dir := openFIFO(t, b, time.Second)
	echo := bt.Echo{ID: 1, Seq: 2, Data: bt.Data(65535 - 28)}
	b.ask(t, request4(echo))
	if got := shell(t, dir, read); len(got) != 2*65535+1 {
		t.Errorf("%d characters", len(got))
	}
	if err := os.WriteFile(filepath.Join(dir, "line"), []byte("WRITE "+hexSpaced(reply4(echo))+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := shell(t, dir, "cat line > tun_cmd && rm line && timeout 35 cat tun_resp"); got != "OK\n" {
		t.Errorf("answer %.200q", got)
	}
}

func hexSpaced(b []byte) string {
	const digits = "0123456789ABCDEF"
	var s strings.Builder
	for _, c := range b {
		s.WriteString("0x" + string(digits[c>>4]) + string(digits[c&15]) + " ")
	}
	return s.String()
}

// TestFIFODeadClient: who dies between the two halves costs the others nothing,
// and what was for it is given to the next.
func TestFIFODeadClient(t *testing.T) {
	b := newBench(t, respond.DeskConfig{})
	_, dir := openFIFO(t, b, 30*time.Second)
	b.ask(t, bits(t, goldenRequest))
	shell(t, dir, `echo READ > tun_cmd`)
	waitGiven(t, b, true)
	if got := shell(t, dir, read); got != goldenRequest+"\n" {
		t.Errorf("the next READ prints %q", got)
	}
	// It dies while it waits, with the request yet to come, and before it reads.
	shell(t, dir, `(echo READ > tun_cmd && exec timeout 0.2 cat tun_resp) || true`)
	if got := shell(t, dir, write); got != "OK\n" {
		t.Errorf("WRITE after a READ that is gone prints %q", got)
	}
	// It dies in the middle of a line.
	shell(t, dir, `printf 'WRI' > tun_cmd`)
	if got := shell(t, dir, strings.Replace(write, "WRITE", "", 1)); !strings.HasPrefix(got, "ERROR ") {
		t.Errorf("a half line and another print %q", got)
	}
}

func waitGiven(t *testing.T, b *bench, want bool) {
	t.Helper()
	for range 1000 {
		if p := b.Pending(); len(p) == 1 && p[0].Given == want {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("pending %+v", b.Pending())
}

// TestFIFOTwoClients: with two at once each command is answered or refused, and
// everything asked is answered in the end.
func TestFIFOTwoClients(t *testing.T) {
	const requests = 20
	b := newBench(t, respond.DeskConfig{})
	_, dir := openFIFO(t, b, 200*time.Millisecond)
	answers := map[string]string{}
	for seq := range uint16(requests) {
		e := bt.Echo{ID: 5, Seq: seq, Data: bt.Data(20)}
		b.ask(t, request4(e))
		answers[hexSpaced(request4(e))] = hexSpaced(reply4(e))
	}
	packet := regexp.MustCompile(`(?m)^[0-9a-f]{2,}$`)
	line := regexp.MustCompile(`^(OK\n|TIMEOUT\n|ERROR [^\n]+\n|[0-9a-f]+\n)*(KILLED\n)?$`)
	// A client that waits too long, as for an answer that the other has read, is killed,
	// with what it may have read and not printed yet.
	ask := func(command string) (got string, killed bool) {
		got = shell(t, dir, `echo "`+command+`" > tun_cmd; timeout 1 cat tun_resp || echo KILLED`)
		if !line.MatchString(got) {
			t.Errorf("%.5s prints %q", command, got)
		}
		return got, strings.HasSuffix(got, "KILLED\n")
	}
	var clients sync.WaitGroup
	deadline := time.Now().Add(4 * time.Minute)
	for range 2 {
		clients.Go(func() {
			for len(b.Pending()) > 0 && time.Now().Before(deadline) {
				got, killed := ask("READ")
				// Behind the packet there may be the answer to a command of the other, if it
				// was slow to find the end.
				for _, request := range packet.FindAllString(got, -1) {
					for killed := true; killed && time.Now().Before(deadline); {
						_, killed = ask("WRITE " + answers[hexSpaced(bits(t, request))])
					}
				}
				if killed {
					b.ReturnAll()
				}
			}
		})
	}
	clients.Wait()
	if c := b.Scorecard(); c.Answered != requests || c.RightFirstTime != requests {
		t.Errorf("scorecard %+v", c)
	}
	if got := shell(t, dir, read); got != "TIMEOUT\n" {
		t.Errorf("after all READ prints %q", got)
	}
}

// TestFIFOFlood: commands nobody reads the answers of, as fast as they come.
func TestFIFOFlood(t *testing.T) {
	b := newBench(t, respond.DeskConfig{})
	_, dir := openFIFO(t, b, 100*time.Millisecond)
	shell(t, dir, `i=0; while [ $i -lt 20 ]; do echo garbage; i=$((i+1)); done > tun_cmd`)
	shell(t, dir, `sleep 3 < tun_resp & sleep 0.1`) // one that reads nothing
	if got := shell(t, dir, read); got != "TIMEOUT\n" && !strings.HasPrefix(got, "ERROR ") {
		t.Errorf("READ prints %q", got)
	}
}

// TestFIFORefusals: what stands in the way is not touched, and told in one line.
func TestFIFORefusals(t *testing.T) {
	for _, c := range []struct {
		name, want string
		prepare    func(dir string) (string, error)
	}{
		{"no directory", "there is no such directory: make it, or name another", func(dir string) (string, error) { return dir + "/none", nil }},
		{"a file for a directory", "it is no directory: name one", func(dir string) (string, error) {
			return dir + "/file", os.WriteFile(dir+"/file", nil, 0o600)
		}},
		{"a symbolic link", "tun_cmd is a symbolic link, which is not followed: remove it, or name another directory", func(dir string) (string, error) {
			return dir, os.Symlink("/dev/null", dir+"/tun_cmd")
		}},
		{"a file", "tun_resp is there and is no FIFO: remove it, or name another directory", func(dir string) (string, error) {
			return dir, os.WriteFile(dir+"/tun_resp", []byte("precious"), 0o600)
		}},
		{"another process", "another process answers there: end that, or name another directory", func(dir string) (string, error) {
			f, err := respond.OpenFIFO(respond.FIFOConfig{Dir: dir, Log: silent()})
			if err == nil {
				t.Cleanup(func() { f.Close() })
			}
			return dir, err
		}},
		{"another user", "tun_cmd is another user's: name another directory", func(dir string) (string, error) {
			if os.Geteuid() != 0 {
				return "", nil
			}
			if err := unix.Mkfifo(dir+"/tun_cmd", 0o600); err != nil {
				return "", err
			}
			return dir, os.Chown(dir+"/tun_cmd", 65534, 65534)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, err := c.prepare(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			if dir == "" {
				t.Skip("needs root")
			}
			before, _ := os.ReadDir(dir)
			f, err := respond.OpenFIFO(respond.FIFOConfig{Dir: dir, Log: silent()})
			if err == nil {
				f.Close()
				t.Fatal("it is accepted")
			}
			if got := err.Error(); !strings.HasSuffix(got, c.want) || strings.ContainsRune(got, '\n') {
				t.Errorf("error %q\nwant  %q", got, c.want)
			}
			if after, _ := os.ReadDir(dir); len(after) != len(before) {
				t.Errorf("%v before, %v after", before, after)
			}
		})
	}
	t.Run("left over", func(t *testing.T) {
		dir := t.TempDir()
		if err := unix.Mkfifo(dir+"/tun_cmd", 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := respond.OpenFIFO(respond.FIFOConfig{Dir: dir, Log: silent()})
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	})
}

// TestFIFOClose: it ends at once whatever clients do, and leaves no descriptor.
func TestFIFOClose(t *testing.T) {
	before := descriptors(t)
	for _, client := range []string{
		"true",
		"echo READ > tun_cmd",
		"(timeout 5 cat tun_resp & ) ; sleep 0.05",
		"(echo READ > tun_cmd && timeout 5 cat tun_resp & ) ; sleep 0.05",
		"(sleep 5 > tun_cmd & ) ; sleep 0.05",
		"(sleep 5 < tun_resp & ) ; echo x > tun_cmd",
	} {
		b := newBench(t, respond.DeskConfig{})
		dir := t.TempDir()
		f, err := respond.OpenFIFO(respond.FIFOConfig{Dir: dir, Desk: b.Desk, Log: silent()})
		if err != nil {
			t.Fatal(err)
		}
		f.Start()
		cmd := exec.Command("sh", "-c", client)
		cmd.Dir = dir
		if err := cmd.Run(); err != nil {
			t.Errorf("%s: %v", client, err)
		}
		begun := time.Now()
		f.Close()
		if took := time.Since(begun); took > time.Second {
			t.Errorf("%s: Close took %v", client, took)
		}
	}
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

// TestFIFOCloseLetsGo: nobody is left who waits for the other end of a FIFO that is
// gone.
func TestFIFOCloseLetsGo(t *testing.T) {
	b := newBench(t, respond.DeskConfig{})
	dir := t.TempDir()
	f, err := respond.OpenFIFO(respond.FIFOConfig{Dir: dir, Desk: b.Desk, Log: silent()})
	if err != nil {
		t.Fatal(err)
	}
	f.Start()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	// The first is served, and has nobody else heard for a second.
	var clients []*exec.Cmd
	for _, script := range []string{"echo READ > tun_cmd; touch served; exec sleep 0.1", "echo READ > tun_cmd", "exec cat tun_resp"} {
		cmd := exec.CommandContext(ctx, "sh", "-c", script)
		cmd.Dir = dir
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		clients = append(clients, cmd)
		for _, err := os.Stat(dir + "/served"); err != nil && ctx.Err() == nil; _, err = os.Stat(dir + "/served") {
			time.Sleep(time.Millisecond)
		}
	}
	time.Sleep(50 * time.Millisecond)
	f.Close()
	for _, cmd := range clients {
		if err := cmd.Wait(); ctx.Err() != nil {
			t.Errorf("%q still waits: %v", cmd.Args, err)
		}
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
