package compare_test

import (
	"io"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"netstackd/hooks"
	"netstackd/hooks/byhand"
	bt "netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/compare"
	"netstackd/hooks/compare/comparetest"
	"netstackd/hooks/guard"
	"netstackd/hooks/trace"
	"netstackd/hooks/verify"
	"netstackd/hooks/wire"
)

// sink is the least of a link and of a netstack: it takes everything.
type sink struct{ stack.LinkEndpoint }

func (sink) Capabilities() stack.LinkEndpointCapabilities                          { return 0 }
func (sink) WritePackets(pkts stack.PacketBufferList) (int, tcpip.Error)           { return pkts.Len(), nil }
func (sink) Attach(stack.NetworkDispatcher)                                        {}
func (sink) DeliverNetworkPacket(tcpip.NetworkProtocolNumber, *stack.PacketBuffer) {}
func (sink) DeliverLinkPacket(tcpip.NetworkProtocolNumber, *stack.PacketBuffer)    {}

// A chain is what the daemon has between link and netstack, with tracing off or
// as -trace compare.
type chain struct {
	*hooks.Endpoint
	close func()
}

func newChain(tb testing.TB, traced bool) *chain {
	tb.Helper()
	ledger := hooks.NewLedger(hooks.DropReasons(), verify.DropReasons(), guard.DropReasons(), byhand.DropReasons())
	all := []hooks.Hook{new(verify.Verifier), guard.New(guard.Config{})}
	c := &chain{close: func() {}}
	if traced {
		log := logrus.New()
		log.SetOutput(io.Discard)
		recorder, err := trace.NewRecorder(io.Discard, trace.Compare, trace.Text, log)
		if err != nil {
			tb.Fatal(err)
		}
		recorder.Start()
		comparer := compare.New(compare.Config{
			Host:   byhand.NewHost(byhand.Config{Addresses: addrs, TCPPorts: openPorts, UDPPorts: openPorts}),
			Ledger: ledger, Tracer: recorder, Responder: "netstack",
		})
		comparer.Start()
		all = append(all, comparer)
		c.close = func() {
			comparer.Close()
			if err := recorder.Close(nil, 10*time.Second); err != nil {
				tb.Error(err)
			}
		}
	}
	c.Endpoint = hooks.New(sink{}, ledger, hooks.Options{ReceiveOffload: true}, all...)
	c.Attach(sink{})
	c.DeliverNetworkPacket(header.IPv4ProtocolNumber, linkPacket(tb, segment(7, bt.Syn), wire.Offload{}))
	return c
}

// linkPacket makes the buffer that the link makes: one view.
func linkPacket(tb testing.TB, b []byte, o wire.Offload) *stack.PacketBuffer {
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(b)})
	comparetest.Mark(pkt, b, o)
	tb.Cleanup(pkt.DecRef)
	return pkt
}

// stackPacket makes the buffers that netstack makes: headers in one view, data
// in others of up to 32 KiB.
func stackPacket(tb testing.TB, b []byte, o wire.Offload) stack.PacketBufferList {
	headers := min(40, len(b))
	var payload buffer.Buffer
	for data := b[headers:]; len(data) > 0; {
		n := min(len(data), 32<<10)
		_ = payload.Append(buffer.NewViewWithData(data[:n]))
		data = data[n:]
	}
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{ReserveHeaderBytes: headers, Payload: payload})
	copy(pkt.TransportHeader().Push(headers-20), b[20:])
	copy(pkt.NetworkHeader().Push(20), b)
	comparetest.Mark(pkt, b, o)
	var l stack.PacketBufferList
	l.PushBack(pkt)
	tb.Cleanup(pkt.DecRef)
	return l
}

// paths are the packets that move in bulk or answer each other, each way.
func paths(tb testing.TB, c *chain) map[string]func() {
	tcp := func(src, dst string, srcPort, dstPort uint16, n int) []byte {
		return bt.TCP{SrcPort: srcPort, DstPort: dstPort, Flags: bt.Ack, Data: bt.Data(n)}.Packet(src, dst)
	}
	in := func(b []byte, o wire.Offload) func() {
		pkt := linkPacket(tb, b, o)
		return func() { c.DeliverNetworkPacket(header.IPv4ProtocolNumber, pkt) }
	}
	out := func(b []byte, o wire.Offload) func() {
		l := stackPacket(tb, b, o)
		return func() { _, _ = c.WritePackets(l) }
	}
	partial, super := wire.Offload{Partial: true}, wire.Offload{Partial: true, SegmentSize: 1448}
	echoIn, echoOut := in(request4(echo), wire.Offload{}), out(reply4(echo), wire.Offload{})
	return map[string]func(){
		"ACK in":            in(bt.Partial(tcp(peer4, host4, 4000, 7, 0)), partial),
		"ACK out":           out(bt.Partial(tcp(host4, peer4, 7, 4000, 0)), partial),
		"segment in":        in(tcp(peer4, host4, 4000, 7, 1448), wire.Offload{}),
		"segment out":       out(tcp(host4, peer4, 7, 4000, 1448), wire.Offload{}),
		"super-segment in":  in(bt.Partial(tcp(peer4, host4, 4000, 7, 65160)), super),
		"super-segment out": out(bt.Partial(tcp(host4, peer4, 7, 4000, 65160)), super),
		"echo":              func() { echoIn(); echoOut() },
	}
}

// BenchmarkPath is what the whole chain costs a packet, the writer of the trace
// beside it.
func BenchmarkPath(b *testing.B) {
	for _, traced := range []bool{false, true} {
		c := newChain(b, traced)
		for name, pass := range paths(b, c) {
			b.Run(map[bool]string{false: "off/", true: "compare/"}[traced]+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					pass()
				}
			})
		}
		c.close()
	}
}

// TestPathAllocs: in the long run no packet costs an allocation, with tracing off
// and as -trace compare. The least of several runs counts: a pool may be emptied
// at any time, and the recorder's writer must have its time to give events back.
func TestPathAllocs(t *testing.T) {
	for _, traced := range []bool{false, true} {
		c := newChain(t, traced)
		for name, pass := range paths(t, c) {
			least := testing.AllocsPerRun(10, pass)
			for i := 0; i < 500 && least > 0; i++ {
				time.Sleep(100 * time.Microsecond)
				least = min(least, testing.AllocsPerRun(10, pass))
			}
			if least != 0 {
				t.Errorf("traced %v, %s: %v allocations, want 0", traced, name, least)
			}
		}
		c.close()
	}
}
