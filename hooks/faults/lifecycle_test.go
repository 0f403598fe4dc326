package faults_test

import (
	"bytes"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"netstackd/hooks"
	"netstackd/hooks/faults"
)

// TestOverflow: what is to be held beyond the bound is lost by name.
func TestOverflow(t *testing.T) {
	bothWays(t, func(t *testing.T, d hooks.Direction) {
		r := newRig(t, faults.Options{Queue: 3}, "delay=100%")
		r.send(t, d, numbered(5)...)
		var lost []uint64
		for _, f := range r.log.take() {
			if f.Reason == faults.ReasonOverflow {
				lost = append(lost, f.Packet)
			}
		}
		if diff := cmp.Diff([]uint64{4, 5}, lost); diff != "" {
			t.Errorf("lost (-want +got):\n%s", diff)
		}
		time.Sleep(time.Second)
		r.want(t, d, 0, 1, 2)
		if diff := cmp.Diff(map[string]uint64{faults.ReasonOverflow: 2}, r.counts(d).Drops); diff != "" {
			t.Errorf("drops (-want +got):\n%s", diff)
		}
		r.send(t, d, numbered(1)...)
		time.Sleep(time.Second)
		r.want(t, d, 0)
	})
}

// TestDetach: what is held is discarded by name, no timer remains, nothing is
// injected until netstack comes back, and then all is as before.
func TestDetach(t *testing.T) {
	bothWays(t, func(t *testing.T, d hooks.Direction) {
		for name, end := range map[string]func(*rig){
			"detach": func(r *rig) { r.Attach(nil) },
			"close":  func(r *rig) { r.Close() },
		} {
			r := newRig(t, faults.Options{}, "delay=100%", "reorder=100%")
			r.send(t, d, numbered(4)...)
			end(r)
			if r.IsAttached() || name == "close" && !r.child.closed || name == "detach" && r.child.dispatcher != nil {
				t.Errorf("%s did not reach all", name)
			}
			start := time.Now()
			r.Wait()
			time.Sleep(time.Second)
			r.want(t, d)
			if w := time.Since(start); w != time.Second {
				t.Errorf("%s: Wait took %v", name, w-time.Second)
			}
			drops := map[string]uint64{faults.ReasonDetached: 4}
			if d == hooks.Outbound {
				r.send(t, d, numbered(2)...)
				r.want(t, d, 0, 1)
			} else {
				r.send(t, d, numbered(2)...)
				drops[faults.ReasonDetached] += 2
			}
			if diff := cmp.Diff(drops, r.counts(d).Drops); diff != "" {
				t.Errorf("%s: drops (-want +got):\n%s", name, diff)
			}
			if n := r.counts(d).Packets; n != 4 {
				t.Errorf("%s: %d packets counted, want 4", name, n)
			}
			r.Attach(r.netstack)
			r.send(t, d, numbered(2)...)
			r.want(t, d)
			time.Sleep(time.Second)
			r.want(t, d, 0, 1)
		}
	})
}

// TestWaitForTimer: Wait returns only when the timer's goroutine is out of the
// child and of netstack.
func TestWaitForTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &slow{child: newChild()}
		e := faults.New(c, parsed(t, "delay=100%:1ms"), faults.Options{})
		e.Attach(&netstack{})
		l := list(numbered(3)...)
		defer l.DecRef()
		if _, err := e.WritePackets(l); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Millisecond)
		start := time.Now()
		// Held while the timer is at work: to be discarded, not to be set on.
		if _, err := e.WritePackets(l); err != nil {
			t.Fatal(err)
		}
		e.Attach(nil)
		if d := time.Since(start); d != 0 {
			t.Errorf("writing and detaching took %v", d)
		}
		e.Wait()
		if d := time.Since(start); d != 9*time.Millisecond || len(c.take()) != 3 {
			t.Errorf("Wait took %v", d)
		}
		if n := e.Counters().Out.Drops[faults.ReasonDetached]; n != 3 {
			t.Errorf("%d packets discarded, want 3", n)
		}
	})
}

