package stack

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/link/pipe"
	netstack "gvisor.dev/gvisor/pkg/tcpip/stack"
)

// isolatedVariable is set in the environment of a copy of this test binary that runs
// one test by itself.
const isolatedVariable = "STACK_TEST_ISOLATED"

// isolated runs the calling test in a process of its own, without a look at what is
// left behind: a netstack that panics leaves packets, and perhaps goroutines. It
// reports true in there; the caller returns at once if it reports false.
func isolated(t *testing.T) bool {
	t.Helper()
	if os.Getenv(isolatedVariable) != "" {
		return true
	}
	t.Parallel()
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=60s")
	cmd.Env = append(os.Environ(), isolatedVariable+"=1")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

// A trap is a link that does something once, when it is called on a goroutine with a
// function of some name on its stack.
type trap struct {
	netstack.LinkEndpoint
	write, attach snare
}

// A snare says when to do what.
type snare struct {
	in atomic.Pointer[string]
	do func() // panics if nil
}

func (s *snare) set(in string) { s.in.Store(&in) }

func (s *snare) spring() {
	in := s.in.Load()
	if in == nil || !onStack(*in) || !s.in.CompareAndSwap(in, nil) {
		return
	}
	if s.do == nil {
		panic("trapped in " + *in)
	}
	s.do()
}

// onStack tells whether a function whose name ends so is under way.
func onStack(name string) bool {
	var pcs [100]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for {
		f, more := frames.Next()
		if strings.HasSuffix(f.Function, name) {
			return true
		}
		if !more {
			return false
		}
	}
}

func (l *trap) WritePackets(pkts netstack.PacketBufferList) (int, tcpip.Error) {
	l.write.spring()
	return l.LinkEndpoint.WritePackets(pkts)
}

func (l *trap) Attach(d netstack.NetworkDispatcher) {
	l.attach.spring()
	l.LinkEndpoint.Attach(d)
}

// rebuilding is a pair whose host is on a trap.
type rebuilding struct {
	*pair
	link *trap

	mu     sync.Mutex
	panics []Panic // guarded by mu
}

func newRebuilding(t *testing.T) *rebuilding {
	t.Helper()
	hostEnd, clientEnd := pipe.New("", "", testMTU)
	r := &rebuilding{link: &trap{LinkEndpoint: hostEnd}}
	r.pair = &pair{t: t, client: newClient(t, clientEnd, clientPrefixes)}
	h, err := New(Config{
		Link: r.link, Addresses: hostPrefixes, Services: ServiceNames(), Limits: Limits{Connections: 7},
		Panicked: func(p Panic) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.panics = append(r.panics, p)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.host = h
	if err := h.Start(); err != nil {
		t.Fatal(err)
	}
	return r
}

// only returns what was told of the only panic.
func (r *rebuilding) only() Panic {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.panics) != 1 {
		r.t.Fatalf("%d panics, want one", len(r.panics))
	}
	return r.panics[0]
}

// wantRebuilt waits for so many rebuilds, and wants the host to serve.
func (r *rebuilding) wantRebuilt(n uint64) {
	r.t.Helper()
	eventually(r.t, "rebuilds", func() bool { return r.host.Counters().Panics.Rebuilds == n && r.host.Down() == "" })
	for _, f := range families {
		if err := transferTo(r.pair, full(f.host, 7)); err != nil {
			r.t.Error(err)
		}
		if got, err := ask(r.datagrams(f.client, 0, f.host, 7), []byte("hi")); err != nil || string(got) != "hi" {
			r.t.Errorf("UDP: %q, %v", got, err)
		}
	}
}

// TestPanicOutbound: a panic while a service writes ends its netstack, and no more.
func TestPanicOutbound(t *testing.T) {
	if !isolated(t) {
		return
	}
	for _, tc := range []struct {
		name, in string
		port     uint16
		send     string
	}{
		{"echo", "stack.(*stream).tryPayload", 7, "hello"},
		{"chargen", "stack.(*stream).tryPayload", 19, ""},
		{"http", "stack.(*webConn).Write", 80, "GET / HTTP/1.0\r\n\r\n"},
		{"http that is refused", "stack.(*webConn).CloseWrite", 80, "GET / HTTP/1.1\r\nX: " + strings.Repeat("x", 2*webHeaderBytes) + "\r\n\r\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRebuilding(t)
			bystander := r.dial(families[0].host, 9)
			eventually(t, "the bystander", func() bool { return r.counters("discard").Open == 1 })
			r.link.write.set(tc.in)
			c := r.dial(families[0].host, tc.port)
			if _, err := io.WriteString(c, tc.send); err != nil {
				t.Fatal(err)
			}
			r.wantRebuilt(1)
			p := r.only()
			if p.Where != WhereService || p.Value != "trapped in "+tc.in || !strings.Contains(p.Stack, tc.in) || len(p.Packets) != 0 || p.Connections != 2 {
				t.Errorf("told of %+v", p)
			}
			// Those that had a connection learn of it.
			_, _ = bystander.Write([]byte("x"))
			if _, err := bystander.Read(make([]byte, 1)); err == nil {
				t.Error("a connection outlived its netstack")
			}
			counted := r.host.Counters()
			want := PanicCounters{By: map[string]uint64{"inbound": 0, "service": 1, "count": 0, "build": 0, "close": 0}, Rebuilds: 1, Connections: 2}
			if diff := cmp.Diff(want, counted.Panics); diff != "" {
				t.Errorf("panics (-want +got):\n%s", diff)
			}
			if n := counted.Services["discard"].Connections; n != 1 {
				t.Errorf("the past has %d connections to discard, want 1", n)
			}
			if n := r.host.current().services.Load().open[0].listener.limit.Load(); n != 7 {
				t.Errorf("the limit of connections is %d now, was 7", n)
			}
			if err := r.host.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestPanicCount: a panic while somebody reads the counts costs nobody the answer.
func TestPanicCount(t *testing.T) {
	if !isolated(t) {
		return
	}
	r := newRebuilding(t)
	i := r.host.current()
	i.services.Store(&services{open: append(i.services.Load().open, &service{definition: definition{name: "broken"}, speed: &speedServer{}})})
	before := r.host.RateLimited() + r.host.Refused()
	// Who frees the instance counts once more, and that may be at once.
	if n := r.host.Counters().Panics.By["count"]; n == 0 {
		t.Error("no panic is counted")
	}
	r.wantRebuilt(1)
	r.mu.Lock()
	p := r.panics[0]
	r.mu.Unlock()
	if p.Where != WhereCount || !strings.Contains(p.Value, "nil pointer") {
		t.Errorf("told of %+v", p)
	}
	if after := r.host.RateLimited() + r.host.Refused(); after < before {
		t.Errorf("%d after %d: they only grow", after, before)
	}
	if err := r.host.Close(); err != nil {
		t.Error(err)
	}
}

// TestPanicClose: a panic while the host is closed is its error.
func TestPanicClose(t *testing.T) {
	if !isolated(t) {
		return
	}
	r := newRebuilding(t)
	r.link.attach.set("stack.(*instance).shutDown")
	if err := r.host.Close(); !errors.Is(err, errPanicked) || err.Error() != "close host: netstack panicked" {
		t.Errorf("got %v", err)
	}
	if p := r.only(); p.Where != WhereClose {
		t.Errorf("told of %+v", p)
	}
	if n := r.host.Counters().Panics; n.By["close"] != 1 || n.Rebuilds != 0 {
		t.Errorf("counted %+v", n)
	}
}

// TestPanicBuild: a panic while the host is built is an error of Start, and of a
// rebuild a reason to try again.
func TestPanicBuild(t *testing.T) {
	if !isolated(t) {
		return
	}
	l := &trap{LinkEndpoint: channel.New(8, testMTU, "")}
	l.attach.set("stack.(*instance).serveAll")
	h, err := New(Config{Link: l, Addresses: hostPrefixes})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Start(); err == nil || err.Error() != "start host: netstack panicked" {
		t.Errorf("got %v", err)
	}
	_ = h.Close()

	r := newRebuilding(t)
	r.link.attach.set("stack.(*instance).serveAll")
	r.host.current().cover(WhereService, func() { panic("first") })
	r.wantRebuilt(1)
	if n := r.host.Counters().Panics.By["build"]; n != 1 {
		t.Errorf("%d panics while it was rebuilt, want 1", n)
	}
	if err := r.host.Close(); err != nil {
		t.Error(err)
	}
}

// TestPanicStuck: who panics may leave others waiting in netstack for ever. They hold
// up neither the link, nor the next netstack, nor the end.
func TestPanicStuck(t *testing.T) {
	if !isolated(t) {
		return
	}
	r := newRebuilding(t)
	stuck, never := make(chan struct{}), make(chan struct{})
	r.link.write.do = func() { close(stuck); <-never }
	c := r.dial(families[0].host, 7)
	r.link.write.set("stack.(*stream).tryPayload")
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	<-stuck
	r.host.current().cover(WhereService, func() { panic("another") })
	r.wantRebuilt(1)
	if n := len(r.host.instances.Load().abandoned); n != 1 {
		t.Errorf("%d instances wait to be freed, want 1", n)
	}
	eventually(t, "no connection, for what is stuck is none", func() bool { return r.counters("echo").Open == 0 })
	begun := time.Now()
	if err := r.host.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(begun); took < closePatience {
		t.Errorf("it took %v, so nothing was stuck", took)
	}
}

// TestTooManyStuck: the host puts up with so many that cannot be freed, and no more.
func TestTooManyStuck(t *testing.T) {
	if !isolated(t) {
		return
	}
	r := newRebuilding(t)
	never := make(chan struct{})
	for n := range mostAbandoned + 1 {
		r.host.current().run(r.host.current().services.Load().open[0], func() { <-never })
		r.host.current().cover(WhereService, func() { panic(n) })
		if n < mostAbandoned {
			eventually(t, "the rebuild", func() bool { return r.host.Counters().Panics.Rebuilds == uint64(n+1) })
		}
	}
	select {
	case <-r.host.Failed():
	case <-time.After(patience):
		t.Fatal("it goes on")
	}
	if err, want := r.host.Failure(), "netstack panicked, and of 9 damaged instances none can be freed: their memory is lost"; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if r.host.Down() == "" {
		t.Error("it says that it answers")
	}
	_ = r.host.Close()
}

// killers are the fragments of a ping that netstack panics of, in 1480 bytes each.
func killers(id uint16) (packets [][]byte) {
	message := make([]byte, 65516)
	h := header.ICMPv4(message)
	h.SetType(header.ICMPv4Echo)
	h.SetChecksum(^checksum.Checksum(message, 0))
	for offset := 0; offset < len(message); offset += 1480 {
		part := message[offset:min(offset+1480, len(message))]
		b := make([]byte, header.IPv4MinimumSize, header.IPv4MinimumSize+len(part))
		fields := header.IPv4Fields{
			TotalLength: uint16(cap(b)), ID: id, TTL: 64, Protocol: uint8(header.ICMPv4ProtocolNumber), FragmentOffset: uint16(offset),
			SrcAddr: fromAddr(families[0].client), DstAddr: fromAddr(families[0].host),
		}
		if offset+len(part) < len(message) {
			fields.Flags = header.IPv4FlagMoreFragments
		}
		header.IPv4(b).Encode(&fields)
		header.IPv4(b).SetChecksum(^header.IPv4(b).CalculateChecksum())
		packets = append(packets, append(b, part...))
	}
	return packets
}

// TestPanicInbound: the whole datagram of which netstack panics is told of, fragment by
// fragment as they came, and nothing that came between; packet counts add up, whether
// another is built or not.
func TestPanicInbound(t *testing.T) {
	if !isolated(t) {
		return
	}
	for _, exit := range []bool{false, true} {
		w := &wire{link: channel.New(64, testMTU, "")}
		told := make(chan Panic, 1)
		h, err := New(Config{Link: w.link, Addresses: hostPrefixes, ExitOnPanic: exit, Panicked: func(p Panic) { told <- p }})
		if err != nil {
			t.Fatal(err)
		}
		w.host = h
		if err := h.Start(); err != nil {
			t.Fatal(err)
		}
		ping := echoRequest(families[0].client, families[0].host, []byte("ping"))
		packets, others := killers(1), killers(2)
		for n, b := range packets {
			w.inject(b)
			if n < 10 {
				w.inject(others[n])
				w.inject(ping)
				if w.next() == nil {
					t.Fatal("no reply")
				}
			}
		}
		p := <-told
		if diff := cmp.Diff(packets, p.Packets); diff != "" {
			t.Errorf("the packets (-want +got):\n%.1000s", diff)
		}
		if p.Where != WhereInbound || !strings.Contains(p.Stack, "sendICMPEchoReply") {
			t.Errorf("told of %+v", p)
		}
		want := uint64(len(packets) + 2*10)
		if exit {
			<-h.Failed()
			if !errors.Is(h.Failure(), errPanicked) {
				t.Errorf("it ended for %v", h.Failure())
			}
		} else {
			eventually(t, "the rebuild", func() bool { return h.Down() == "" })
			w.inject(ping)
			if w.next() == nil {
				t.Error("no reply")
			}
			want++
		}
		c := h.Counters()
		if c.IP.Received != want || c.Drops[DropPanic] != 1 {
			t.Errorf("%d packets received, %d panicked of, want %d and 1", c.IP.Received, c.Drops[DropPanic], want)
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		if n := len(h.instances.Load().abandoned); n != 0 {
			t.Errorf("%d instances are not freed", n)
		}
		if h.Counters().IP.Received != want {
			t.Error("what was counted is lost with what was freed")
		}
	}
}

// TestFenceCut: a cut fence lets nothing pass, in either direction, and does not touch
// the link.
func TestFenceCut(t *testing.T) {
	if !isolated(t) {
		return
	}
	link := channel.New(8, testMTU, "")
	h, err := New(Config{Link: link, Addresses: hostPrefixes, ExitOnPanic: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Start(); err != nil {
		t.Fatal(err)
	}
	i := h.current()
	i.cover(WhereService, func() { panic("cut") })
	pkt := netstack.NewPacketBuffer(netstack.PacketBufferOptions{
		Payload: buffer.MakeWithData(echoRequest(families[0].client, families[0].host, []byte("late"))),
	})
	i.link.DeliverNetworkPacket(header.IPv4ProtocolNumber, pkt)
	var list netstack.PacketBufferList
	list.PushBack(pkt)
	if n, err := i.link.WritePackets(list); n != 1 || err != nil {
		t.Errorf("wrote %d, %v", n, err)
	}
	link.Attach(i.link) // as the next one would
	i.link.Attach(nil)
	i.link.Wait()
	i.link.Close()
	if !link.IsAttached() || link.Read() != nil {
		t.Error("the abandoned netstack has its hands on the link")
	}
	if c := h.Counters(); c.Drops[DropAbandonedIn] != 1 || c.Drops[DropAbandonedOut] != 1 {
		t.Errorf("drops %v", c.Drops)
	}
	_ = h.Close()
}

// TestBudget: the first rebuild comes at once, the pauses grow to half a second, and
// after so many in a minute there is none.
func TestBudget(t *testing.T) {
	t.Parallel()
	var b budget
	now := time.Unix(0, 0)
	var pauses []string
	for range 10 {
		pause, ok := b.take(now)
		if !ok {
			t.Fatal("none left")
		}
		pauses = append(pauses, fmt.Sprint(pause))
		now = now.Add(pause)
	}
	if diff := cmp.Diff(strings.Fields("0s 5ms 10ms 20ms 40ms 80ms 160ms 320ms 500ms 500ms"), pauses); diff != "" {
		t.Errorf("pauses (-want +got):\n%s", diff)
	}
	for range mostRebuilds - 10 {
		if _, ok := b.take(now); !ok {
			t.Fatal("none left")
		}
	}
	if _, ok := b.take(now); ok {
		t.Error("one more than there are")
	}
	if pause, ok := b.take(now.Add(rebuildsIn)); !ok || pause != 0 {
		t.Errorf("a minute later: %v, %t", pause, ok)
	}
}

// TestPlus: every number is added up, but what is open now of what is gone.
func TestPlus(t *testing.T) {
	t.Parallel()
	one := Counters{
		IP: IPCounters{Received: 1}, TCP: TCPCounters{Established: 2, Accepted: 3}, UDP: UDPCounters{SendErrors: 4},
		Services: map[string]ServiceCounters{"echo": {Connections: 5, Open: 6}}, Drops: map[string]uint64{DropIdle: 7},
	}
	got := Counters{}.plus(one, false).plus(one, true)
	want := Counters{
		IP: IPCounters{Received: 2}, TCP: TCPCounters{Established: 2, Accepted: 6}, UDP: UDPCounters{SendErrors: 8},
		Services: map[string]ServiceCounters{"echo": {Connections: 10, Open: 6}}, Drops: map[string]uint64{DropIdle: 14},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
