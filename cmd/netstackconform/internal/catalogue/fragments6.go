package catalogue

import (
	"bytes"

	"netstackd/cmd/netstackconform/internal/suite"
	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/wire"
)

func fragments6() []suite.Case {
	whole := ping6(byhandtest.IPv6{}, 64) // 72 bytes of ICMP
	return []suite.Case{
		{
			// "If any of the fragments being reassembled overlap with any other
			// fragments being reassembled for the same packet, reassembly of that
			// packet must be abandoned". Only exact duplicates need not count.
			ID: "fragments6-subset", Title: "a fragment within another is an overlap",
			Requirement: suite.Must, RFC: "RFC 5722 §4",
			Steps: ask(pieces(whole, piece{0, 48, true}, piece{8, 16, true}, piece{48, 24, false}), suite.Silence()),
		},
		{
			ID: "fragments6-superset", Title: "so is one around another",
			Requirement: suite.Must, RFC: "RFC 5722 §4",
			Steps: ask(pieces(whole, piece{8, 16, true}, piece{0, 48, true}, piece{48, 24, false}), suite.Silence()),
		},
		{
			ID: "fragments6-overlap-last", Title: "so is a last one that begins within another",
			Requirement: suite.Must, RFC: "RFC 5722 §4",
			Steps: ask(pieces(whole, piece{0, 48, true}, piece{40, 32, false}), suite.Silence()),
		},
		{
			// They may be dropped, or take the packet with them: "an implementation
			// may choose to detect this case and drop exact duplicate fragments
			// while keeping the other fragments belonging to the same packet".
			ID: "fragments6-duplicate", Title: "an exact duplicate makes no other packet",
			Requirement: suite.Must, RFC: "RFC 8200 §4.5",
			Steps: ask(pieces(whole, piece{0, 24, true}, piece{0, 24, true}, piece{24, 48, false}), suite.AnyOf(pong(), suite.Silence())),
		},
		{
			// With other data it is no exact one.
			ID: "fragments6-duplicate-other", Title: "a fragment in the place of another, with other data, is an overlap",
			Requirement: suite.Must, RFC: "RFC 5722 §4",
			Place: "network/internal/fragmentation/reassembler.go process",
			Steps: ask(func(x *suite.Exchange) [][]byte {
				f := pieces(whole, piece{24, 48, false}, piece{24, 48, false}, piece{0, 24, true})(x)
				for i := len(f[1]) - 8; i < len(f[1]); i++ {
					f[1][i] ^= 0xff
				}
				return f
			}, suite.Silence()),
		},
		{
			// "The Next Header values in the Fragment headers of different
			// fragments of the same original packet may differ. Only the value from
			// the Offset zero fragment packet is used for reassembly."
			ID: "fragments6-next-header", Title: "the first fragment says what the data are, whatever others say",
			Requirement: suite.Must, RFC: "RFC 8200 §4.5",
			Steps: ask(func(x *suite.Exchange) [][]byte {
				f := cut(whole, []int{24})(x)
				f[1][40] = unknownProtocol
				return f
			}, pong()),
		},
		{
			ID: "fragments6-next-header-backwards", Title: "the same where the first comes last",
			Requirement: suite.Must, RFC: "RFC 8200 §4.5",
			Steps: ask(func(x *suite.Exchange) [][]byte {
				f := cut(whole, []int{24})(x)
				f[1][40] = unknownProtocol
				return [][]byte{f[1], f[0]}
			}, pong()),
		},
		{
			// "The number and content of the headers preceding the Fragment header
			// of different fragments of the same original packet may differ."
			ID: "fragments6-headers-differ", Title: "fragments may have other headers before that of the fragment",
			Requirement: suite.Must, RFC: "RFC 8200 §4.5",
			Steps: ask(func(x *suite.Exchange) [][]byte {
				first := cut(whole, []int{24})(x)[0]
				e := x.Echoes[len(x.Echoes)-1]
				h := x.V6(byhandtest.IPv6{Extensions: []byhandtest.Extension{destination(0x1e)}})
				m := e.Request6(h.Src, h.Dst)
				late := byhandtest.SplitBehind(h.Packet(m), 48, uint32(x.ID), 24)[1]
				return [][]byte{first, late}
			}, pong()),
		},
		{
			// "A node must be able to accept a fragmented packet that, after
			// reassembly, is as large as 1500 octets."
			ID: "fragments6-1500", Title: "a packet of 1,500 bytes in fragments is put together",
			Requirement: suite.Must, RFC: "RFC 8200 §5",
			Steps: ask(cut(ping6(byhandtest.IPv6{}, 1500-48), byhandtest.Every(8, 1500-40)), pong()),
		},
		{
			ID: "fragments6-5000", Title: "one of 5,000 bytes may be, and is answered in fragments",
			Requirement: suite.May, RFC: "RFC 8200 §5",
			Steps: ask(cut(ping6(byhandtest.IPv6{}, 5000-48), byhandtest.Every(1400, 5000-40)), suite.AnyOf(pong(), suite.Silence())),
		},
		{
			// "An original packet is reassembled only from fragment packets that
			// have the same Source Address, Destination Address, and Fragment
			// Identification."
			ID: "fragments6-of-others", Title: "fragments of another identification or source are not joined",
			Requirement: suite.Must, RFC: "RFC 8200 §4.5",
			Steps: ask(func(x *suite.Exchange) [][]byte {
				f := cut(whole, []int{24})(x)
				id, source := bytes.Clone(f[1]), bytes.Clone(f[1])
				id[47] ^= 0x55
				source[22] ^= 0x55
				return [][]byte{f[0], id, source}
			}, suite.Silence()),
		},
		{
			// Of the headers before that of the fragment those "of the first
			// fragment packet" count: the hop limit of a later one does not matter.
			ID: "fragments6-hop-limit", Title: "fragments need not have the same hop limit",
			Requirement: suite.Must, RFC: "RFC 8200 §4.5",
			Steps: ask(func(x *suite.Exchange) [][]byte {
				f := cut(whole, []int{24})(x)
				f[1][7] = 1
				return f
			}, pong()),
		},
		{
			// The length of the fragment would call for one (RFC 8200 §4.5).
			ID: "error6-about-error-fragment", Title: "no error about a fragment of an error, over IPv6",
			Requirement: suite.Must, RFC: "RFC 4443 §2.4",
			Place: "network/ipv6/icmp.go returnError",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				return byhandtest.Fragment(x.V6(byhandtest.IPv6{}).Packet(nil), message6(x, 1, 48)[:51], uint32(x.ID), 0, true)
			}), suite.Silence()),
		},
		{
			// "(e.3) A packet destined to an IPv6 multicast address", whatever RFC
			// 8200 §4.5 asks for.
			ID: "error6-fragment-multicast", Title: "no error about a fragment of odd length to a group",
			Requirement: suite.Must, RFC: "RFC 4443 §2.4",
			Steps: ask(pieces(ping6(byhandtest.IPv6{Dst: "ff02::1"}, 64), piece{0, 30, true}), suite.Silence()),
		},
	}
}

