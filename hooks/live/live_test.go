package live_test

import (
	"errors"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"netstackd/hooks"
	"netstackd/hooks/byhand"
	bt "netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/compare"
	"netstackd/hooks/filter"
	"netstackd/hooks/live"
	"netstackd/hooks/trace"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const peer, host = "172.16.0.1", "172.16.0.2"

// A sink keeps what it is given: of a packet its number, of a comparison that of
// its request, negative.
type sink struct {
	bytes bool
	// full says that there is no room, and lost counts what is lost for that.
	full bool
	lost atomic.Uint64

	mu sync.Mutex
	// The following are guarded by mu.
	events []int
	lens   []int // of the packets' bytes
}

var _ live.Sink = (*sink)(nil)

func (s *sink) WantsBytes() bool   { return s.bytes }
func (s *sink) WantsWorking() bool { return false }
func (s *sink) Lost() uint64       { return 3 + s.lost.Load() }
func (s *sink) Room(int) bool      { return !s.full }
func (s *sink) Lose()              { s.lost.Add(1) }

func (s *sink) Packet(p *trace.Packet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, int(p.Seq))
	s.lens = append(s.lens, len(p.Packet.Bytes))
}

func (s *sink) Compare(c *trace.Comparison) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, -int(c.Request))
}

func (s *sink) got() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