// slow is a child that takes 10 ms to write.
type slow struct{ *child }

func (s *slow) WritePackets(pkts stack.PacketBufferList) (int, tcpip.Error) {
	time.Sleep(10 * time.Millisecond)
	return s.child.WritePackets(pkts)
}

// TestAbandon: a timer's goroutine that does not come back from netstack, or the link, is
// given up: nobody waits for it, what is held from then on goes on in its time, and when
// it does come back nothing changes.
func TestAbandon(t *testing.T) {
	bothWays(t, func(t *testing.T, d hooks.Direction) {
		r := newRig(t, faults.Options{}, "delay=100%:1ms")
		stuck, release := make(chan struct{}), make(chan struct{})
		first := make(chan struct{}, 1)
		then := func() {
			select {
			case first <- struct{}{}:
				close(stuck)
				<-release
			default:
			}
		}
		r.child.then, r.netstack.then = then, then
		r.send(t, d, numbered(1)...)
		<-stuck
		r.Attach(nil)
		r.Abandon()
		r.Wait()
		r.Attach(r.netstack)
		for range 2 {
			r.send(t, d, numbered(2)...)
			time.Sleep(2 * time.Millisecond)
			r.want(t, d, 0, 1)
		}
		// With a timer pending.
		r.send(t, d, numbered(3)...)
		close(release)
		synctest.Wait()
		r.want(t, d, 0)
		time.Sleep(2 * time.Millisecond)
		r.want(t, d, 0, 1, 2)
		// Where none is at work there is none to give up.
		r.send(t, d, numbered(2)...)
		r.Abandon()
		time.Sleep(2 * time.Millisecond)
		r.want(t, d, 0, 1)
	})
}

// TestUnsent: netstack learns how many of its packets the child took, and what
// it can not learn of is counted.
func TestUnsent(t *testing.T) {
	for room, want := range []struct{ n, unsent int }{{0, 3}, {1, 3}, {1, 2}, {2, 2}, {2, 1}, {3, 1}} {
		r := newRig(t, faults.Options{}, "duplicate=100%")
		r.child.room = room
		l := list(numbered(3)...)
		n, err := r.WritePackets(l)
		l.DecRef()
		if _, ok := err.(*tcpip.ErrNoBufferSpace); !ok || n != want.n {
			t.Errorf("room for %d: %d, %v, want %d and an error", room, n, err, want.n)
		}
		if got := r.Counters().Out.Drops[faults.ReasonUnsent]; got != uint64(want.unsent) {
			t.Errorf("room for %d: %d copies counted, want %d", room, got, want.unsent)
		}
	}
	// All that netstack gave is gone: there is nothing left to fail.
	r := newRig(t, faults.Options{}, "drop=100%")
	r.child.room = 0
	r.send(t, hooks.Outbound, numbered(3)...)
	if r.child.lists != 0 {
		t.Error("an empty list was written")
	}
	// The timer's packets are counted too.
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, faults.Options{}, "delay=100%")
		r.child.room = 1 // before the timer is set
		r.send(t, hooks.Outbound, numbered(3)...)
		time.Sleep(time.Second)
		r.want(t, hooks.Outbound, 0)
		if got := r.Counters().Out.Drops[faults.ReasonUnsent]; got != 2 {
			t.Errorf("%d held packets counted, want 2", got)
		}
	})
}

