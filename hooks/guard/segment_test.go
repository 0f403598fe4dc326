package guard_test

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"

	"netstackd/hooks"
	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/compare/comparetest"
	"netstackd/hooks/guard"
	"netstackd/hooks/wire"
)

// A peer has a connection with netstack, at port 7.
type peer struct {
	t *testing.T
	n *comparetest.Netstack
	// src and dst are the peer's address and netstack's.
	src, dst string
	// options are those of its IPv4 headers.
	options []byte
	// seq and window are the peer's, 1,000 bytes if it is 0; ack is what it
	// acknowledges.
	seq, ack uint32
	window   uint16
	// told, width and shift are the last acknowledgment that came, its window in
	// bytes, and the scale of that; edge is the end of all windows.
	told, width, edge uint32
	shift             uint8
	// data are the segments with data that came.
	data []wire.Packet
}

// patience is how long netstack may take for what it does in its own time.
const patience = 20 * time.Second

// connect makes a connection through a guard. The peer's window is of 1,000 bytes.
func connect(t *testing.T, g *guard.Guard, src, dst string) *peer {
	n, _ := newNetstack(t, g)
	if err := n.Listen([]uint16{7}, nil); err != nil {
		t.Fatal(err)
	}
	p := &peer{t: t, n: n, src: src, dst: dst, seq: 1000}
	p.send(byhandtest.Syn, []byte{2, 4, 5, 180, 1, 3, 3, 0}, nil)
	p.wait(func(s *wire.Packet) bool { return s.TCP.Flags&wire.TCPSyn != 0 })
	p.seq++
	p.send(byhandtest.Ack, nil, nil)
	return p
}

// send sends a segment at the peer's place.
func (p *peer) send(flags uint8, options, data []byte) {
	window := p.window
	if window == 0 {
		window = 1000
	}
	b := byhandtest.TCP{
		SrcPort: 1234, DstPort: 7, Seq: p.seq, Ack: p.ack, Flags: flags, Window: window, Options: options, Data: data,
	}.Packet(p.src, p.dst)
	if len(p.options) > 0 {
		b = byhandtest.IPv4{Src: p.src, Dst: p.dst, Protocol: wire.ProtocolTCP, Options: p.options}.Packet(b[20:])
	}
	p.n.Inbound(b)
}

// wait takes segments until there is one of which ok is true.
func (p *peer) wait(ok func(s *wire.Packet) bool) {
	p.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(100 * time.Microsecond) {
		found := false
		for _, b := range p.n.Outbound() {
			var s wire.Packet
			if !s.Decode(b) || s.Upper != wire.LayerTCP || s.TCP.Flags&wire.TCPRst != 0 {
				p.t.Fatalf("came % x", b)
			}
			p.take(s)
			found = ok(&s) || found
		}
		if found {
			return
		}
	}
	p.t.Fatal("nothing like it came")
}

func (p *peer) take(s wire.Packet) {
	length := uint32(s.DataLen() - s.TCP.DataOffset)
	if s.TCP.Flags&wire.TCPSyn != 0 {
		p.ack = s.TCP.Seq + 1
		options := s.Data()[20:s.TCP.DataOffset]
		if at := bytes.Index(options, []byte{3, 3}); at >= 0 {
			p.shift = options[at+2]
		}
		return
	}
	if length > 0 {
		p.data = append(p.data, s)
	}
	p.told, p.width = s.TCP.Ack, uint32(s.TCP.Window)<<p.shift
	p.edge = max(p.edge, p.told+p.width)
}

// accept returns the connection at netstack's end.
func (p *peer) accept() tcpip.Endpoint {
	p.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(100 * time.Microsecond) {
		ep, err := p.n.Accept()
		if err != nil {
			p.t.Fatal(err)
		}
		if ep != nil {
			return ep
		}
	}
	p.t.Fatal("no connection was accepted")
	return nil
}

// shut fills netstack's window until it is shut, and has moved back.
func (p *peer) shut() {
	p.t.Helper()
	p.told, p.edge = p.seq, p.seq+30000
	for i := 0; p.told != p.seq || p.width > 0 || p.edge == p.told; i++ {
		if i == 10_000 {
			p.t.Fatal("the window does not shut")
		}
		data := make([]byte, max(min(int(p.edge-p.seq)-1, 30000), 1))
		p.send(byhandtest.Ack, nil, data)
		p.seq += uint32(len(data))
		p.wait(func(s *wire.Packet) bool { return s.TCP.Ack == p.seq })
	}
}

