package wire

import (
	"fmt"
	"net/netip"
)

func (t *teller) icmpv6Body(m message) {
	switch m.typ {
	case ICMPv6EchoRequest, ICMPv6EchoReply:
		t.echo()
	case 1, 3:
		t.field(4, "Unused", says("0"))
		t.quote()
	case 2:
		t.field(4, "MTU", func(b []byte) string {
			return fmt.Sprintf("%d: send packets no longer than this (RFC 8201)", be32(b))
		})
		t.quote()
	case 4:
		t.field(4, "Pointer", func(b []byte) string {
			return fmt.Sprintf("the fault is in byte %d of the quoted packet", be32(b))
		})
		t.quote()
	case 130, 131, 132:
		t.listener(m.typ)
	case 133:
		t.field(4, "Reserved", says("0: routers, tell me who you are (RFC 4861 §4.1)"))
		t.neighborOptions()
	case 134:
		t.routerAdvertisement()
	case 135, 136:
		t.neighbor(m.typ)
	case 137:
		t.field(4, "Reserved", says("0"))
		t.field(16, "Target Address", func(b []byte) string { return targetWords(b, "a better first hop (RFC 4861 §4.5)") })
		t.field(16, "Destination Address", func(b []byte) string { return targetWords(b, "on the way there") })
		t.neighborOptions()
	case 143:
		t.listenerReport()
	default:
		if ICMPIsError(6, m.typ) {
			t.field(4, "Rest of Header", says("not read further"))
			t.quote()
			return
		}
		t.payload("ICMPv6 body")
	}
}

// listener tells MLDv1, and a query of version 2 as far as the first has it
// (RFC 2710 §3, RFC 3810 §5.1).
func (t *teller) listener(typ uint8) {
	t.field(2, "Max Response Delay", func(b []byte) string { return fmt.Sprintf("%d ms, in queries", be16(b)) })
	t.field(2, "Reserved", says("0"))
	t.field(16, "Multicast Address", func(b []byte) string {
		a, _ := netip.AddrFromSlice(b)
		switch {
		case typ == 131:
			return a.String() + ": I listen to it (RFC 2710)"
		case typ == 132:
			return a.String() + ": I listen no longer (RFC 2710)"
		case a.IsUnspecified():
			return "none: who listens to anything? (RFC 2710)"
		}
		return a.String() + ": who listens to it? (RFC 2710)"
	})
	t.rest("Version 2 fields", "flags, interval and sources (RFC 3810 §5.1)")
}

// listenerReport tells an MLDv2 report (RFC 3810 §5.2).
func (t *teller) listenerReport() {
	t.field(2, "Reserved", says("0"))
	records := 0
	t.field(2, "Nr of Mcast Records", func(b []byte) string {
		records = be16(b)
		return count(records, "record") + " (RFC 3810 §5.2)"
	})
	for i := 0; i < records && t.at < t.end && !t.cut; i++ {
		if i == maxListed {
			t.rest("More records", "not shown")
			return
		}
		t.field(1, "Record Type", func(b []byte) string {
			names := [...]string{
				"no meaning", "listens only to these sources", "listens to all but these sources",
				"now listens only to these sources", "now listens to all but these sources",
				"allows these sources too", "blocks these sources",
			}
			if int(b[0]) < len(names) {
				return fmt.Sprintf("%d: %s", b[0], names[b[0]])
			}
			return fmt.Sprintf("%d: no meaning", b[0])
		})
		aux, sources := 0, 0
		t.field(1, "Aux Data Len", func(b []byte) string { aux = 4 * int(b[0]); return count(aux, "byte") })
		t.field(2, "Number of Sources", func(b []byte) string { sources = be16(b); return fmt.Sprint(sources) })
		t.field(16, "Multicast Address", addressWords)
		if t.cut {
			return
		}
		t.within(16*sources, func() { t.addresses("Source", 1) })
		if aux > 0 {
			t.within(aux, func() { t.rest("Auxiliary Data", "ignored") })
		}
	}
	t.rest("Behind the records", "ignored")
}

// neighbor tells a Neighbor Solicitation or Advertisement (RFC 4861 §4.3, §4.4).
func (t *teller) neighbor(typ uint8) {
	if typ == 135 {
		t.field(4, "Reserved", says("0"))
		t.field(16, "Target Address", func(b []byte) string { return targetWords(b, "who has it? (RFC 4861 §4.3)") })
	} else {
		b := t.field(4, "Flags, Reserved", says("RFC 4861 §4.4"))
		if b != nil {
			t.bits(b[:1], 0, 0, "R", "%s", pick(bitsOf(b, 0, 0), "not set: no router", "set: the sender is a router"))
			t.bits(b[:1], 1, 1, "S", "%s", pick(bitsOf(b, 1, 1), "not set: nobody asked", "set: this answers a solicitation"))
			t.bits(b[:1], 2, 2, "O", "%s", pick(bitsOf(b, 2, 2), "not set: keep a link address known before", "set: forget a link address known before"))
		}
		t.field(16, "Target Address", func(b []byte) string { return targetWords(b, "the sender has it") })
	}
	t.neighborOptions()
}

