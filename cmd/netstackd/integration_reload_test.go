//go:build linux

package main_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// configured starts netstackd with a file, and returns what writes that again and
// waits until it was read.
func configured(t *testing.T, text string) (*daemon, func(text, says string)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "netstackd.yaml")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(text)
	d := startDaemon(t, "-config", path)
	return d, func(text, says string) {
		t.Helper()
		write(text)
		d.log.mu.Lock()
		d.log.buf.Reset()
		d.log.mu.Unlock()
		if err := d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		d.waitLog(t, says)
	}
}

// TestIntegrationReload: SIGHUP puts in force what can change, names what cannot,
// and a file that is wrong changes nothing.
func TestIntegrationReload(t *testing.T) {
	if !inNamespace(t, "ping") {
		return
	}
	out := filepath.Join(t.TempDir(), "trace.json")
	base := "trace: packets\ntrace-format: json\ntrace-out: " + out + "\n"
	d, reload := configured(t, base+"filter: tcp\nconnections: 1\n")
	ping := func(size string) { pinged(t, tool(t, patience, "ping", "-c", "1", "-s", size, netstack4), 1) }
	served := func() bool {
		conn, err := net.DialTimeout("tcp", net.JoinHostPort(netstack4, "7"), patience)
		if err != nil {
			return false // the reset came at once
		}
		t.Cleanup(func() { conn.Close() })
		one := []byte("x")
		if _, err := conn.Write(one); err != nil {
			return false
		}
		n, err := conn.Read(one)
		return n == 1 && err == nil
	}
	ping("100")
	if !served() {
		t.Fatal("the first connection is not served")
	}
	if served() {
		t.Error("a second connection is served, over the limit")
	}

	reload(base+"filter: icmp\nconnections: 2\nmtu: 1400\nservices: echo\n", "configuration read again")
	for _, want := range []string{`changed="services connections filter"`, "setting=mtu", "takes a restart", "services=echo"} {
		if !strings.Contains(d.log.String(), want) {
			t.Errorf("the log does not say %s", want)
		}
	}
	ping("200")
	if !served() {
		t.Error("a second connection is refused, within the new limit")
	}

	reload(base+"filter: tcp\nconnections: 0\n", "configuration refused, nothing is changed")
	if want := "netstackd.yaml:5:14: invalid value"; !strings.Contains(d.log.String(), want) {
		t.Errorf("the log does not say %s", want)
	}
	ping("300")
	reload(base+"filter: icmp\nconnections: 2\ntrace-sample: 1/1000000\nlog-level: debug\nlog-format: json\n", `"changed":"services trace-sample log-level log-format"`)
	ping("400") // the first of a million was before
	d.stop(t)

	sizes := map[int]int{}
	for _, p := range readTrace(t, out).packets {
		sizes[p.Len-28]++
	}
	for size, want := range map[int]int{100: 0, 200: 2, 300: 2, 400: 1} {
		// Of a sample at least one is left out; which depends on what came before.
		if got := sizes[size]; got != want && !(size == 400 && got == 0) {
			t.Errorf("%d packets of %d bytes were traced, want %d", got, size, want)
		}
	}
}

