package byhand

import (
	"bytes"
	"container/list"
	"slices"
	"time"
)

// A datagram is one that is being put together.
type datagram struct {
	key     datagramKey
	version uint8
	since   time.Time
	// place is that in the order of the Reassembler.
	place *list.Element
	// parts are in order of their offset and do not overlap.
	parts []part
	// size is that of all data, known once the last fragment is there, else -1.
	size int
	// have counts the bytes in parts; cost is what the datagram counts for.
	have, cost int
	// header is what comes before the data: the first fragment's headers,
	// without any fragment header.
	header []byte
	// first is the start of the first fragment as it came, as much as an error
	// quotes, and mark its number; told says that its timeout was predicted.
	first []byte
	mark  uint64
	told  bool
	// ecn has the codepoints that its fragments carry.
	ecn codepoints
	// doubt says that another host may make something else of the same
	// fragments.
	doubt bool
	// cut says that the first fragment lacks a part of the headers.
	cut bool
}

type part struct {
	offset int
	data   []byte
}

func newDatagram(key datagramKey, version uint8, now time.Time) *datagram {
	return &datagram{key: key, version: version, since: now, size: -1, cost: fragmentCost}
}

// maxLen returns the length that the datagram may have, header included (RFC
// 791 §3.1; RFC 8200 §3 does not count the first 40 bytes).
func (d *datagram) maxLen() int {
	if d.version == 6 {
		return 40 + 65535
	}
	return 65535
}

// add files one fragment.
func (d *datagram) add(f piece) Outcome {
	end := f.Offset + len(f.data)
	if len(f.header)+end > d.maxLen() {
		// Whether this one fragment is discarded, or the datagram, is left open
		// over IPv4, and whether the header counts when it is not the first.
		d.doubt = true
		return TooLong
	}
	d.doubt, d.cut = d.doubt || f.open, d.cut || f.cut
	if d.size >= 0 && (end > d.size || !f.More && end != d.size) {
		return d.abandon()
	}
	i, found := slices.BinarySearchFunc(d.parts, f.Offset, func(p part, offset int) int { return p.offset - offset })
	if found && len(d.parts[i].data) == len(f.data) {
		return d.addDuplicate(f, d.parts[i])
	}
	if found || i > 0 && d.parts[i-1].offset+len(d.parts[i-1].data) > f.Offset ||
		i < len(d.parts) && end > d.parts[i].offset {
		return d.abandon()
	}
	if !f.More {
		if i < len(d.parts) {
			return d.abandon() // something lies behind the end
		}
		d.size = end
	}
	d.parts = slices.Insert(d.parts, i, part{offset: f.Offset, data: slices.Clone(f.data)})
	d.have += len(f.data)
	d.ecn.add(f.ecn)
	d.cost += len(f.data) + fragmentCost
	if f.Offset == 0 {
		d.header = slices.Clone(f.header)
		if f.nextAt != 0 {
			d.header[f.nextAt] = f.next
		}
		quote := maxQuote4
		if d.version == 6 {
			quote = maxQuote6
		}
		d.first, d.mark = slices.Clone(f.raw[:min(len(f.raw), quote)]), f.mark
		d.cost += len(d.header) + len(d.first)
	}
	return Incomplete
}

// addDuplicate handles a fragment with the offset and length of one that is
// there. Only an exact duplicate is no overlap (RFC 8200 §4.5).
func (d *datagram) addDuplicate(f piece, there part) Outcome {
	if !f.More && d.size < 0 {
		return d.abandon() // it is the last, and was not before
	}
	if !bytes.Equal(f.data, there.data) {
		if d.version == 6 {
			d.abandon()
			return OverlapDuplicate
		}
		// RFC 791 §3.2 lets the later copy win, hosts keep the earlier.
		d.doubt = true
	}
	if f.Offset == 0 && d.otherwise(f) {
		d.doubt = true // so with its headers
	}
	return Incomplete
}

// otherwise reports whether a first fragment has other options, or extension headers,
// than the one that is there.
func (d *datagram) otherwise(f piece) bool {
	a, b := f.header, d.header
	switch {
	case len(a) != len(b):
		return true
	case d.version == 4:
		return !bytes.Equal(a[20:], b[20:])
	case f.next != b[f.nextAt]:
		return true
	case f.nextAt < 40:
		return !bytes.Equal(a[40:], b[40:])
	}
	return a[6] != b[6] || !bytes.Equal(a[40:f.nextAt], b[40:f.nextAt]) || !bytes.Equal(a[f.nextAt+1:], b[f.nextAt+1:])
}

// abandon discards what there is. What comes later under the same key may
// count for a new datagram (RFC 8200 §4.5) or for this one (RFC 5722 §4).
func (d *datagram) abandon() Outcome {
	*d = datagram{
		key: d.key, version: d.version, since: d.since, place: d.place,
		size: -1, cost: fragmentCost, doubt: true,
	}
	return Overlap
}

// whole reports whether all of the datagram is there.
func (d *datagram) whole() bool { return d.size >= 0 && d.have == d.size && d.header != nil }

// mustDrop reports whether the datagram must not be put together: congestion was
// experienced on the way, and by one who cannot be told (RFC 3168 §5.3).
func (d *datagram) mustDrop() bool {
	return d.ecn.has(congestionExperienced) && d.ecn.has(notECNCapable)
}

// join makes one packet of the parts, or nil if it would be too long.
func (d *datagram) join() []byte {
	total := len(d.header) + d.size
	if total > d.maxLen() {
		return nil
	}
	b := make([]byte, 0, total)
	b = append(b, d.header...)
	for _, p := range d.parts {
		b = append(b, p.data...)
	}
	if d.ecn.has(congestionExperienced) {
		setCongestionExperienced(b)
	}
	setLength(b, len(d.header))
	return b
}
