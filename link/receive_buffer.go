package link

import (
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

const (
	// copyBelow is the length in bytes under which a packet is copied into a
	// buffer of its own size: a small one must not hold the memory of a large one
	// as long as netstack keeps it.
	copyBelow = 16 << 10
	// headersLen is room for the headers of IPv4 and TCP with all their options.
	headersLen = 128
)

// receiveBuffer is what the device is read into. A super-segment goes on to
// netstack in the buffer itself, and the next read gets another one.
//
// Its headers go on in a small buffer of their own: netstack takes a reference
// to the header and then asks for the header again (HandlePacket in
// pkg/tcpip/network/ipv4), and that makes Buffer.PullUp copy all of the buffer
// in which it lies.
//
// Buffers come from netstack's pool, which zeroes them. To keep a reference and
// take the same memory back would save that, but nothing tells when netstack is
// done with it: TCP holds a clone of the packet buffer, without OnRelease.
//
// It is for one goroutine.
type receiveBuffer struct {
	view *buffer.View
}

// room is maxPacket bytes for the next read, the same until packet takes them.
func (r *receiveBuffer) room() []byte {
	if r.view == nil {
		r.view = buffer.NewViewSize(maxPacket)
	}
	return r.view.AsSlice()
}

// packet makes a packet buffer of the first n bytes of room.
func (r *receiveBuffer) packet(n int) *stack.PacketBuffer {
	var payload buffer.Buffer
	if n < copyBelow {
		payload = buffer.MakeWithData(r.view.AsSlice()[:n])
	} else {
		payload = buffer.MakeWithData(r.view.AsSlice()[:headersLen])
		r.view.CapLength(n)
		r.view.TrimFront(headersLen)
		_ = payload.Append(r.view)
		r.view = nil
	}
	return stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: payload})
}

// rest gives the memory back, until room is called again.
func (r *receiveBuffer) rest() {
	if r.view != nil {
		r.view.Release()
		r.view = nil
	}
}