// TestIntegrationReloadServices: SIGHUP opens and closes ports. Connections that are there
// go on, and a file that is wrong changes nothing.
func TestIntegrationReloadServices(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	out := filepath.Join(t.TempDir(), "trace.json")
	base := "trace: compare\ntrace-format: json\ntrace-out: " + out + "\n"
	d, reload := configured(t, base+"services: [echo, http]\n")
	dial := func(network, port string) net.Conn {
		t.Helper()
		c, err := net.DialTimeout(network, net.JoinHostPort(netstack4, port), patience)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	echo := func(c net.Conn) error {
		said, got := []byte("hello"), make([]byte, 5)
		_ = c.SetDeadline(time.Now().Add(patience))
		if _, err := c.Write(said); err != nil {
			return err
		}
		if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(said, got) {
			return fmt.Errorf("%q came back: %w", got, err)
		}
		return nil
	}
	says := func(want string) {
		t.Helper()
		if !strings.Contains(d.log.String(), want) {
			t.Errorf("the log does not say %s", want)
		}
	}
	refused := func(port string) {
		t.Helper()
		c, err := net.DialTimeout("tcp", net.JoinHostPort(netstack4, port), patience)
		if err == nil {
			c.Close()
		}
		if !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("TCP port %s: %v, want a refusal", port, err)
		}
	}
	was := dial("tcp", "7")
	if err := errors.Join(echo(was), echo(dial("udp", "7"))); err != nil {
		t.Fatal(err)
	}

	reload(base+"services: http\n", "configuration read again")
	says("changed=services")
	says("services=http")
	refused("7")
	if err := echo(dial("udp", "7")); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("UDP port 7: %v, want a refusal", err)
	}
	if err := echo(was); err != nil {
		t.Error("a connection that was there:", err)
	}

	reload(base+"services: [http, ech]\n", "configuration refused, nothing is changed")
	says(`netstackd.yaml:4:11: invalid value`)
	dial("tcp", "80")

	for _, changed := range []string{"changed=services", "changed=nothing"} {
		reload(base+"services: [discard, echo]\n", "configuration read again")
		says(changed)
		refused("80")
		if err := errors.Join(echo(was), echo(dial("tcp", "7")), echo(dial("udp", "7"))); err != nil {
			t.Error(err)
		}
	}
	d.stop(t)
	s := readTrace(t, out).summary
	if s.Compare["match"] == 0 || s.Compare["differ"]+s.Compare["missing"]+s.Compare["unexpected"] != 0 {
		t.Errorf("the summary says %+v", s.Compare)
	}
}

// TestIntegrationReloadAnswerers: SIGHUP has another answer pings, of those who were there
// at the start. What waits for the one who did is answered by that one, or counted.
func TestIntegrationReloadAnswerers(t *testing.T) {
	if !inNamespace(t, "sh", "timeout") {
		return
	}
	dir, out := openTo(t), filepath.Join(t.TempDir(), "trace.json")
	base, fifo := "trace: compare\ntrace-format: json\ntrace-out: "+out+"\n", "fifo:"+dir
	d, reload := configured(t, base+"respond: "+fifo+"\n")
	raw, to := rawSocket(t, unix.AF_INET, unix.IPPROTO_ICMP), &unix.SockaddrInet4{Addr: netip.MustParseAddr(netstack4).As4()}
	send := func(seq uint16) {
		t.Helper()
		if err := unix.Sendto(raw, echoRequest4(spoiledID, seq, make([]byte, 56)), 0, to); err != nil {
			t.Fatal(err)
		}
	}
	replied := func(seq uint16) {
		t.Helper()
		if !received(t, raw, patience, func(m []byte) bool { return len(m) > 20 && isReply(m[20:], 0, seq) }) {
			t.Fatalf("ping %d is not answered", seq)
		}
	}
	// command gives one to the FIFO.
	command := func(line string) string {
		t.Helper()
		return strings.TrimSpace(tool(t, patience, "sh", "-c", `echo "$1" > "$0/tun_cmd" && timeout 35 cat "$0/tun_resp"`, dir, line))
	}
	// read reads ping seq there.
	read := func(seq uint16) []byte {
		t.Helper()
		packet, err := hex.DecodeString(command("READ"))
		if err != nil || len(packet) < 28 || binary.BigEndian.Uint16(packet[26:]) != seq {
			t.Fatalf("read %x, %v, want ping %d", packet, err, seq)
		}
		return packet
	}

	send(1)
	waits := read(1)
	reload(base+"respond: netstack\n", "configuration read again")
	if want := `changed="respond shadow"`; !strings.Contains(d.log.String(), want) {
		t.Errorf("the log does not say %s", want)
	}
	send(2)
	replied(2)
	reload(base+"respond: byhand\n", "changed=\"respond shadow\"")
	send(3)
	replied(3)

	// To the ping of before its answerer answers yet.
	waits = slices.Concat(waits[:12], waits[16:20], waits[12:16], []byte{0, 0, 0, 0}, waits[24:])
	binary.BigEndian.PutUint16(waits[22:], ^onesSum(waits[20:]))
	if said := command("WRITE " + hex.EncodeToString(waits)); said != "OK" {
		t.Errorf("the FIFO says %q", said)
	}
	replied(1)

	reload(base+"respond: exec:true\n", "configuration read again")
	for _, want := range []string{"setting=respond", "changed=nothing"} {
		if !strings.Contains(d.log.String(), want) {
			t.Errorf("the log does not say %s", want)
		}
	}
	reload(base+"respond: fifo\n", "configuration refused, nothing is changed")
	send(4)
	replied(4)
	reload(base+"respond: "+fifo+"\n", "changed=respond")
	send(5)
	read(5) // so it has come, and waits to the end
	d.stop(t)

	tr := readTrace(t, out)
	tr.addsUp(t)
	if n := tr.summary.Elsewhere["answerer-ended"]; n != 1 {
		t.Errorf("%d requests are counted that waited at the end, want one", n)
	}
	for name, want := range map[string]scorecard{
		fifo:       {Live: true, Requests: 2, Answered: 1, RightFirstTime: 1},
		"byhand":   {Requests: 4, Answered: 4, RightFirstTime: 4},
		"netstack": {Requests: 4, Answered: 4, RightFirstTime: 4},
	} {
		got := tr.answerers(t)[name]
		if got.Live != want.Live || got.Requests != want.Requests || got.Answered != want.Answered || got.RightFirstTime != want.RightFirstTime {
			t.Errorf("scorecard %+v, want %+v", got, want)
		}
	}
	if c := tr.summary.Compare; c["differ"]+c["missing"]+c["unexpected"] != 0 {
		t.Errorf("the summary says %+v", c)
	}
}

