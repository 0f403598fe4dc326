package hooks

import (
	"slices"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// Edit returns a copy of the packet that is forwarded in its place, for the hook
// to change, in the name of a mend. The packet itself stays what it was, for the
// hooks behind to judge: inbound what arrived, outbound what netstack made. A
// second mend gets what the first has left. A checksum that was left to hardware
// stays so.
func (p *Packet) Edit(mend string) []byte {
	if p.instead == nil {
		p.instead = slices.Clone(p.All())
	}
	p.noteMend(mend)
	return p.instead
}

// Replace has b forwarded in the packet's place, in the name of a mend; otherwise
// it is Edit. The packet keeps b.
func (p *Packet) Replace(mend string, b []byte) {
	p.instead = b
	p.noteMend(mend)
}

// Precede has b, a packet with its checksums in place, delivered to netstack before
// the inbound packet, if that is forwarded, in the name of a mend. The packet keeps b;
// the last one counts.
func (p *Packet) Precede(mend string, b []byte) {
	p.ahead = b
	p.noteMend(mend)
}

// Ahead returns what is delivered before the packet, or nil.
func (p *Packet) Ahead() []byte { return p.ahead }

// Withhold ends the packet's way in the name of a mend, which is the reason too.
func (p *Packet) Withhold(mend string) {
	if !p.stopped {
		p.noteMend(mend)
		p.Drop(Mended, mend)
	}
}

// Mends returns the names of the mends of the packet. They may be kept.
func (p *Packet) Mends() []string { return p.mends }

// Instead returns what is forwarded in the packet's place, or nil if it is itself.
func (p *Packet) Instead() []byte { return p.instead }

func (p *Packet) noteMend(name string) {
	if !slices.Contains(p.mends, name) {
		p.mends = append(p.mends[:len(p.mends):len(p.mends)], name)
	}
}

// replacement makes the packet that is forwarded in pkt's place. The caller
// releases it.
func (p *Packet) replacement(pkt *stack.PacketBuffer) *stack.PacketBuffer {
	out := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(p.instead)})
	out.NetworkProtocolNumber = pkt.NetworkProtocolNumber
	out.RXChecksumValidated, out.GSOOptions = pkt.RXChecksumValidated, pkt.GSOOptions
	if out.GSOOptions.NeedsCsum && p.Version == 4 {
		out.GSOOptions.L3HdrLen = 4 * uint16(p.instead[0]&0xf) // it may have options now
	}
	return out
}