// TestPassThrough: without a rule for them packets go through as they are, the
// very buffers in the very list, and so does what is not a packet.
func TestPassThrough(t *testing.T) {
	r := newRig(t, faults.Options{}, "icmp6 corrupt=100%", "inbound udp drop=100%")
	l := list(numbered(3)...)
	defer l.DecRef()
	if n, err := r.WritePackets(l); n != 3 || err != nil {
		t.Errorf("WritePackets: %d, %v", n, err)
	}
	for i, pkt := range l.AsSlice() {
		if r.child.last[i] != pkt {
			t.Errorf("packet %d is another", i)
		}
	}
	if r.child.lists != 1 || &r.child.last[0] != &l.AsSlice()[0] {
		t.Error("the list is another")
	}
	r.send(t, hooks.Inbound, samples()["tcp6"])
	if diff := cmp.Diff([]tcpip.NetworkProtocolNumber{header.IPv6ProtocolNumber}, r.netstack.protocols); diff != "" {
		t.Errorf("protocols (-want +got):\n%s", diff)
	}
	pkt := received(nil)
	defer pkt.DecRef()
	r.DeliverLinkPacket(header.IPv4ProtocolNumber, pkt)
	r.Attach(nil)
	r.DeliverLinkPacket(header.IPv4ProtocolNumber, pkt)
	if r.netstack.link != 1 {
		t.Errorf("%d link packets, want 1", r.netstack.link)
	}
}

// TestConcurrent sends both ways from many goroutines under every fault, while
// netstack is attached and detached. Nothing is lost without a name.
func TestConcurrent(t *testing.T) {
	const workers, rounds = 3, 150
	r := newRig(t, faults.Options{Queue: 20, Patience: time.Millisecond},
		"drop=5%,corrupt=5%,truncate=5%,duplicate=10%", "reorder=10%:3", "delay=10%:100us")
	packets := numbered(3)
	var group, attaching sync.WaitGroup
	for range workers {
		for _, d := range []hooks.Direction{hooks.Inbound, hooks.Outbound} {
			group.Go(func() {
				for range rounds {
					r.send(t, d, packets...)
				}
			})
		}
	}
	stop := make(chan struct{})
	attaching.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				r.Attach(nil)
				r.Attach(r.netstack)
				r.Counters()
			}
		}
	})
	group.Wait()
	close(stop)
	attaching.Wait()
	r.Attach(nil)
	r.Wait()
	for _, d := range []hooks.Direction{hooks.Inbound, hooks.Outbound} {
		c := r.counts(d)
		lost := uint64(0)
		for _, n := range c.Drops {
			lost += n
		}
		got, want := uint64(len(r.take(d))), workers*rounds*3+c.Faults[faults.Duplicate]-lost
		if got != want || c.Faults[faults.Corrupt] == 0 || c.Drops[faults.ReasonDrop] != c.Faults[faults.Drop] {
			t.Errorf("%s: %d packets came out, want %d: %+v", d, got, want, c)
		}
	}
}

// TestOffload: what would mend or hide damage is not offered, in the direction
// of the damage, and all else is as the child has it.
func TestOffload(t *testing.T) {
	const tx, rx = stack.CapabilityTXChecksumOffload, stack.CapabilityRXChecksumOffload
	const all = tx | rx | stack.CapabilitySaveRestore
	for rule, want := range map[string]stack.LinkEndpointCapabilities{
		"corrupt=0%":               all &^ tx &^ rx,
		"truncate=1%":              all &^ tx &^ rx,
		"outbound icmp corrupt=1%": all &^ tx,
		"inbound truncate=1%":      all &^ rx,
		"drop=1%,duplicate=1%":     all,
		"outbound delay=1%":        all,
		// What is held back is delivered when the child does not know.
		"drop=1%,delay=1%":   all &^ rx,
		"inbound reorder=1%": all &^ rx,
	} {
		r := newRig(t, faults.Options{}, "duplicate=1%", rule)
		r.child.capabilities, r.child.gso = all, stack.HostGSOSupported
		if got := r.Capabilities(); got != want {
			t.Errorf("%s: capabilities %b, want %b", rule, got, want)
		}
		gso, size := stack.HostGSOSupported, uint32(65535)
		if want&tx == 0 {
			gso, size = stack.GSONotSupported, 0
		}
		if r.SupportedGSO() != gso || r.GSOMaxSize() != size {
			t.Errorf("%s: GSO %v, %d, want %v, %d", rule, r.SupportedGSO(), r.GSOMaxSize(), gso, size)
		}
	}
	e := faults.New(struct{ stack.LinkEndpoint }{newChild()}, nil, faults.Options{})
	if e.SupportedGSO() != stack.GSONotSupported || e.GSOMaxSize() != 0 {
		t.Error("GSO is offered that the child has not")
	}
}

