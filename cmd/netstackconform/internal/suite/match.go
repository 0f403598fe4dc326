package suite

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"

	"netstackd/hooks/wire"
)

// A Match is what a reply must be like.
type Match struct {
	// Text says it in words.
	Text string
	// Check says what is otherwise, or nothing.
	Check func(x *Exchange, p *wire.Packet) string
}

// All fits what all of them fit.
func All(matches ...Match) Match {
	if len(matches) == 1 {
		return matches[0]
	}
	texts := make([]string, 0, len(matches))
	for _, m := range matches {
		texts = append(texts, m.Text)
	}
	return Match{strings.Join(texts, ", "), func(x *Exchange, p *wire.Packet) string {
		for _, m := range matches {
			if why := m.Check(x, p); why != "" {
				return why
			}
		}
		return ""
	}}
}

// That fits what a function says is as it should be.
func That(text string, check func(x *Exchange, p *wire.Packet) string) Match {
	return Match{text, check}
}

// toPeer says whether a reply goes back to the case.
func toPeer(x *Exchange, p *wire.Packet) string {
	if p.Dst == netip.MustParseAddr(x.Peer4) || p.Dst == netip.MustParseAddr(x.Peer6) {
		return ""
	}
	return fmt.Sprintf("the reply goes to %s", p.Dst)
}

// Options4 fits an IPv4 reply whose header has these options.
func Options4(want []byte) Match {
	text := "no IPv4 options"
	if len(want) > 0 {
		text = fmt.Sprintf("IPv4 options %x", want)
	}
	return Match{text, func(_ *Exchange, p *wire.Packet) string {
		if p.Version != 4 {
			return "the reply is not IPv4"
		}
		if got := p.Bytes[20:p.IPv4.HeaderLen]; !bytes.Equal(got, want) {
			return fmt.Sprintf("the reply's IPv4 options are %x, not %x", got, want)
		}
		return ""
	}}
}

// TOS0 fits an IPv4 reply with a type of service of 0.
func TOS0() Match {
	return Match{"type of service 0", func(_ *Exchange, p *wire.Packet) string {
		if p.Version == 4 && p.IPv4.TOS != 0 {
			return fmt.Sprintf("the reply's type of service is 0x%02x", p.IPv4.TOS)
		}
		return ""
	}}
}

// Datagram fits a UDP datagram from the port with the data.
func Datagram(port uint16, data []byte) Match {
	return Match{fmt.Sprintf("a datagram from port %d with %d bytes", port, len(data)), func(x *Exchange, p *wire.Packet) string {
		switch {
		case p.Upper != wire.LayerUDP:
			return "not a datagram"
		case toPeer(x, p) != "":
			return toPeer(x, p)
		case p.UDP.SrcPort != port || p.UDP.DstPort != x.Port:
			return "its ports are others"
		case !bytes.Equal(p.Data()[8:p.UDP.Length], data):
			return "its data is other"
		}
		return ""
	}}
}