// TestShutWindow: netstack, whose window is shut and has moved back over what was
// on its way, drops segments with their acknowledgments, and sends no more, ever. If
// it is mended it does.
func TestShutWindow(t *testing.T) {
	for name, ends := range map[string][2]string{"IPv4": {peer4, host4}, "IPv6": {peer6, host6}} {
		for _, without := range [][]string{{"shut-window"}, nil} {
			p := connect(t, strict(t, without...), ends[0], ends[1])
			ep := p.accept()
			if _, err := ep.Write(bytes.NewReader(make([]byte, 3000)), tcpip.WriteOptions{}); err != nil {
				t.Fatal(err)
			}
			p.wait(func(s *wire.Packet) bool { return len(p.data) > 0 })
			first := p.data[0].TCP.Seq
			p.shut()
			p.ack = first + 1000
			sends := func() bool { return p.data[len(p.data)-1].TCP.Seq == p.ack }
			// What was on its way, of which there is always an answer.
			for range 3 {
				p.send(byhandtest.Ack, nil, make([]byte, p.edge-p.seq))
				p.wait(func(s *wire.Packet) bool {
					return s.TCP.Ack == p.told && (without != nil || sends())
				})
			}
			if got, want := sends(), without == nil; got != want {
				t.Errorf("%s, without %q: sends on: %v", name, without, got)
			}
		}
	}
}

// TestUnsentAck: of what acknowledges what netstack never sent it takes the data, and
// does not if it is mended.
func TestUnsentAck(t *testing.T) {
	for _, ends := range [][2]string{{peer4, host4}, {peer6, host6}} {
		for _, without := range [][]string{{"unsent-ack"}, nil} {
			p := connect(t, strict(t, without...), ends[0], ends[1])
			p.accept()
			p.ack += 1000
			p.send(byhandtest.Ack, nil, byhandtest.Data(5))
			want := p.seq
			if without != nil {
				want += 5
			}
			p.wait(func(s *wire.Packet) bool { return s.TCP.Ack == want })
			p.ack -= 1000
			p.send(byhandtest.Ack, nil, byhandtest.Data(6))
			want = p.seq + 6
			p.wait(func(s *wire.Packet) bool { return s.TCP.Ack == want })
		}
	}
}

// stamped returns a segment with timestamps.
func stamped(s byhandtest.TCP, value, echo uint32) byhandtest.TCP {
	s.Options = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32([]byte{1, 1, 8, 10}, value), echo)
	return s
}

// TestOldTimestamp: netstack takes data with a timestamp of before, and does not if
// it is mended.
func TestOldTimestamp(t *testing.T) {
	for _, without := range [][]string{{"old-timestamp"}, nil} {
		n, _ := newNetstack(t, strict(t, without...))
		if err := n.Listen([]uint16{7}, nil); err != nil {
			t.Fatal(err)
		}
		p := &peer{t: t, n: n, src: peer4, dst: host4, seq: 1000}
		options := func(stamp uint32) []byte { return stamped(byhandtest.TCP{}, stamp, 0).Options }
		p.send(byhandtest.Syn, options(1000), nil)
		p.wait(func(s *wire.Packet) bool { return s.TCP.Flags&wire.TCPSyn != 0 })
		p.seq++
		p.send(byhandtest.Ack, options(1001), nil)
		p.send(byhandtest.Ack, options(999), byhandtest.Data(5))
		want := p.seq
		if without != nil {
			want += 5
		}
		p.wait(func(s *wire.Packet) bool { return s.TCP.Ack == want })
	}
}

