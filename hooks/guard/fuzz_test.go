package guard_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"netstackd/hooks"
	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/compare/comparetest"
	"netstackd/hooks/guard"
	"netstackd/hooks/wire"
)

// A dice deals out the fuzzer's bytes, and zeros when they are used up.
type dice []byte

func (d *dice) byte() byte {
	if len(*d) == 0 {
		return 0
	}
	b := (*d)[0]
	*d = (*d)[1:]
	return b
}

func (d *dice) below(n int) int { return int(d.byte()) % n }

// of returns any of the values.
func of[T any](d *dice, values ...T) T { return values[d.below(len(values))] }

// some joins a few of the pieces, up to a length, and fills the last word up.
func some(d *dice, longest int, pieces ...[]byte) []byte {
	var b []byte
	for range d.below(8) {
		if piece := of(d, pieces...); len(b)+len(piece) <= longest {
			b = append(b, piece...)
		}
	}
	return append(b, make([]byte, -len(b)&3)...)
}

// What mends look at.
var (
	options4 = [][]byte{
		{1}, {0}, {148, 4, 0, 0}, {148, 4, 0, 1}, {25, 4, 0, 0}, {25, 9, 0, 0, 0, 0, 0, 0, 0}, {25, 40}, {7, 1},
		{7, 7, 4, 0, 0, 0, 0}, {68, 12, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0}, {68, 8, 9, 0xf2, 0, 0, 0, 0},
		{131, 7, 4, 10, 0, 0, 1}, {131, 7, 8, 10, 0, 0, 1}, {137, 11, 12, 10, 0, 0, 1, 10, 0, 0, 2},
	}
	optionsTCP = [][]byte{
		{1}, {0}, {2, 4, 5, 180}, {2, 4, 0, 9}, {3, 3, 7}, {2, 0}, {8, 40},
		{8, 10, 0, 0, 0, 1, 0, 0, 0, 0}, {1, 1, 8, 10, 0, 0, 1, 0, 0, 0, 0, 1},
	}
	extensions = []byhandtest.Extension{
		{Protocol: wire.ProtocolHopByHop, Body: []byte{0, 1, 4, 0, 0, 0, 0}},
		{Protocol: wire.ProtocolDestination, Body: []byte{0, 1, 4, 0, 0, 0, 0}},
		{Protocol: wire.ProtocolDestination, Body: []byte{0, 0x9e, 4, 0, 0, 0, 0}},
		{Protocol: wire.ProtocolRouting, Body: []byte{0, 0, 1, 0, 0, 0, 0}},
		{Protocol: wire.ProtocolFragment, Body: make([]byte, 7)},
		{Protocol: wire.ProtocolAH, Body: make([]byte, 7)},
	}
)

// upper makes what an IP header carries from one address to another.
func (d *dice) upper(six bool, src, dst string) (protocol uint8, b []byte) {
	data := byhandtest.Data(d.below(80))
	behind := func(packet []byte) []byte { // the IP header, which has no options
		if six {
			return packet[40:]
		}
		return packet[20:]
	}
	switch d.below(8) {
	case 0, 1:
		e := byhandtest.Echo{ID: 1, Seq: 2, Data: data, Spoil: uint16(d.below(8) / 7)}
		if six {
			return wire.ProtocolICMPv6, e.Request6(src, dst)
		}
		return wire.ProtocolICMPv4, e.Request4()
	case 2:
		return wire.ProtocolUDP, behind(byhandtest.UDP{SrcPort: 9, DstPort: uint16(d.below(16)), Data: data}.Packet(src, dst))
	case 3, 4:
		return wire.ProtocolTCP, behind(byhandtest.TCP{
			SrcPort: uint16(d.below(2)), DstPort: uint16(d.below(2)), Seq: uint32(d.byte()), Ack: uint32(d.byte()),
			Flags:  of(d, byte(byhandtest.Syn), byhandtest.Ack, byhandtest.Syn|byhandtest.Ack, byhandtest.Syn|byhandtest.Rst, d.byte()),
			Window: uint16(d.byte()), Options: some(d, 40, optionsTCP...), Data: data,
		}.Packet(src, dst))
	case 5:
		if six {
			return wire.ProtocolICMPv6, behind(byhandtest.Neighbour{
				Advertisement: d.below(2) == 1, Flags: d.byte(), Target: of(d, src, dst), Options: of(d, nil, []byte{1, 1, 2, 0, 0, 0, 0, 1}, []byte{2, 1, 2, 0, 0, 0, 0, 1}),
			}.Packet(src, dst))
		}
		fallthrough
	default:
		// An error, which quotes what would go the other way, or a part of it.
		quote := d.ip(six, dst, src)
		quote = quote[:len(quote)-d.below(len(quote)+1)]
		b = append(make([]byte, 8), quote...)
		b[0], b[1] = of[byte](d, 3, 11, 12, 1, 2, 4, d.byte()), d.byte()%4
		if protocol = wire.ProtocolICMPv4; six {
			protocol = wire.ProtocolICMPv6
			return protocol, b // of which the sum is wrong
		}
		sum := byhandtest.Checksum(b)
		b[2], b[3] = byte(sum>>8), byte(sum)
		return protocol, b
	}
}