// TestIntegrationReloadGuard: SIGHUP has other mends made, and a connection that is there
// goes on.
func TestIntegrationReloadGuard(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	d, reload := configured(t, "guard: on\n")
	raw, in := rawSocket(t, unix.AF_INET, unix.IPPROTO_ICMP), newInjector(t)
	conn, err := net.DialTimeout("tcp", net.JoinHostPort(netstack4, "7"), patience)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	seq := uint16(0)
	// reserved reports whether the reply to a ping has the reserved flag, as the ping has.
	reserved := func() (set bool) {
		t.Helper()
		seq++
		in.send(t, 4, ipv4Packet(unix.IPPROTO_ICMP, seq, 0x8000, echoRequest4(spoiledID, seq, nil)))
		if !received(t, raw, patience, func(m []byte) bool {
			if len(m) <= 20 || !isReply(m[20:], 0, seq) {
				return false
			}
			set = m[6]&0x80 != 0
			return true
		}) {
			t.Fatalf("ping %d is not answered", seq)
		}
		said, got := []byte("hello"), make([]byte, 5)
		_ = conn.SetDeadline(time.Now().Add(patience))
		if _, err := conn.Write(said); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(conn, got); err != nil {
			t.Fatal(err)
		}
		return set
	}
	if !reserved() {
		t.Error("on: the flag is not copied")
	}
	for _, c := range []struct {
		guard string
		set   bool
	}{{"strict", false}, {"strict,-reserved-flag", true}, {"off", true}, {"strict", false}, {"on", true}} {
		reload("guard: "+c.guard+"\n", "changed=guard")
		if got := reserved(); got != c.set {
			t.Errorf("%s: the flag in the reply is set: %v, want %v", c.guard, got, c.set)
		}
	}
	reload("guard: stern\n", "configuration refused, nothing is changed")
	if want := "netstackd.yaml:1:8: invalid value"; !strings.Contains(d.log.String(), want) {
		t.Errorf("the log does not say %s", want)
	}
	if !reserved() {
		t.Error("the mends have changed")
	}
	d.stop(t)
}

