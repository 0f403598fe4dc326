package link

import (
	"sync"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

const (
	// copyBelow is the length in bytes under which a packet is copied into a
	// buffer of its own size: a small one must not hold the memory of a large
	// one as long as netstack keeps it.
	copyBelow = 16 << 10
	// keepBuffers bounds the receive buffers that wait to be used again, each of
	// 64 KiB.
	keepBuffers = 64
)

// receiveBuffers are the buffers that the device is read into. A super-segment
// goes on to netstack in the buffer itself, which comes back when netstack is
// done with it: so nothing is copied, and no memory is zeroed again and again,
// as a new buffer.View's is.
//
// next, packet and rest are for one goroutine; buffers come back on any.
type receiveBuffers struct {
	current *receiveBuffer

	mu sync.Mutex
	// The following are guarded by mu.
	free    []*receiveBuffer // the last one is the one in the cache
	resting bool             // nobody reads: what comes back is not kept
}

// receiveBuffer is room for a virtio-net header and the longest packet.
type receiveBuffer struct {
	view    *buffer.View
	release func() // made once, for PacketBufferOptions.OnRelease
}

// next is room for the next read, the same until packet takes it.
func (r *receiveBuffers) next() []byte {
	if r.current == nil {
		r.current = r.take()
	}
	return r.current.view.AsSlice()
}

// take is a buffer that came back, or a new one.
func (r *receiveBuffers) take() *receiveBuffer {
	r.mu.Lock()
	r.resting = false
	last := len(r.free) - 1
	if last < 0 {
		r.mu.Unlock()
		b := &receiveBuffer{view: buffer.NewViewSize(virtioHeaderLen + maxPacket)}
		b.release = func() { r.giveBack(b) }
		return b
	}
	b := r.free[last]
	r.free[last], r.free = nil, r.free[:last]
	r.mu.Unlock()
	// Whoever still shares the memory, a clone of the packet say, keeps it: to
	// write to a shared View gives that View memory of its own.
	_, _ = b.view.WriteAt([]byte{0}, 0)
	return b
}

func (r *receiveBuffers) giveBack(b *receiveBuffer) {
	r.mu.Lock()
	keep := !r.resting && len(r.free) < keepBuffers
	if keep {
		r.free = append(r.free, b)
	}
	r.mu.Unlock()
	if !keep {
		b.view.Release()
	}
}

// rest gives the memory back that waits for use, until next is called again.
func (r *receiveBuffers) rest() {
	if r.current != nil {
		r.current.view.Release()
		r.current = nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.resting = true
	for i, b := range r.free {
		b.view.Release()
		r.free[i] = nil
	}
	r.free = r.free[:0]
}

// packet makes a packet buffer of the packet that stands in bytes from to to of
// next.
func (r *receiveBuffers) packet(from, to int) *stack.PacketBuffer {
	if to-from < copyBelow {
		return stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(r.current.view.AsSlice()[from:to])})
	}
	b := r.current
	r.current = nil
	view := b.view.Clone()
	view.CapLength(to)
	view.TrimFront(from)
	return stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithView(view), OnRelease: b.release})
}
