package wire

import (
	"fmt"
	"net/netip"
	"slices"
)

// options goes through the options of both IPv4 headers.
func (r *replyTeller) options() {
	if r.request.Version != 4 || !r.request.IPv4.HasOptions() && !r.reply.IPv4.HasOptions() {
		return
	}
	r.section("IPv4 options (RFC 1122 §3.2.2.6)")
	for _, o := range optionsOf(&r.request) {
		r.option(o)
	}
	for _, o := range optionsOf(&r.reply) {
		if _, ok := findOption(&r.request, o.Type); !ok {
			r.text("%s: the reply has it at byte %d, and the request has none.", IPv4OptionName(o.Type), o.Offset)
		}
	}
}

// option says what becomes of one option of the request.
func (r *replyTeller) option(o Option) {
	name := IPv4OptionName(o.Type)
	back, ok := findOption(&r.reply, o.Type)
	pointers := func() string {
		if !ok || o.Len < 3 || back.Len < 3 {
			return "the reply does not bring it back"
		}
		return fmt.Sprintf("its pointer goes from %d to %d", r.request.Bytes[o.Offset+2], r.reply.Bytes[back.Offset+2])
	}
	switch o.Type {
	case OptionRecordRoute, OptionTimestamp:
		r.text("%s: it should be brought back, updated by the replier; %s.", name, pointers())
	case OptionLooseSourceRoute, OptionStrictSourceRoute:
		r.text("%s: it must be brought back with the route reversed; %s.", name, pointers())
		if offence := r.routeOffence(); offence != "" {
			r.text("WRONG: %s", offence)
		}
	default:
		if !ok {
			r.text("%s: not brought back; nothing asks for it.", name)
			return
		}
		r.text("%s: brought back; nothing asks for it.", name)
	}
}

// optionsOf lists a header's options, fillers left out.
func optionsOf(p *Packet) []Option {
	var out []Option
	for off := ipv4HeaderLen; off < p.IPv4.HeaderLen; {
		o, ok := p.Option(off)
		if !ok || o.Type == OptionEnd {
			break
		}
		if o.Type != OptionNop {
			out = append(out, o)
		}
		off += o.Len
	}
	return out
}

func findOption(p *Packet, typ uint8) (Option, bool) {
	for _, o := range optionsOf(p) {
		if o.Type == typ {
			return o, true
		}
	}
	return Option{}, false
}

// routeOffence says how the reply fails to go back along the request's source
// route, or "": from the last router recorded to the first, and then to the
// sender (RFC 1122 §3.2.1.8 (c), §3.2.2.6).
func (r *replyTeller) routeOffence() string {
	for _, typ := range [...]uint8{OptionLooseSourceRoute, OptionStrictSourceRoute} {
		o, ok := findOption(&r.request, typ)
		if !ok {
			continue
		}
		back, ok := findOption(&r.reply, typ)
		if !ok {
			return "the reply has none."
		}
		want := []netip.Addr{r.request.Src}
		for _, a := range routeOf(&r.request, o) {
			want = append([]netip.Addr{a}, want...)
		}
		got := append([]netip.Addr{r.reply.Dst}, routeOf(&r.reply, back)...)
		if !slices.Equal(got, want) {
			return fmt.Sprintf("the reply goes by %v, and the way back is %v.", got, want)
		}
	}
	return ""
}

// routeOf lists the addresses of a source route.
func routeOf(p *Packet, o Option) []netip.Addr {
	var out []netip.Addr
	for at := o.Offset + 3; at+4 <= o.Offset+o.Len; at += 4 {
		out = append(out, netip.AddrFrom4([4]byte(p.Bytes[at:at+4])))
	}
	return out
}