// errors6 are cases of when no ICMPv6 error may be sent, and of headers that are
// read at the destination.
func errors6() []suite.Case {
	hop := func(kind byte) send {
		return ping6(byhandtest.IPv6{Extensions: []byhandtest.Extension{{Protocol: wire.ProtocolHopByHop, Body: []byte{0, kind, 2, 0, 0, 1, 0}}}}, 16)
	}
	report := func(code uint8, at int) suite.Want {
		return suite.Reply(suite.Error(suite.BadParameter6, code), suite.Pointer(at))
	}
	group := func(e ...byhandtest.Extension) send { return ping6(byhandtest.IPv6{Dst: "ff02::1", Extensions: e}, 16) }
	return []suite.Case{
		{
			// "(e.1) An ICMPv6 error message", of whatever type under 128. The
			// option would call for one.
			ID: "error6-about-errors", Title: "no error about an error of any type, over IPv6",
			Requirement: suite.Must, RFC: "RFC 4443 §2.4",
			Steps: ask(func(x *suite.Exchange) (all [][]byte) {
				for _, kind := range []byte{1, 2, 3, 4, 100, 101, 127} {
					all = append(all, x.V6(byhandtest.IPv6{Extensions: []byhandtest.Extension{destination(0x9e)}}).Packet(message6(x, kind, 48)))
				}
				return all
			}, suite.Silence()),
		},
		{
			// "(e.3) A packet destined to an IPv6 multicast address": only code 2
			// of an option is excepted.
			ID: "error6-next-header-multicast", Title: "no error about an unknown next header of a multicast",
			Requirement: suite.Must, RFC: "RFC 4443 §2.4",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				return x.V6(byhandtest.IPv6{Dst: "ff02::1", Protocol: unknownProtocol}).Packet(byhandtest.Data(16))
			}), suite.Silence()),
		},
		{
			ID: "error6-routing-multicast", Title: "no error about an unknown routing type of a multicast",
			Requirement: suite.Must, RFC: "RFC 4443 §2.4",
			Steps: ask(group(routing(200, 1)), suite.Silence()),
		},
		{
			// "(e.6) A packet whose source address does not uniquely identify a
			// single node".
			ID: "error6-port-unspecified", Title: "no error to the unspecified address about a closed port",
			Requirement: suite.Must, RFC: "RFC 4443 §2.4",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				return byhandtest.UDP{SrcPort: x.Port, DstPort: suite.ClosedPort}.Packet("::", suite.Host6)
			}), suite.Silence()),
		},
		{
			ID: "error6-to-multicast", Title: "no error to a multicast address",
			Requirement: suite.Must, RFC: "RFC 4443 §2.4",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				return byhandtest.UDP{SrcPort: x.Port, DstPort: suite.ClosedPort}.Packet("ff02::1:9", suite.Host6)
			}), suite.Silence()),
		},
		{
			ID: "v6-hop-by-hop-skip", Title: "an unknown hop-by-hop option of type 00xxxxxx is skipped",
			Requirement: suite.Must, RFC: "RFC 8200 §4.2",
			Steps: ask(hop(0x1e), pong()),
		},
		{
			ID: "v6-hop-by-hop-discard", Title: "an unknown hop-by-hop option of type 01xxxxxx discards the packet",
			Requirement: suite.Must, RFC: "RFC 8200 §4.2",
			Steps: ask(hop(0x5e), suite.Silence()),
		},
		{
			ID: "v6-hop-by-hop-report", Title: "an unknown hop-by-hop option of type 10xxxxxx is reported",
			Requirement: suite.Must, RFC: "RFC 8200 §4.2",
			Steps: ask(hop(0x9e), report(2, 42)),
		},
		{
			ID: "v6-hop-by-hop-report-unicast", Title: "an unknown hop-by-hop option of type 11xxxxxx is reported",
			Requirement: suite.Must, RFC: "RFC 8200 §4.2",
			Steps: ask(hop(0xde), report(2, 42)),
		},
		{
			// "... a particular option is identified by a full 8-bit Option Type,
			// not just the low-order 5 bits of an Option Type." 0x41 has those of
			// PadN.
			ID: "v6-option-type-whole", Title: "an option is known by all 8 bits of its type",
			Requirement: suite.Must, RFC: "RFC 8200 §4.2",
			Steps: ask(with6(destination(0x41)), suite.Silence()),
		},
		{
			// The first 4 bits say 5, the link IPv6.
			ID: "v6-version-5", Title: "a version other than 6 is discarded in silence, over IPv6",
			Requirement: suite.Must, RFC: "RFC 8200 §3",
			Steps: ask(edit(ping6(byhandtest.IPv6{}, 16), func(b []byte) { b[0] = 0x50 }), suite.Silence()),
		},
		{
			// The flow label is "used by a source": to a host that does not use it
			// it means nothing.
			ID: "v6-flow-label", Title: "a flow label is no obstacle",
			Requirement: suite.Must, RFC: "RFC 8200 §6",
			Steps: ask(ping6(byhandtest.IPv6{FlowLabel: 0xfffff}, 16), pong()),
		},
		{
			// "The value 59 in the Next Header field of an IPv6 header or any
			// extension header indicates that there is nothing following that
			// header."
			ID: "v6-no-next-header-far", Title: "nothing follows next header 59 behind other headers, and nothing is said",
			Requirement: suite.Must, RFC: "RFC 8200 §4.7",
			Steps: ask(one(func(x *suite.Exchange) []byte {
				return x.V6(byhandtest.IPv6{Protocol: 59, Extensions: []byhandtest.Extension{hopByHop(), destination(0x1e)}}).Packet(nil)
			}), suite.Silence()),
		},
		{
			// Its length says more than there is.
			ID: "v6-extension-past-end", Title: "an extension header that runs past the packet is not answered as if it were whole",
			Requirement: suite.Must, RFC: "RFC 8200 §4",
			Steps: ask(edit(with6(destination(0x1e)), func(b []byte) { b[41] = 200 }),
				suite.AnyOf(suite.Silence(), suite.Reply(suite.That("a parameter problem", func(_ *suite.Exchange, p *wire.Packet) string {
					if p.Upper != wire.LayerICMPv6 || p.ICMP.Type != suite.BadParameter6 {
						return "another message"
					}
					return ""
				})))),
		},
		{
			// An option says that it is longer than its header.
			ID: "v6-option-past-header", Title: "an option that runs past its header is not answered as if it were whole",
			Requirement: suite.Must, RFC: "RFC 8200 §4.2",
			Steps: ask(edit(with6(destination(0x1e)), func(b []byte) { b[43] = 200 }),
				suite.AnyOf(suite.Silence(), suite.Reply(suite.That("a parameter problem", func(_ *suite.Exchange, p *wire.Packet) string {
					if p.Upper != wire.LayerICMPv6 || p.ICMP.Type != suite.BadParameter6 {
						return "another message"
					}
					return ""
				})))),
		},
	}
}

// with6 pings with extension headers.
func with6(e ...byhandtest.Extension) send { return ping6(byhandtest.IPv6{Extensions: e}, 16) }
