package hooks

// A Hook stands in the chain and sees each packet before it is forwarded.
//
// The packet and its bytes are borrowed: a hook must not keep them past the
// call, nor change them. It may call [Packet.Drop] to end the packet's way,
// [Packet.Edit] to have a changed copy forwarded, and [Packet.Hold] to settle its
// fate later itself; later hooks see a dropped packet too, so that they can report
// it.
//
// Both methods are called from many goroutines at once. They must not block:
// the packet's way waits for them.
type Hook interface {
	// Inbound sees a packet on its way to netstack.
	Inbound(p *Packet)
	// Outbound sees a packet that netstack has made.
	Outbound(p *Packet)
}
