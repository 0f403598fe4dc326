package torture

import (
	"net/netip"
	"slices"

	"netstackd/hooks/byhand"
	"netstackd/hooks/trace"
	"netstackd/hooks/wire"
)

// A Listed is a difference that is netstack's deviation from an RFC, and known: a
// case of the catalogue shows it.
type Listed struct {
	// Case is its ID.
	Case string
	// Fits reports whether a difference is of that sort.
	Fits func(d *Difference) bool
}

// List are all of them.
func List() []Listed { return slices.Clone(list) }

// listedBy returns the case that lists a difference, or "".
func listedBy(d *Difference) string {
	for _, l := range list {
		if l.Fits(d) {
			return l.Case
		}
	}
	return ""
}

// The list is tried in its order.
var list = []Listed{
	{"reserved-flag", func(d *Difference) bool { return d.only("reserved flag") }},
	{"loose-source-route", func(d *Difference) bool {
		return d.only("loose source route option", "strict source route option", "destination") &&
			d.option(isOneOf(wire.OptionLooseSourceRoute, wire.OptionStrictSourceRoute)) > 0
	}},
	{"loose-source-route-incomplete", func(d *Difference) bool {
		return d.Reason == byhand.ReasonSourceRoute && d.option(isOneOf(wire.OptionLooseSourceRoute)) > 0
	}},
	{"strict-source-route-incomplete", func(d *Difference) bool {
		return d.Reason == byhand.ReasonSourceRoute && d.option(isOneOf(wire.OptionStrictSourceRoute)) > 0
	}},
	{"router-alert-value", func(d *Difference) bool {
		at := d.option(func(_ int, o []byte, _ bool) bool {
			return o[0] == wire.OptionRouterAlert && len(o) == 4 && (o[2] != 0 || o[3] != 0)
		})
		return d.complains(at, at+2)
	}},
	{"option-experiment", func(d *Difference) bool {
		at := d.option(func(_ int, o []byte, _ bool) bool { return o[0] == 30 && len(o) != 4 })
		return d.complains(at, at+1)
	}},
	{"option-unknown-twice", func(d *Difference) bool {
		// The pointer is to one that comes again, if there are several.
		again := 0
		d.option(func(at int, _ []byte, twice bool) bool {
			if twice && (again == 0 || d.complains(at, at)) {
				again = at
			}
			return false
		})
		return d.complains(again, again)
	}},
	{"option-bad-late-datagram", func(d *Difference) bool {
		if d.Result != trace.Unexpected || !isProblem(&d.Said) || len(d.Said.Data()) < 8 {
			return false
		}
		var quote wire.Packet // nothing is asked by a fragment alone
		quote.Decode(d.Said.Data()[8:])
		return quote.Fragment.Offset > 0
	}},
	{"error-quotes-option", func(d *Difference) bool {
		if !d.only("quote", "quote length") || d.Asked.Version != 4 {
			return false
		}
		at := d.Diffs[0].Offset - d.Said.Payload - 8
		return at >= 20 && at < d.Asked.IPv4.HeaderLen
	}},
	{"tcp-listen-rst-syn-ack", func(d *Difference) bool {
		const all = wire.TCPRst | wire.TCPSyn | wire.TCPAck
		return d.Result == trace.Unexpected && d.Asked.Upper == wire.LayerTCP && d.Asked.TCP.Flags&all == all
	}},
	{"fragments6-duplicate-other", func(d *Difference) bool { return d.Result == trace.Unexpected && d.Duplicated }},
	{"fragments6-header-chain-cut", func(d *Difference) bool {
		return d.Result == trace.Missing && d.Reason == byhand.ReasonHeaderChainCut
	}},
	{"error6-quotes-behind-udp", func(d *Difference) bool {
		return d.only("quote length") && d.Asked.Version == 6 && len(d.Said.Data()) == 8+d.Asked.Payload+d.Asked.UDP.Length &&
			d.Asked.Upper == wire.LayerUDP && d.Asked.UDP.Length < len(d.Asked.Data())
	}},
	{"error6-quotes-trailing", func(d *Difference) bool {
		return d.only("quote length") && d.Asked.Version == 6 && d.Trailing > 0
	}},
	{"v6-pointer-far", func(d *Difference) bool {
		return d.only("pointer") && slices.ContainsFunc(d.Asked.IPv6.Extensions[:d.Asked.IPv6.Count], func(e wire.Extension) bool { return e.Len >= 256 })
	}},
	{"udp6-checksum-absent-fits", func(d *Difference) bool {
		return d.Result == trace.Unexpected && d.Asked.Version == 6 && d.Asked.Upper == wire.LayerUDP && d.Asked.UDP.Checksum == 0
	}},
	{"v6-trailing-bytes-extension", func(d *Difference) bool {
		return d.Result != trace.Differ && d.Asked.Version == 6 && d.Asked.IPv6.Count > 0 && d.Trailing > 0
	}},
	{"source-unspecified", func(d *Difference) bool {
		return d.fromNowhere(wire.LayerICMPv4, netip.PrefixFrom(netip.IPv4Unspecified(), 32))
	}},
	{"source-this-network", func(d *Difference) bool { return d.fromNowhere(wire.LayerICMPv4, thisNetwork) }},
	{"tcp-source-this-network", func(d *Difference) bool { return d.fromNowhere(wire.LayerTCP, thisNetwork) }},
	{"error-to-this-network", func(d *Difference) bool {
		return d.Result == trace.Unexpected && thisNetwork.Contains(d.Said.Dst)
	}},
	{"source6-unspecified", func(d *Difference) bool {
		return d.fromNowhere(wire.LayerICMPv6, netip.PrefixFrom(netip.IPv6Unspecified(), 128))
	}},
	{"error-to-class-e", func(d *Difference) bool {
		return classE.Contains(d.Said.Dst) && (d.Result == trace.Unexpected || d.only("message") && isProblem(&d.Said))
	}},
	{"solicitation-option-other", func(d *Difference) bool {
		// Of types that it knows from other messages netstack looks at the contents.
		return d.Result == trace.Missing && isSolicitation(&d.Asked) &&
			d.hasNeighbourOption(prefixInformation, routeInformation, recursiveDNS, searchList)
	}},
	{"solicitation-multicast-bare", func(d *Difference) bool {
		return d.Result == trace.Missing && isSolicitation(&d.Asked) && d.Asked.Dst.IsMulticast() &&
			!d.hasNeighbourOption(sourceLinkLayer)
	}},
}