func (t *teller) routerAdvertisement() {
	t.field(1, "Cur Hop Limit", func(b []byte) string { return fmt.Sprintf("%d: use this hop limit; 0: not said", b[0]) })
	b := t.field(1, "Flags", says("RFC 4861 §4.2"))
	t.bits(b, 0, 0, "M", "%s", pick(bitsOf(b, 0, 0), "not set", "set: addresses come by DHCPv6"))
	t.bits(b, 1, 1, "O", "%s", pick(bitsOf(b, 1, 1), "not set", "set: other settings come by DHCPv6"))
	t.field(2, "Router Lifetime", func(b []byte) string {
		return fmt.Sprintf("%d s as default router", be16(b))
	})
	t.field(4, "Reachable Time", func(b []byte) string { return fmt.Sprintf("%d ms; 0: not said", be32(b)) })
	t.field(4, "Retrans Timer", func(b []byte) string { return fmt.Sprintf("%d ms; 0: not said", be32(b)) })
	t.neighborOptions()
}

// neighborOptions tells the options of Neighbor Discovery, whose lengths count
// 8 bytes (RFC 4861 §4.6).
func (t *teller) neighborOptions() {
	for i := 0; t.at < t.end && !t.cut; i++ {
		if i == maxListed {
			t.rest("More options", "not shown")
			return
		}
		typ := t.b[t.at]
		t.field(1, "Option Type", func([]byte) string { return fmt.Sprintf("%d: %s", typ, neighborOptionName(typ)) })
		length := 0
		t.field(1, "Option Length", func(b []byte) string {
			length = 8 * int(b[0])
			if length == 0 {
				return "0: wrong, the packet must be dropped (RFC 4861 §4.6)"
			}
			return count(int(b[0]), "unit") + " of 8 bytes, with type and length"
		})
		if length == 0 {
			t.rest("Unreadable", "where the next option begins, nobody can say")
			return
		}
		t.within(length-2, func() { t.neighborOption(typ) })
	}
}

func neighborOptionName(typ uint8) string {
	switch typ {
	case 1:
		return "Source Link-Layer Address"
	case 2:
		return "Target Link-Layer Address"
	case 3:
		return "Prefix Information"
	case 4:
		return "Redirected Header"
	case 5:
		return "MTU"
	case 14:
		return "Nonce (RFC 3971 §5.3.2)"
	case 24:
		return "Route Information (RFC 4191)"
	case 25:
		return "Recursive DNS Server (RFC 8106)"
	case 31:
		return "DNS Search List (RFC 8106)"
	}
	return "no option this page knows"
}

func (t *teller) neighborOption(typ uint8) {
	n := t.end - t.at
	switch {
	case (typ == 1 || typ == 2) && n == 6:
		t.field(6, "Link-Layer Address", func(b []byte) string {
			return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4], b[5])
		})
	case typ == 3 && n == 30:
		t.field(1, "Prefix Length", func(b []byte) string { return fmt.Sprintf("/%d", b[0]) })
		b := t.field(1, "Flags", says(""))
		t.bits(b, 0, 0, "L", "%s", pick(bitsOf(b, 0, 0), "not set", "set: the prefix is on this link"))
		t.bits(b, 1, 1, "A", "%s", pick(bitsOf(b, 1, 1), "not set", "set: make yourself an address from it"))
		t.field(4, "Valid Lifetime", lifetimeWords)
		t.field(4, "Preferred Lifetime", lifetimeWords)
		t.field(4, "Reserved", says("0"))
		t.field(16, "Prefix", addressWords)
	case typ == 5 && n == 6:
		t.field(2, "Reserved", says("0"))
		t.field(4, "MTU", func(b []byte) string { return fmt.Sprintf("%d bytes on this link", be32(b)) })
	case typ == 4 && n >= 6:
		t.field(6, "Reserved", says("0"))
		t.rest("Redirected packet", "the beginning of the packet that was redirected")
	default:
		t.rest("Data", "not read further")
	}
}

func lifetimeWords(b []byte) string {
	if be32(b) == 0xffffffff {
		return "for ever"
	}
	return fmt.Sprintf("%d s", be32(b))
}
