package compare_test

import (
	"net/netip"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"gvisor.dev/gvisor/pkg/refs"

	"netstackd/hooks"
	"netstackd/hooks/byhand"
	bt "netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/compare"
	"netstackd/hooks/guard"
	"netstackd/hooks/trace"
)

func TestMain(m *testing.M) {
	refs.SetLeakMode(refs.LeaksPanic)
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		refs.DoLeakCheck()
		os.Exit(code)
	}))
}

const (
	peer4, host4 = "172.16.0.1", "172.16.0.2"
	peer6, host6 = "fd00:172::1", "fd00:172::2"
)

var addrs = []netip.Prefix{netip.MustParsePrefix(host4 + "/24"), netip.MustParsePrefix(host6 + "/64")}

// A recorder is a tracer that keeps its events.
type recorder struct {
	bytes bool

	mu sync.Mutex
	// events are trace.Packet and trace.Comparison, guarded by mu.
	events []any
}

var _ trace.Tracer = (*recorder)(nil)

func (r *recorder) WantsBytes() bool            { return r.bytes }
func (r *recorder) WantsWorking() bool          { return r.bytes }
func (r *recorder) Packet(p *trace.Packet)      { r.add(*p) }
func (r *recorder) Compare(c *trace.Comparison) { r.add(*c) }

func (r *recorder) add(e any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// take returns the events since the last call.
func (r *recorder) take() []any {
	r.mu.Lock()
	defer r.mu.Unlock()
	events := r.events
	r.events = nil
	return events
}

// comparisons are those among events.
func comparisons(events []any) []trace.Comparison {
	var out []trace.Comparison
	for _, e := range events {
		if c, ok := e.(trace.Comparison); ok {
			out = append(out, c)
		}
	}
	return out
}

// A bench is a Comparer with what it works on, and a clock that the test sets.
type bench struct {
	comparer *compare.Comparer
	rec      *recorder
	ledger   *hooks.Ledger
	now      time.Time
}

func newBench() *bench {
	b := &bench{rec: &recorder{}, now: time.Unix(1_000_000, 0)}
	b.ledger = hooks.NewLedger(hooks.DropReasons(), guard.DropReasons(), byhand.DropReasons())
	b.comparer = compare.New(compare.Config{
		Host: byhand.New(addrs), Ledger: b.ledger, Tracer: b.rec, Responder: "netstack",
		Now: b.clock,
	})
	return b
}

// newServingBench is newBench with a hand that knows its ports.
func newServingBench(refused ...func() uint64) *bench {
	b := newBench()
	cfg := compare.Config{
		Host:   byhand.NewHost(byhand.Config{Addresses: addrs, TCPPorts: openPorts, UDPPorts: openPorts}),
		Ledger: b.ledger, Tracer: b.rec, Responder: "netstack", Now: b.clock,
	}
	if len(refused) > 0 {
		cfg.Refused = refused[0]
	}
	b.comparer = compare.New(cfg)
	return b
}

func (b *bench) clock() time.Time { return b.now }

// in and out show the Comparer a packet, and move the clock on by 1 µs.
func (b *bench) in(packet []byte) *hooks.Packet {
	var p hooks.Packet
	p.Set(hooks.Inbound, slices.Clone(packet), b.now)
	b.comparer.Inbound(&p)
	b.now = b.now.Add(time.Microsecond)
	return &p
}

func (b *bench) out(packet []byte) {
	var p hooks.Packet
	p.Set(hooks.Outbound, slices.Clone(packet), b.now)
	b.comparer.Outbound(&p)
	b.now = b.now.Add(time.Microsecond)
}

// pass lets a request's deadline pass.
func (b *bench) pass() {
	b.now = b.now.Add(compare.DefaultDeadline)
	b.comparer.Sweep(b.now)
}

var echo = bt.Echo{ID: 13, Seq: 1, Data: bt.Data(56)}

func request4(e bt.Echo) []byte {
	return bt.IPv4{Src: peer4, Dst: host4, ID: 99, DF: true}.Packet(e.Request4())
}

func reply4(e bt.Echo) []byte {
	return bt.IPv4{Src: host4, Dst: peer4, ID: 99, DF: true}.Packet(e.Reply4())
}

func request6(e bt.Echo) []byte {
	return bt.IPv6{Src: peer6, Dst: host6}.Packet(e.Request6(peer6, host6))
}

func reply6(e bt.Echo) []byte {
	return bt.IPv6{Src: host6, Dst: peer6}.Packet(e.Reply6(host6, peer6))
}