// apart leaves the reserved flag out of what differs if more does: it is the one
// deviation that comes with any other.
func (d *Difference) apart() {
	if len(d.Diffs) > 1 {
		d.Diffs = slices.DeleteFunc(d.Diffs, func(f trace.Diff) bool { return f.Field == "reserved flag" })
	}
}

// Addresses of this network and of class E (RFC 1122 §3.2.1.3).
var (
	thisNetwork = netip.MustParsePrefix("0.0.0.0/8")
	classE      = netip.MustParsePrefix("240.0.0.0/4")
)

// only reports whether replies differ in nothing but some of the fields.
func (d *Difference) only(fields ...string) bool {
	return d.Result == trace.Differ && !slices.ContainsFunc(d.Diffs, func(f trace.Diff) bool { return !slices.Contains(fields, f.Field) })
}

// option returns the offset of the first IPv4 option in the request that fits, or 0. again
// says that one of its type was there before.
func (d *Difference) option(fits func(at int, o []byte, again bool) bool) int {
	var seen [256]bool
	for at := 20; at < d.Asked.IPv4.HeaderLen; {
		o, ok := d.Asked.Option(at)
		if !ok || o.Type == wire.OptionEnd {
			return 0
		}
		if o.Type != wire.OptionNop {
			if fits(o.Offset, d.Asked.Bytes[o.Offset:o.Offset+o.Len], seen[o.Type]) {
				return o.Offset
			}
			seen[o.Type] = true
		}
		at += o.Len
	}
	return 0
}

func isOneOf(kinds ...uint8) func(int, []byte, bool) bool {
	return func(_ int, o []byte, _ bool) bool { return slices.Contains(kinds, o[0]) }
}

// complains reports whether netstack says that there is a problem with the option at
// an offset, if there is one, at the place of the pointer, or would say so if it
// did not limit its errors.
func (d *Difference) complains(option, pointer int) bool {
	if option == 0 {
		return false
	}
	return d.Result == trace.Missing || isProblem(&d.Said) && len(d.Said.Data()) > 4 && int(d.Said.Data()[4]) == pointer
}

// isProblem reports whether a packet is an ICMPv4 parameter problem.
func isProblem(p *wire.Packet) bool { return p.Upper == wire.LayerICMPv4 && p.ICMP.Type == 12 }

// fromNowhere reports whether a packet from addresses to which nothing may be sent
// was answered in its own protocol.
func (d *Difference) fromNowhere(layer wire.Layer, sources netip.Prefix) bool {
	return d.Result == trace.Unexpected && d.Asked.Upper == layer && sources.Contains(d.Asked.Src) && (d.Said.Upper == layer || d.Said.Fragment.IsFragment())
}

// A neighbour solicitation's type, and its length in bytes without options (RFC 4861
// §4.3).
const (
	neighbourSolicitation = 135
	solicitationLen       = 24
)

// Options of Neighbour Discovery (RFC 4861 §4.6, RFC 4191 §2.3, RFC 8106 §5).
const (
	sourceLinkLayer   = 1
	prefixInformation = 3
	routeInformation  = 24
	recursiveDNS      = 25
	searchList        = 31
)

// hasNeighbourOption reports whether a neighbour solicitation has an option of one of the
// types.
func (d *Difference) hasNeighbourOption(types ...uint8) bool {
	for o := range d.neighbourOptions {
		if slices.Contains(types, o[0]) {
			return true
		}
	}
	return false
}

// neighbourOptions yields the options of a neighbour solicitation.
func (d *Difference) neighbourOptions(yield func(option []byte) bool) {
	b := d.Asked.Data()
	if len(b) < solicitationLen {
		return
	}
	for o := b[solicitationLen:]; len(o) >= 8 && o[1] != 0 && 8*int(o[1]) <= len(o); o = o[8*int(o[1]):] {
		if !yield(o[:8*int(o[1])]) {
			return
		}
	}
}
