package stack

import (
	"bytes"
	"slices"
	"sync"

	"gvisor.dev/gvisor/pkg/tcpip/header"
	netstack "gvisor.dev/gvisor/pkg/tcpip/stack"
)

// Bounds of what fragments keeps: those of one datagram over a usual MTU, and no
// more memory than that takes.
const (
	mostFragments     = 64
	mostFragmentBytes = 128 << 10
)

// fragments are the inbound fragments that came last, for what netstack panics of is
// often a datagram, and it takes the fragments apart before it does. They share the
// packets' memory. Its zero value is ready, and safe for concurrent use.
type fragments struct {
	mu    sync.Mutex
	kept  []*netstack.PacketBuffer // guarded by mu; the oldest first
	bytes int                      // guarded by mu; of kept
}

// keep keeps a fragment, as it came, and returns what stands for it.
func (f *fragments) keep(pkt *netstack.PacketBuffer) *netstack.PacketBuffer {
	own := pkt.Clone()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kept = append(f.kept, own)
	f.bytes += own.Size()
	for len(f.kept) > mostFragments || f.bytes > mostFragmentBytes && len(f.kept) > 1 {
		f.bytes -= f.kept[0].Size()
		f.kept[0].DecRef()
		f.kept = slices.Delete(f.kept, 0, 1)
	}
	return own
}

// before returns the bytes of a fragment that is kept, last, and of those before it
// that are of the same datagram. It is nil if the fragment is not kept.
func (f *fragments) before(last *netstack.PacketBuffer) (packets [][]byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	end := slices.Index(f.kept, last)
	if last == nil || end < 0 {
		return nil
	}
	whole := bytesOf(last)
	for _, pkt := range f.kept[:end] {
		if b := bytesOf(pkt); bytes.Equal(datagramOf(b), datagramOf(whole)) {
			packets = append(packets, b)
		}
	}
	return append(packets, whole)
}

// forget gives all of them up.
func (f *fragments) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, pkt := range f.kept {
		pkt.DecRef()
	}
	f.kept, f.bytes = nil, 0
}

// mayBeFragment tells whether an inbound packet, which nobody has parsed yet, is a
// fragment or, over IPv6, has extension headers of which one may say so.
func mayBeFragment(pkt *netstack.PacketBuffer) bool {
	views, _ := pkt.AsViewList() // nothing stands before an inbound packet
	first := views.Front()
	if first == nil {
		return false
	}
	b := first.AsSlice()
	switch {
	case len(b) >= header.IPv4MinimumSize && b[0]>>4 == header.IPv4Version:
		return (b[6]&0x3f)|b[7] != 0 // more fragments, or an offset (RFC 791 section 3.1)
	case len(b) >= header.IPv6MinimumSize && b[0]>>4 == header.IPv6Version:
		switch header.IPv6ExtensionHeaderIdentifier(b[6]) {
		case header.IPv6FragmentExtHdrIdentifier, header.IPv6HopByHopOptionsExtHdrIdentifier,
			header.IPv6RoutingExtHdrIdentifier, header.IPv6DestinationOptionsExtHdrIdentifier:
			return true
		}
	}
	return false
}

// datagramOf returns what the fragments of one datagram have in common: over IPv4
// identification, protocol and addresses (RFC 791 section 3.2); over IPv6, where the
// identification may stand anywhere, the addresses.
func datagramOf(b []byte) []byte {
	if b[0]>>4 == header.IPv4Version {
		return slices.Concat(b[4:6], b[9:10], b[12:20])
	}
	return b[8:40]
}

// bytesOf returns a copy of the packet's bytes.
func bytesOf(pkt *netstack.PacketBuffer) []byte {
	view := pkt.ToView()
	defer view.Release()
	return bytes.Clone(view.AsSlice())
}