// TestIntegrationReloadStorm: signals at 100 a second, each with another file, lose
// no packet and no event, touch no connection, and leave nothing behind.
func TestIntegrationReloadStorm(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	dir := t.TempDir()
	const base = "trace: compare\ntrace-format: json\n"
	out := func(name string) string { return base + "trace-out: " + filepath.Join(dir, name) + "\n" }
	forms := []string{
		out("a"), out("b") + "pcapng: " + filepath.Join(dir, "c.pcapng") + "\n", "trace: off\n",
		out("a") + "memory-limit: 512MiB\n", "mtu: [" /* not YAML */, out("b") + "log-level: debug\n", out("a") + "pcapng: /dev/null\n",
	}
	// Echo is always there, and what opens and closes beside it is asked for all the time.
	services := []string{"echo", "all", "[echo, http, discard]"}
	others := []string{"respond: byhand\n", "guard: strict\n", "guard: off\n", ""}
	d, reload := configured(t, out("a"))
	var before, after process
	storm := func(n int) {
		for i := range n {
			text := forms[i%len(forms)]
			if i%len(forms) != 4 {
				text += fmt.Sprintf("connections: %d\nservices: %s\n%s", 100+i%3, services[i%3], others[i%4])
			}
			if err := os.WriteFile(d.cmd.Args[len(d.cmd.Args)-1], []byte(text), 0o600); err != nil {
				t.Error(err)
			}
			if err := d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
				t.Error(err)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	// More than a super-segment, and no more than the buffers take that nobody reads.
	said, got := make([]byte, 100<<10), make([]byte, 100<<10)
	// ping would hardly wait for its last reply.
	raw, seq := rawSocket(t, unix.AF_INET, unix.IPPROTO_ICMP), uint16(0)
	flood := func() {
		for range 200 {
			seq++
			to := &unix.SockaddrInet4{Addr: netip.MustParseAddr(netstack4).As4()}
			if err := unix.Sendto(raw, echoRequest4(spoiledID, seq, said[:56]), 0, to); err != nil {
				t.Fatal(err)
			}
			if !received(t, raw, patience, func(m []byte) bool { return len(m) > 20 && isReply(m[20:], 0, seq) }) {
				t.Fatalf("ping %d is not answered", seq)
			}
		}
	}
	// Until the memory that is used once is there: the trace's ring, the heap.
	storm(2 * len(forms))
	flood()
	before.read(t, d)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		storm(60)
	}()
	conn, err := net.DialTimeout("tcp", net.JoinHostPort(netstack4, "7"), patience)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for done := false; !done; {
		flood()
		for i := range said {
			said[i]++
		}
		_ = conn.SetDeadline(time.Now().Add(patience))
		if _, err := conn.Write(said); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(said, got) {
			t.Fatalf("TCP: not the same came back, %v", err)
		}
		for _, port := range []string{"9", "19", "80"} {
			if conn, err := net.DialTimeout("tcp", net.JoinHostPort(netstack4, port), patience); err == nil {
				_, _ = conn.Write(said[:100])
				conn.Close()
			}
			if conn, err := net.Dial("udp", net.JoinHostPort(netstack4, port)); err == nil {
				_, _ = conn.Write(said[:100])
				conn.Close()
			}
		}
		select {
		case <-ended:
			done = true
		default:
		}
	}
	reload(out("a"), "configuration read again")
	after.read(t, d)
	if after.threads > before.threads+4 || after.resident > before.resident+64<<10 {
		t.Errorf("after 60 signals %+v, before %+v", after, before)
	}
	t.Logf("resident %d KiB, then %d", before.resident, after.resident)
	d.stop(t)

	// Each event has a number of its own: those that are in no file are lost, and counted.
	seen, last, summary := map[int]bool{}, 0, event{}
	for _, name := range []string{"a", "b"} {
		for _, e := range events(t, filepath.Join(dir, name)) {
			switch {
			case e.Type == "summary":
				summary = e
				continue
			case seen[e.Seq]:
				t.Fatalf("event %d is there twice", e.Seq)
			}
			seen[e.Seq] = true
			last = max(last, e.Seq)
		}
	}
	t.Logf("%d events, the last is %d, %+v", len(seen), last, summary.Compare)
	if summary.Type == "" || last-len(seen) > summary.TraceLost || summary.Compare["match"] == 0 {
		t.Errorf("%d events of %d are there, and the summary says %+v", len(seen), last, summary)
	}
	for _, bad := range []string{"differ", "missing", "unexpected"} {
		if n := summary.Compare[bad]; n != 0 {
			t.Errorf("%d %s", n, bad)
		}
	}
	for dir, total := range map[string]int{"in": summary.Packets.In, "out": summary.Packets.Out} {
		sum := 0
		for _, n := range summary.Fates[dir] {
			sum += n
		}
		if sum != total {
			t.Errorf("%d packets %s, and fates %v", total, dir, summary.Fates[dir])
		}
	}
}

// process is what the kernel says of a process: threads, and memory in KiB.
type process struct{ threads, resident int }

func (p *process) read(t *testing.T, d *daemon) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(status) {
		fields := strings.Fields(string(line))
		if len(fields) < 2 {
			continue
		}
		n, _ := strconv.Atoi(fields[1])
		switch fields[0] {
		case "Threads:":
			p.threads = n
		case "VmRSS:":
			p.resident = n
		}
	}
	if p.threads == 0 || p.resident == 0 {
		t.Fatalf("no threads or memory in\n%s", status)
	}
}
