package wire

import (
	"fmt"
	"time"
)

// ipv4Options tells the options of the header at hand, one by one,
// from t.at up to t.end.
func (t *teller) ipv4Options() {
	for t.at < t.end && !t.cut {
		typ := t.b[t.at]
		if typ == OptionEnd || typ == OptionNop {
			t.field(1, "Option", func([]byte) string {
				if typ == OptionNop {
					return "1: No Operation, a filler between options"
				}
				return "0: End of Option List"
			})
			if typ == OptionEnd {
				t.rest("Padding", "fills the header up to a multiple of 4 bytes")
				return
			}
			continue
		}
		start := t.at
		b := t.field(1, "Option", func([]byte) string { return fmt.Sprintf("%d: %s", typ, IPv4OptionName(typ)) })
		t.bits(b, 0, 0, "Copied", "%s", pick(bitsOf(b, 0, 0), "0: stands in the first fragment only", "1: copied into every fragment"))
		t.bits(b, 1, 2, "Class", "%s", classWords(bitsOf(b, 1, 2)))
		t.bits(b, 3, 7, "Number", "%d", bitsOf(b, 3, 7))
		length := 0
		b = t.field(1, "Option Length", func(b []byte) string {
			length = int(b[0])
			if length < 2 {
				return fmt.Sprintf("%d: wrong, type and length alone take 2", length)
			}
			if left := t.end - start; length > left {
				return fmt.Sprintf("%d: wrong, the header has %d bytes left", length, left)
			}
			return fmt.Sprintf("%d bytes with type and length", length)
		})
		if b == nil || length < 2 {
			t.rest("Unreadable", "where the next option begins, nobody can say")
			return
		}
		t.within(length-2, func() { t.ipv4Option(typ, start, length) })
	}
}

func classWords(v uint32) string {
	return [...]string{"0: control", "1: reserved", "2: debugging and measurement", "3: reserved"}[v&3]
}

// ipv4Option tells what follows type and length of the option that begins at
// start.
func (t *teller) ipv4Option(typ uint8, start, length int) {
	switch typ {
	case OptionRecordRoute, OptionLooseSourceRoute, OptionStrictSourceRoute:
		pointer := t.pointer(start, length, 4, 4)
		for slot := 4; t.at < t.end && !t.cut; slot += 4 {
			t.field(4, fmt.Sprintf("Address %d", slot/4), func(b []byte) string {
				if typ == OptionRecordRoute && slot >= pointer && be32(b) == 0 {
					return "free"
				}
				return fmt.Sprintf("%s: %s", addressWords(b), slotWords(typ, slot, pointer))
			})
		}
	case OptionTimestamp:
		t.timestamps(start, length)
	case OptionRouterAlert:
		t.rest("Value", "0 means: routers, look at this packet closely (RFC 2113 §2.1)")
	default:
		t.rest("Data", "not read further")
	}
}

// pointer tells the pointer byte of an option that begins at start: it counts
// the option's bytes from 1.
func (t *teller) pointer(start, length, first, size int) (pointer int) {
	t.field(1, "Pointer", func(b []byte) string {
		pointer = int(b[0])
		switch {
		case pointer < first:
			return fmt.Sprintf("%d: wrong, the smallest is %d", pointer, first)
		case pointer > length:
			return fmt.Sprintf("%d: past the end, the list is full or used up", pointer)
		case pointer+size-1 > length:
			return fmt.Sprintf("%d: only part of a slot is left there", pointer)
		}
		return fmt.Sprintf("%d: the next slot begins there, counted in the option from 1; byte %d of the packet",
			pointer, start+pointer-1)
	})
	return pointer
}

// slotWords says what an address in a route means, given where the pointer is.
func slotWords(typ uint8, slot, pointer int) string {
	done := slot < pointer
	switch {
	case typ == OptionRecordRoute && done:
		return "a host or router recorded itself"
	case typ == OptionRecordRoute:
		return "free"
	case done:
		return "visited; the router wrote the address it left by"
	case slot == pointer:
		return "the next hop"
	}
	return "still to come"
}

// timestamps tells the Internet Timestamp option (RFC 791 §3.1).
func (t *teller) timestamps(start, length int) {
	size := 4
	if at := t.at + 1; at < t.end && (t.b[at]&0xf == 1 || t.b[at]&0xf == 3) {
		size = 8
	}
	pointer := t.pointer(start, length, 5, size)
	b := t.field(1, "Overflow, Flag", says(""))
	t.bits(b, 0, 3, "Overflow", "%d found no room for a timestamp", bitsOf(b, 0, 3))
	t.bits(b, 4, 7, "Flag", "%s", timestampFlagWords(bitsOf(b, 4, 7)))
	for slot := 5; t.at < t.end && !t.cut; slot += size {
		if size == 8 {
			t.field(4, "Address", func(b []byte) string {
				if be32(b) == 0 {
					return "free"
				}
				return addressWords(b)
			})
		}
		t.field(4, "Timestamp", func(b []byte) string {
			if slot >= pointer {
				return "free"
			}
			return timestampWords(be32(b))
		})
	}
}

func timestampFlagWords(flag uint32) string {
	switch flag {
	case 0:
		return "0: timestamps only"
	case 1:
		return "1: each timestamp behind its host's address"
	case 3:
		return "3: only the hosts whose addresses are given"
	}
	return fmt.Sprintf("%d: no meaning", flag)
}

// timestampWords tells milliseconds since midnight UT, or with the high bit set
// a time that its writer could not tell so (RFC 791 §3.1, RFC 792).
func timestampWords(v uint32) string {
	if v&0x80000000 != 0 {
		return fmt.Sprintf("0x%08x: not in standard form (high bit)", v)
	}
	at := time.Time{}.Add(time.Duration(v) * time.Millisecond)
	if v >= 24*60*60*1000 {
		return fmt.Sprintf("%d: more milliseconds than a day has", v)
	}
	return fmt.Sprintf("%d ms after midnight UT: %s", v, at.Format("15:04:05.000"))
}