// TestUnfinished: an inbound sum that the kernel vouched for and did not finish
// is completed where netstack is made to verify, and nowhere else; an outbound
// packet with one is not damaged, and keeps its options.
func TestUnfinished(t *testing.T) {
	whole := samples()["tcp"]
	partial := bytes.Clone(whole)
	partial[36], partial[37] = 0x12, 0x34
	deliver := func(r *rig, b []byte, vouched bool) []byte {
		pkt := received(b)
		defer pkt.DecRef()
		pkt.RXChecksumValidated = vouched
		r.DeliverNetworkPacket(header.IPv4ProtocolNumber, pkt)
		return r.netstack.take()[0]
	}
	r := newRig(t, faults.Options{}, "inbound corrupt=0%")
	for _, tt := range []struct {
		vouched         bool
		b, want         []byte
		completed, seen uint64
	}{
		{true, partial, whole, 1, 1},
		{true, whole, whole, 1, 1},
		{false, partial, partial, 1, 0},
	} {
		if got := deliver(r, tt.b, tt.vouched); !bytes.Equal(got, tt.want) {
			t.Errorf("vouched for: %v: %x became %x", tt.vouched, tt.b, got)
		}
		if n := r.Counters().In.Completed; n != tt.completed {
			t.Errorf("%d completed, want %d", n, tt.completed)
		}
	}
	if got := deliver(newRig(t, faults.Options{}, "drop=0%"), partial, true); !bytes.Equal(got, partial) {
		t.Error("completed for no need")
	}
	r = newRig(t, faults.Options{}, "tcp corrupt=100%")
	if got := deliver(r, partial, true); judge(got) == "" || r.netstack.validated != 0 {
		t.Errorf("vouched for and damaged: %q, and %d still vouched for", judge(got), r.netstack.validated)
	}

	options := stack.GSO{Type: stack.GSOTCPv4, NeedsCsum: true, CsumOffset: 16, MSS: 1460, L3HdrLen: 20}
	r = newRig(t, faults.Options{}, "duplicate=100%,corrupt=100%")
	pkt := made(partial)
	pkt.GSOOptions = options
	var l stack.PacketBufferList
	l.PushBack(pkt)
	defer l.DecRef()
	if _, err := r.WritePackets(l); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]stack.GSO{options, options}, r.child.options); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([][]byte{partial, partial}, r.child.take()); diff != "" {
		t.Errorf("packets (-want +got):\n%s", diff)
	}
	if n := r.Counters().Out.Unfit; n != 1 {
		t.Errorf("%d unfit, want 1", n)
	}
}

// TestMarks: what goes on later, or twice, keeps what was said of it.
func TestMarks(t *testing.T) {
	options := stack.GSO{Type: stack.GSOTCPv4, NeedsCsum: true, CsumOffset: 16, MSS: 1460, L3HdrLen: 20}
	for rule, want := range map[string]int{
		"drop=0%": 1, "duplicate=100%": 2, "delay=100%:1ms": 1, "reorder=100%:1": 1, "duplicate=100%,delay=100%:1ms": 2,
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, faults.Options{}, rule)
			pkt := made(samples()["tcp"])
			pkt.GSOOptions = options
			var l stack.PacketBufferList
			l.PushBack(pkt)
			defer l.DecRef()
			if _, err := r.WritePackets(l); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			r.child.mu.Lock()
			defer r.child.mu.Unlock()
			if diff := cmp.Diff(slices.Repeat([]stack.GSO{options}, want), r.child.options); diff != "" {
				t.Errorf("%s: options (-want +got):\n%s", rule, diff)
			}
		})
	}
}