// ip makes a packet from one address to another, or a fragment of one.
func (d *dice) ip(six bool, src, dst string) []byte {
	protocol, b := d.upper(six, src, dst)
	var header []byte
	if six {
		var chain []byhandtest.Extension
		for range d.below(4) {
			chain = append(chain, of(d, extensions...))
		}
		header = byhandtest.IPv6{Src: src, Dst: dst, Protocol: protocol, TrafficClass: d.byte() & 3, Extensions: chain}.Packet(nil)
	} else {
		header = byhandtest.IPv4{Src: src, Dst: dst, Protocol: protocol, TOS: d.byte() & 3, Reserved: d.below(4) == 3, Options: some(d, 40, options4...)}.Packet(nil)
	}
	switch d.below(5) {
	case 0: // one of the two fragments of a ping, which become whole
		whole := echo
		if six {
			whole = byhandtest.Echo{ID: 1, Seq: 2, Data: byhandtest.Data(56)}.Request6(src, dst)
		} else {
			header[9] = wire.ProtocolICMPv4
		}
		if d.below(2) == 1 {
			return byhandtest.Fragment(header, whole[16:], uint32(d.below(2)), 16, false)
		}
		return byhandtest.Fragment(header, whole[:16], uint32(d.below(2)), 0, true)
	case 1: // any, and what would lie over others
		offset, more := 8*d.below(3), d.below(2) == 1
		from := min(offset, len(b))
		to := len(b)
		if more {
			to = min(from+8*(1+d.below(3)), len(b))
		}
		return byhandtest.Fragment(header, b[from:to], uint32(d.below(3)), offset, more)
	case 2: // what ends where no datagram may
		return byhandtest.Fragment(header, b[:len(b)&^7], uint32(d.below(3)), 65536-8*(1+d.below(20)), d.below(2) == 1)
	}
	if six {
		n := len(header) - 40 + len(b)
		header[4], header[5] = byte(n>>8), byte(n)
		return append(header, b...)
	}
	n := len(header) + len(b)
	header[2], header[3] = byte(n>>8), byte(n)
	byhandtest.SetHeaderChecksum(header)
	return append(header, b...)
}

// FuzzGuard sends packets with what mends look at, both ways, through a guard that
// makes them all. Nothing panics, each packet has one fate for a reason on the list,
// and of a sound packet comes a sound one.
func FuzzGuard(f *testing.F) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 8 {
		seed := make([]byte, 1024)
		for i := range seed {
			seed[i] = byte(random.Uint32())
		}
		f.Add(seed)
	}
	strict := mode(f, "strict")
	f.Fuzz(func(t *testing.T, rolls []byte) {
		g := guard.New(guard.Config{Mends: strict, Addresses: addrs})
		ledger := hooks.NewLedger(hooks.DropReasons(), guard.DropReasons())
		link, netstack := channel.New(256, 1500, ""), new(receiver)
		defer link.Close()
		e := hooks.New(link, ledger, hooks.Options{ReceiveOffload: true}, g, g.Answer())
		g.Connect(e)
		e.Attach(netstack)
		for d := dice(rolls); len(d) > 0; {
			six, outbound := d.below(2) == 1, d.below(4) == 3
			src, dst := peer4, host4
			if six {
				src, dst = peer6, of(&d, host6, "ff02::1:ff00:2")
			}
			if outbound {
				src, dst = of(&d, host4, "0.0.0.1"), of(&d, peer4, "240.0.0.1", "0.0.0.0")
				if six {
					src, dst = host6, peer6
				}
			}
			b := d.ip(six, src, dst)
			if d.below(4) == 3 {
				b[d.below(len(b))] ^= 1 << d.below(8)
			}
			if d.below(8) == 7 {
				b = b[:d.below(len(b)+1)]
			}
			pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(b)})
			comparetest.Mark(pkt, b, wire.Offload{Partial: d.below(8) == 7, Validated: d.below(4) == 3})
			pkt.NetworkProtocolNumber = header.IPv4ProtocolNumber
			if six {
				pkt.NetworkProtocolNumber = header.IPv6ProtocolNumber
			}
			plain := !pkt.GSOOptions.NeedsCsum && sound(b)
			if outbound {
				var one stack.PacketBufferList
				one.PushBack(pkt)
				if _, err := e.WritePackets(one); err != nil {
					t.Fatal(err)
				}
			} else {
				link.InjectInbound(pkt.NetworkProtocolNumber, pkt)
			}
			pkt.DecRef()
			got := netstack.got
			netstack.got = nil
			for sent := link.Read(); sent != nil; sent = link.Read() {
				v := sent.ToView()
				got = append(got, bytes.Clone(v.AsSlice()))
				v.Release()
				sent.DecRef()
			}
			for _, made := range got {
				if plain && !sound(made) {
					t.Errorf("of %x\ncomes %x", b, made)
				}
			}
		}
		totals, fates := ledger.Totals(), uint64(0)
		for _, n := range totals.InFates {
			fates += n
		}
		if totals.In != fates || totals.Drops[hooks.ReasonUnknown] != 0 {
			t.Errorf("%d packets in have %d fates, %d for no reason on the list", totals.In, fates, totals.Drops[hooks.ReasonUnknown])
		}
	})
}

// sound reports whether a packet is whole, no fragment, and has right sums.
func sound(b []byte) bool {
	var p wire.Packet
	if !p.Decode(b) || p.Fragment.IsFragment() {
		return false
	}
	var checks [2]wire.Check
	for _, c := range p.Checksums(checks[:0]) {
		if c.Verdict != wire.OK {
			return false
		}
	}
	return true
}