// TestTCPSourceRoute: what netstack sends to who came by a source route goes back by
// it, in segments that leave room for the options, which bare it sends straight on.
func TestTCPSourceRoute(t *testing.T) {
	route := []byte{131, 11, 12, 10, 0, 0, 1, 10, 0, 0, 2, 0}
	for _, without := range [][]string{{"tcp-source-route"}, nil} {
		n, _ := newNetstack(t, strict(t, without...))
		if err := n.Listen([]uint16{7}, nil); err != nil {
			t.Fatal(err)
		}
		p := &peer{t: t, n: n, src: peer4, dst: host4, seq: 1000, options: route}
		p.send(byhandtest.Syn, []byte{1, 2, 4, 5, 180, 1, 1, 1}, nil)
		by := func(s *wire.Packet) bool {
			return s.Dst.String() == "10.0.0.2" && s.FinalDst().String() == peer4 &&
				bytes.Equal(s.Bytes[20:s.IPv4.HeaderLen], []byte{131, 11, 4, 10, 0, 0, 1, 172, 16, 0, 1, 0})
		}
		p.wait(func(s *wire.Packet) bool { return by(s) == (without == nil) })
		p.seq++
		p.window = 65535
		p.send(byhandtest.Ack, nil, nil)
		if _, err := p.accept().Write(bytes.NewReader(make([]byte, 5000)), tcpip.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
		p.wait(func(s *wire.Packet) bool {
			var checks [2]wire.Check
			for _, c := range s.Checksums(checks[:0]) {
				if c.Verdict != wire.OK {
					t.Errorf("%+v", c)
				}
			}
			return s.DataLen() > 1000 && len(s.Bytes) <= comparetest.MTU && by(s) == (without == nil)
		})
	}
}

// TestRouteFailed: netstack answers a ping that a source route leads on from here, and
// if it is mended the route has failed.
func TestRouteFailed(t *testing.T) {
	testMends(t, []mending{{
		name: "echo", mend: "source-route-failed",
		in:     [][]byte{ping4(byhandtest.IPv4{Options: []byte{131, 11, 8, 10, 0, 0, 1, 10, 0, 0, 2, 1}})},
		bare:   icmp4(0),
		mended: one(wire.LayerICMPv4, func(p *wire.Packet) bool { return p.ICMP.Type == 3 && p.ICMP.Code == 5 }),
	}})
}

// TestSegmentsPass: segments of a connection that need no mend pass as they are,
// whatever is in flight, and what is no more known, spoiled, a reset or another SYN
// is not touched.
func TestSegmentsPass(t *testing.T) {
	const iss, irs = 5000, 1000
	out := func(g *guard.Guard, s byhandtest.TCP) {
		s.SrcPort, s.DstPort = 7, 1234
		var p hooks.Packet
		p.Set(hooks.Outbound, s.Packet(host4, peer4), time.Now())
		g.Outbound(&p)
	}
	synAck := byhandtest.TCP{Seq: iss, Ack: irs + 1, Flags: byhandtest.Syn | byhandtest.Ack}
	data := byhandtest.TCP{Seq: iss + 1, Ack: irs + 1, Flags: byhandtest.Ack, Data: byhandtest.Data(100)}
	closed := data
	closed.Shut = true
	acked := byhandtest.TCP{Seq: irs + 1, Ack: iss + 1, Flags: byhandtest.Ack}
	for name, test := range map[string]struct {
		before []byhandtest.TCP
		in     byhandtest.TCP
		mended bool
	}{
		"acknowledges a part":                              {[]byhandtest.TCP{synAck, data}, byhandtest.TCP{Seq: irs + 1, Ack: iss + 50, Flags: byhandtest.Ack}, false},
		"acknowledges all":                                 {[]byhandtest.TCP{synAck, data}, byhandtest.TCP{Seq: irs + 1, Ack: iss + 101, Flags: byhandtest.Ack, Data: byhandtest.Data(9)}, false},
		"acknowledges more":                                {[]byhandtest.TCP{synAck, data}, byhandtest.TCP{Seq: irs + 1, Ack: iss + 102, Flags: byhandtest.Ack, Data: byhandtest.Data(9)}, true},
		"the same, spoiled":                                {[]byhandtest.TCP{synAck, data}, byhandtest.TCP{Seq: irs + 1, Ack: iss + 102, Flags: byhandtest.Ack, Spoil: 1}, false},
		"the same of a reset":                              {[]byhandtest.TCP{synAck, data}, byhandtest.TCP{Seq: irs + 1, Ack: iss + 102, Flags: byhandtest.Ack | byhandtest.Rst}, false},
		"the same of a SYN":                                {[]byhandtest.TCP{synAck, data}, byhandtest.TCP{Seq: irs + 1, Ack: iss + 102, Flags: byhandtest.Ack | byhandtest.Syn, Options: []byte{2, 4, 5, 180}}, false},
		"the same of another":                              {nil, byhandtest.TCP{Seq: irs + 1, Ack: iss + 102, Flags: byhandtest.Ack}, false},
		"what was sent again":                              {[]byhandtest.TCP{synAck, data, {Seq: iss + 1, Ack: irs + 1, Flags: byhandtest.Ack, Data: byhandtest.Data(10)}}, byhandtest.TCP{Seq: irs + 1, Ack: iss + 101, Flags: byhandtest.Ack}, false},
		"past the window":                                  {[]byhandtest.TCP{synAck, data}, byhandtest.TCP{Seq: irs + 1 + 65536, Ack: iss + 101, Flags: byhandtest.Ack}, false},
		"from the beginning again":                         {[]byhandtest.TCP{synAck, data, synAck}, byhandtest.TCP{Seq: irs + 1, Ack: iss + 102, Flags: byhandtest.Ack}, false},
		"a window probe, the window shut":                  {[]byhandtest.TCP{synAck, closed}, byhandtest.TCP{Seq: irs + 1, Ack: iss + 50, Flags: byhandtest.Ack, Data: byhandtest.Data(1)}, true},
		"an acknowledgment at its place":                   {[]byhandtest.TCP{synAck, closed}, byhandtest.TCP{Seq: irs + 1, Ack: iss + 50, Flags: byhandtest.Ack}, false},
		"within a window that moved back":                  {[]byhandtest.TCP{synAck, closed}, byhandtest.TCP{Seq: irs + 1 + 65535, Ack: iss + 50, Flags: byhandtest.Ack}, true},
		"past it":                                          {[]byhandtest.TCP{synAck, closed}, byhandtest.TCP{Seq: irs + 2 + 65535, Ack: iss + 50, Flags: byhandtest.Ack}, false},
		"a timestamp of before":                            {[]byhandtest.TCP{stamped(synAck, 1, 90), data}, stamped(byhandtest.TCP{Seq: irs + 1, Ack: iss + 101, Flags: byhandtest.Ack, Data: byhandtest.Data(1)}, 89, 1), true},
		"a timestamp of now":                               {[]byhandtest.TCP{stamped(synAck, 1, 90), data}, stamped(byhandtest.TCP{Seq: irs + 1, Ack: iss + 101, Flags: byhandtest.Ack}, 90, 1), false},
		"no timestamp":                                     {[]byhandtest.TCP{stamped(synAck, 1, 90), data}, byhandtest.TCP{Seq: irs + 1, Ack: iss + 101, Flags: byhandtest.Ack}, false},
		"a timestamp of before, where none were agreed on": {[]byhandtest.TCP{synAck, data}, stamped(byhandtest.TCP{Seq: irs + 1, Ack: iss + 101, Flags: byhandtest.Ack}, 89, 1), false},
		"an answer to a SYN of the host's":                 {[]byhandtest.TCP{stamped(byhandtest.TCP{Seq: iss, Flags: byhandtest.Syn}, 1, 0)}, stamped(byhandtest.TCP{Seq: irs, Ack: iss + 1, Flags: byhandtest.Ack}, 1<<31+1, 1), false},
		"an old one":                                       {[]byhandtest.TCP{synAck, closed}, byhandtest.TCP{Seq: irs - 1, Ack: iss + 50, Flags: byhandtest.Ack, Data: byhandtest.Data(1)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := strict(t)
			var p hooks.Packet
			in := func(s byhandtest.TCP) {
				s.SrcPort, s.DstPort = 1234, 7
				p.Set(hooks.Inbound, s.Packet(peer4, host4), time.Now())
				g.Inbound(&p)
			}
			for i, s := range test.before {
				out(g, s)
				if i == 0 {
					in(acked)
				}
			}
			in(test.in)
			if got := p.Instead() != nil || p.Ahead() != nil; got != test.mended || p.Stopped() {
				t.Errorf("mended: %v, %v", got, p.Mends())
			}
		})
	}
}

// TestSYNFloodPushesOutNone: a connection that is open is remembered, however many
// are about to open.
func TestSYNFloodPushesOutNone(t *testing.T) {
	g := strict(t)
	var p hooks.Packet
	now := time.Now()
	out := func(port uint16, flags uint8, seq uint32) {
		p.Set(hooks.Outbound, byhandtest.TCP{SrcPort: 7, DstPort: port, Seq: seq, Ack: 1001, Flags: flags}.Packet(host4, peer4), now)
		g.Outbound(&p)
	}
	in := func(port uint16, ack uint32) {
		p.Set(hooks.Inbound, byhandtest.TCP{SrcPort: port, DstPort: 7, Seq: 1001, Ack: ack, Flags: byhandtest.Ack}.Packet(peer4, host4), now)
		g.Inbound(&p)
	}
	const open = 1000
	for port := range uint16(open) {
		out(port, byhandtest.Syn|byhandtest.Ack, 5000)
		in(port, 5001)
	}
	now = now.Add(time.Minute)
	syn := byhandtest.TCP{SrcPort: 7, Seq: 1, Ack: 2, Flags: byhandtest.Syn | byhandtest.Ack}.Packet(host4, peer4)
	for i := range 300_000 {
		syn[16], syn[17], syn[22], syn[23] = 10, byte(i>>16), byte(i>>8), byte(i)
		p.Set(hooks.Outbound, syn, now)
		g.Outbound(&p)
	}
	for port := range uint16(open) {
		if in(port, 5002); p.Instead() == nil {
			t.Fatalf("connection %d is forgotten", port)
		}
	}
}
