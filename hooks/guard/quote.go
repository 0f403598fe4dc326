package guard

import (
	"bytes"
	"encoding/binary"
	"sync"

	"netstackd/hooks"
	"netstackd/hooks/wire"
)

// headers are the IPv4 headers with options that came last, as they came: netstack
// records its address in the options before it knows that it will quote them. It
// sends an error while it is being given the packet that the error is about, so that
// few have to be remembered; but one about fragments quotes the first of them. The
// zero value is ready.
type headers struct {
	mu sync.Mutex
	// last is a ring, next the place of the oldest.
	last [64]struct {
		n      int
		header [minHeader + maxOptions]byte
	}
	next int
}

// remember copies a header. Of a datagram in fragments it has to be the first's.
func (h *headers) remember(header []byte) {
	if binary.BigEndian.Uint16(header[6:])&fragmentOffset != 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	at := &h.last[h.next]
	at.n = copy(at.header[:], header)
	h.next = (h.next + 1) % len(h.last)
}

// options appends those of the header that one came from, or nothing.
func (h *headers) options(dst, quoted []byte) []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range h.last {
		// The one that came last first.
		at := &h.last[(h.next-1-i+2*len(h.last))%len(h.last)]
		if came := at.header[:at.n]; at.n == len(quoted) && sameDatagram(came, quoted) {
			return append(dst, came[minHeader:]...)
		}
	}
	return dst
}

// sameDatagram reports whether two headers are those of one datagram (RFC 791 §2.3).
func sameDatagram(a, b []byte) bool {
	return bytes.Equal(a[4:6], b[4:6]) && a[9] == b[9] && bytes.Equal(a[12:minHeader], b[12:minHeader])
}

// mendQuote has an ICMPv4 error quote a header as it came (RFC 1122 §3.2.2): with
// the options that it had, and, if it was put together of fragments, with the
// checksum of what it is now.
func (g *mender) mendQuote(p *hooks.Packet) {
	quote, ok := quotedHeader(&p.Packet)
	if !ok {
		return
	}
	n := 4 * int(quote[0]&0xf)
	if n > minHeader {
		var room [maxOptions]byte
		options := g.asked.options(room[:0], quote[:n])
		switch {
		case !g.mends.has(mendQuotedOptions) || len(options) == 0:
			return // a checksum of what netstack has made of them would hide that
		case !bytes.Equal(options, quote[minHeader:n]):
			editQuote(p, mendQuotedOptions, func(quote []byte) { copy(quote[minHeader:], options) })
			quote = p.Instead()[p.Payload+8:]
		}
	}
	if g.mends.has(mendQuotedChecksum) && wire.Checksum(quote[:n]) != 0 {
		editQuote(p, mendQuotedChecksum, setHeaderChecksum)
	}
}

// editQuote changes what an ICMPv4 error quotes, and its checksum.
func editQuote(p *hooks.Packet, mend Mends, change func(quote []byte)) {
	message := p.Edit(nameOf(mend))[p.Payload:]
	change(message[8:])
	message[2], message[3] = 0, 0
	binary.BigEndian.PutUint16(message[2:], wire.Checksum(message))
}