// compile compiles a filter that is right.
func compile(t *testing.T, expression string) *filter.Filter {
	t.Helper()
	f, err := filter.Compile(expression)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// A chain is hooks, and a request and its reply to pass them.
type chain []hooks.Hook

func (c chain) pass(d hooks.Direction, b []byte) {
	var p hooks.Packet
	p.Set(d, b, time.Now())
	for _, h := range c {
		if d == hooks.Inbound {
			h.Inbound(&p)
		} else {
			h.Outbound(&p)
		}
	}
}

var echo = bt.Echo{ID: 7, Seq: 1, Data: bt.Data(56)}

func request() []byte { return bt.IPv4{Src: peer, Dst: host}.Packet(echo.Request4()) }

func reply() []byte { return bt.IPv4{Src: host, Dst: peer}.Packet(echo.Reply4()) }

// comparing makes a chain that compares, and what it is traced by otherwise.
func comparing(t *testing.T, readers *live.Readers) (chain, *sink) {
	t.Helper()
	rest := &sink{}
	c := compare.New(compare.Config{
		Host:   byhand.NewHost(byhand.Config{Addresses: []netip.Prefix{netip.MustParsePrefix(host + "/24")}}),
		Ledger: hooks.NewLedger(hooks.DropReasons(), byhand.DropReasons()), Tracer: live.Tracer{Tracer: rest}, Responder: "netstack",
	})
	t.Cleanup(c.Close)
	return chain{readers, c}, rest
}

// add adds a reader.
func add(t *testing.T, to *live.Readers, match hooks.Matcher, count uint64, s live.Sink) *live.Reader {
	t.Helper()
	r := live.NewReader(live.Wish{Match: match, Count: count}, s)
	if err := to.Enter(); err != nil {
		t.Fatal(err)
	}
	to.Follow(r)
	return r
}

// leave ends a reader.
func leave(from *live.Readers, r *live.Reader) {
	from.Stop(r)
	from.Leave(r)
}

// TestFollow: each reader gets the packets that its filter matches, with the
// comparison once, and their bytes if it wants them; whoever traces gets all, and
// bytes never that it does not want.
func TestFollow(t *testing.T) {
	readers := live.New(live.Max)
	way, rest := comparing(t, readers)
	all, requests, none := &sink{bytes: true}, &sink{}, &sink{bytes: true}
	for s, expression := range map[*sink]string{all: "", requests: "icmp[icmptype] == icmp-echo", none: "tcp"} {
		r := add(t, readers, compile(t, expression), 0, s)
		defer leave(readers, r)
	}
	way.pass(hooks.Inbound, request())
	way.pass(hooks.Outbound, reply())
	for _, each := range []struct {
		name         string
		sink         *sink
		events, lens []int
	}{
		{"all", all, []int{1, 2, -1}, []int{84, 84}},
		{"requests", requests, []int{1, -1}, []int{0}},
		{"none", none, nil, nil},
		{"the trace", rest, []int{1, 2, -1}, []int{0, 0}},
	} {
		if diff := cmp.Diff(each.events, each.sink.got()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", each.name, diff)
		}
		if diff := cmp.Diff(each.lens, each.sink.lens); diff != "" {
			t.Errorf("%s, lengths (-want +got):\n%s", each.name, diff)
		}
	}
}

// TestObserve: where nobody compares, the packets come as they pass.
func TestObserve(t *testing.T) {
	readers := live.New(1)
	way := chain{readers, live.NewObserver(new(atomic.Uint64))}
	way.pass(hooks.Inbound, request())
	s := &sink{bytes: true}
	r := add(t, readers, nil, 0, s)
	way.pass(hooks.Inbound, request())
	way.pass(hooks.Outbound, reply())
	leave(readers, r)
	way.pass(hooks.Inbound, request())
	if diff := cmp.Diff([]int{1, 2}, s.got()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{84, 84}, s.lens); diff != "" {
		t.Errorf("lengths (-want +got):\n%s", diff)
	}
}

// TestSnap: each reader gets as much of a packet as it wants, in bytes of its own.
func TestSnap(t *testing.T) {
	readers := live.New(live.Max)
	way, rest := comparing(t, readers)
	sinks := map[int]*sink{}
	for _, snap := range []int{20, 84, 1000, 0} {
		sinks[snap] = &sink{bytes: true}
		r := live.NewReader(live.Wish{Snap: snap}, sinks[snap])
		if err := readers.Enter(); err != nil {
			t.Fatal(err)
		}
		readers.Follow(r)
		defer leave(readers, r)
	}
	way.pass(hooks.Inbound, request())
	way.pass(hooks.Outbound, reply())
	rest.bytes = true
	way.pass(hooks.Inbound, request()) // waits, and then the trace gets all
	way.pass(hooks.Outbound, reply())
	for snap, want := range map[int]int{20: 20, 84: 84, 1000: 84, 0: 84} {
		if diff := cmp.Diff([]int{want, want, want, want}, sinks[snap].lens); diff != "" {
			t.Errorf("snap %d (-want +got):\n%s", snap, diff)
		}
	}
	if diff := cmp.Diff([]int{0, 0, 84, 84}, rest.lens); diff != "" {
		t.Errorf("the trace (-want +got):\n%s", diff)
	}
}

// TestNoRoom: what a reader has no room for it loses, each packet once, and of it no
// copy is made; what it has enough of it does not lose.
func TestNoRoom(t *testing.T) {
	readers := live.New(1)
	way := chain{readers, live.NewObserver(new(atomic.Uint64))}
	s := &sink{bytes: true, full: true}
	r := add(t, readers, compile(t, "icmp[icmptype] == icmp-echo"), 1, s)
	defer leave(readers, r)
	var p hooks.Packet
	p.Set(hooks.Inbound, request(), time.Now())
	if n := testing.AllocsPerRun(9, func() { // and once before
		for _, h := range way {
			h.Inbound(&p)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	way.pass(hooks.Outbound, reply())
	s.full = false
	way.pass(hooks.Inbound, request())
	s.full = true
	way.pass(hooks.Inbound, request())
	if lost, got := s.lost.Load(), len(s.got()); lost != 10 || got != 1 || r.Packets() != 1 {
		t.Errorf("%d lost, %d handed over, want 10 and 1", lost, got)
	}
}

// TestNumbers: no number is there twice when comparisons end and begin.
func TestNumbers(t *testing.T) {
	readers := live.New(1)
	numbers := new(atomic.Uint64)
	tracer := live.Tracer{Tracer: &sink{}}
	c := compare.New(compare.Config{
		Host:   byhand.NewHost(byhand.Config{Addresses: []netip.Prefix{netip.MustParsePrefix(host + "/24")}}),
		Ledger: hooks.NewLedger(hooks.DropReasons(), byhand.DropReasons()), Tracer: tracer, Responder: "netstack", Numbers: numbers,
	})
	t.Cleanup(c.Close)
	way := chain{readers, c, live.NewObserver(numbers)}
	s := &sink{}
	r := add(t, readers, nil, 0, s)
	defer leave(readers, r)
	for _, traced := range []trace.Tracer{tracer, nil, tracer} {
		c.Trace(traced)
		way.pass(hooks.Inbound, request())
		way.pass(hooks.Outbound, reply())
	}
	if diff := cmp.Diff([]int{1, 2, -1, 4, 5, 6, 7, -6}, s.got()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestSuccessor: who takes the place of a reader that has gone does not get what
// that one's filter has matched.
func TestSuccessor(t *testing.T) {
	readers := live.New(1)
	way, _ := comparing(t, readers)
	first, second := &sink{}, &sink{}
	r := add(t, readers, nil, 0, first)
	way.pass(hooks.Inbound, request()) // waits for its reply
	leave(readers, r)
	r = add(t, readers, compile(t, "icmp[icmptype] == icmp-echo"), 0, second)
	defer leave(readers, r)
	way.pass(hooks.Outbound, reply())
	if got := append(first.got(), second.got()...); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

// TestCount: a reader gets as many packets as it wants, and the comparison that
// the last one is part of, but no other.
func TestCount(t *testing.T) {
	readers := live.New(1)
	way, _ := comparing(t, readers)
	s := &sink{}
	r := add(t, readers, nil, 2, s)
	defer leave(readers, r)
	select {
	case <-r.Full():
		t.Error("full without a packet")
	default:
	}
	for range 2 {
		way.pass(hooks.Inbound, request())
		way.pass(hooks.Outbound, reply())
	}
	<-r.Full()
	if diff := cmp.Diff([]int{1, 2, -1}, s.got()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestLimit: no more readers than there may be, and an account of all that were.
func TestLimit(t *testing.T) {
	readers := live.New(2)
	way := chain{readers, live.NewObserver(new(atomic.Uint64))}
	a, b := add(t, readers, nil, 0, &sink{}), add(t, readers, nil, 0, &sink{})
	if err := readers.Enter(); !errors.Is(err, live.ErrFull) {
		t.Errorf("a third: %v", err)
	}
	way.pass(hooks.Inbound, request())
	readers.Stop(a)
	if err := readers.Enter(); !errors.Is(err, live.ErrFull) {
		t.Errorf("a third, while the first is ending: %v", err)
	}
	want := live.Counts{Readers: 2, Most: 2, Served: 2, Refused: 2, Packets: 2, Lost: 6}
	if diff := cmp.Diff(want, readers.Counts()); diff != "" {
		t.Errorf("while the first is ending (-want +got):\n%s", diff)
	}
	readers.Leave(a)
	leave(readers, b)
	readers.SetMost(1)
	want = live.Counts{Most: 1, Served: 2, Refused: 2, Packets: 2, Lost: 6}
	if diff := cmp.Diff(want, readers.Counts()); diff != "" {
		t.Errorf("at the end (-want +got):\n%s", diff)
	}
	leave(readers, add(t, readers, nil, 0, &sink{}))
}

// TestComeAndGo: readers come and go while packets pass on several goroutines, and
// each gets what comes while it is there, to the last place.
func TestComeAndGo(t *testing.T) {
	readers := live.New(live.Max)
	way := chain{readers, live.NewObserver(new(atomic.Uint64))}
	stop := make(chan struct{})
	var moving, coming sync.WaitGroup
	for range 4 {
		moving.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					way.pass(hooks.Inbound, request())
				}
			}
		})
	}
	for range live.Max {
		coming.Go(func() {
			for range 3 {
				s := &sink{bytes: true}
				r := live.NewReader(live.Wish{Count: 5}, s)
				if err := readers.Enter(); err != nil {
					t.Error(err)
					return
				}
				readers.Follow(r)
				<-r.Full()
				leave(readers, r)
				if n := len(s.got()); n != 5 {
					t.Errorf("%d packets, want 5", n)
				}
			}
		})
	}
	coming.Wait()
	close(stop)
	moving.Wait()
	if c := readers.Counts(); c.Readers != 0 || c.Served != 3*live.Max || c.Packets != 15*live.Max {
		t.Errorf("%+v", c)
	}
}

// TestAllocs: while nobody follows, a packet costs no memory.
func TestAllocs(t *testing.T) {
	way := chain{live.New(1), live.NewObserver(new(atomic.Uint64))}
	var p hooks.Packet
	p.Set(hooks.Inbound, request(), time.Now())
	if n := testing.AllocsPerRun(100, func() {
		for _, h := range way {
			h.Inbound(&p)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkNobody(b *testing.B) {
	way := chain{live.New(1), live.NewObserver(new(atomic.Uint64))}
	var p hooks.Packet
	p.Set(hooks.Inbound, request(), time.Now())
	for b.Loop() {
		for _, h := range way {
			h.Inbound(&p)
		}
	}
}
