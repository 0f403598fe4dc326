package suite

import (
	"fmt"
	"net/netip"
	"strings"

	"netstackd/hooks/wire"
)

// A Want is what is due after a step.
type Want struct {
	// Text says it in words, behind "wanted".
	Text string
	// silent says that no reply is waited for.
	silent bool
	// repeats says that segments which come again are for judge to tell.
	repeats bool
	// judge says what is otherwise, or nothing.
	judge func(x *Exchange, got []*wire.Packet) string
}

// Silence is due.
func Silence() Want {
	return Want{Text: "silence", silent: true, judge: func(_ *Exchange, got []*wire.Packet) string {
		if len(got) == 0 {
			return ""
		}
		return "came: " + describeAll(got)
	}}
}

// Anything will do: the step only prepares the next.
func Anything() Want {
	return Want{Text: "anything", silent: true, judge: func(*Exchange, []*wire.Packet) string { return "" }}
}

// Reply wants exactly one, which all of the matches fit.
func Reply(matches ...Match) Want { return Replies(All(matches...)) }

// Replies wants as many as matches, each of which fits one, in any order.
func Replies(matches ...Match) Want {
	texts := make([]string, 0, len(matches))
	for _, m := range matches {
		texts = append(texts, m.Text)
	}
	return Want{Text: strings.Join(texts, "; "), judge: func(x *Exchange, got []*wire.Packet) string {
		rest := append([]*wire.Packet(nil), got...)
		for _, m := range matches {
			if len(rest) == 0 {
				return "silence"
			}
			why, at := "", -1
			for i, p := range rest {
				reason := sound(p)
				if reason == "" {
					reason = m.Check(x, p)
				}
				if reason == "" {
					at = i
					break
				}
				if why == "" {
					why = reason
				}
			}
			if at < 0 {
				return why + ": " + describeAll(rest)
			}
			rest = append(rest[:at], rest[at+1:]...)
		}
		if len(rest) > 0 {
			return "came besides: " + describeAll(rest)
		}
		return ""
	}}
}

// AnyOf wants one of them: what the RFC leaves open.
func AnyOf(wants ...Want) Want {
	w := Want{}
	texts := make([]string, 0, len(wants))
	for _, one := range wants {
		texts = append(texts, one.Text)
		w.silent = w.silent || one.silent
	}
	w.Text = strings.Join(texts, ", or ")
	w.judge = func(x *Exchange, got []*wire.Packet) string {
		why := ""
		for _, one := range wants {
			reason := one.judge(x, got)
			if reason == "" {
				return ""
			}
			// What says most of what came is the reason of one that wants it.
			if why == "" || !one.silent && len(got) > 0 {
				why = reason
			}
		}
		return why
	}
	return w
}

// Forwarded wants one packet that the host has only passed on, and so is not from
// an address of its own.
func Forwarded(text string, check func(x *Exchange, p *wire.Packet) string) Want {
	return Want{Text: text, judge: func(x *Exchange, got []*wire.Packet) string {
		switch {
		case len(got) == 0:
			return "silence"
		case len(got) > 1:
			return "came: " + describeAll(got)
		}
		return check(x, got[0])
	}}
}

// own are the addresses that a reply may come from (RFC 1122 §3.2.1.3).
var own = map[netip.Addr]bool{Prefix4.Addr(): true, Prefix6.Addr(): true}

// sound says what is wrong with a reply, whatever was asked for.
func sound(p *wire.Packet) string {
	if !p.Problem.IsZero() {
		return "the reply is malformed, " + p.Problem.Reason
	}
	for _, c := range p.Checksums(nil) {
		if c.Verdict == wire.Bad {
			return fmt.Sprintf("the reply's %s checksum is 0x%04x, by hand 0x%04x", c.Layer, c.Seen, c.Hand)
		}
	}
	if !own[p.Src] {
		return fmt.Sprintf("the reply is from %s", p.Src)
	}
	if p.Version == 4 && p.IPv4.Reserved {
		return "the reply has the reserved flag" // RFC 791 §3.1: must be zero
	}
	return ""
}

func describeAll(got []*wire.Packet) string {
	texts := make([]string, 0, len(got))
	for _, p := range got {
		texts = append(texts, Describe(p))
	}
	return strings.Join(texts, "; ")
}

// Describe says in a few words what a packet is.
func Describe(p *wire.Packet) string {
	text := fmt.Sprintf("a packet of %d bytes", len(p.Bytes))
	switch p.Upper {
	case wire.LayerICMPv4, wire.LayerICMPv6:
		text = wire.ICMPTypeName(p.Version, p.ICMP.Type, p.ICMP.Code)
	case wire.LayerTCP:
		text = fmt.Sprintf("TCP %s, seq %d, ack %d", wire.TCPFlagNames(p.TCP.Flags), p.TCP.Seq, p.TCP.Ack)
	case wire.LayerUDP:
		text = fmt.Sprintf("UDP from port %d, %d bytes", p.UDP.SrcPort, p.UDP.Length)
	}
	if !own[p.Src] {
		text += " from " + p.Src.String()
	}
	return text
}
