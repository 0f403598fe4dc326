package trace

import (
	"encoding/json"
	"net/netip"
	"time"

	"netstackd/hooks"
	"netstackd/hooks/wire"
)

// A jsonRenderer writes one object a line.
type jsonRenderer struct{ level Level }

var _ renderer = (*jsonRenderer)(nil)

type jsonPacket struct {
	Type    string          `json:"type"`
	TS      string          `json:"ts"`
	Seq     uint64          `json:"seq"`
	Dir     hooks.Direction `json:"dir"`
	Len     int             `json:"len"`
	IP      *jsonIP         `json:"ip,omitempty"`
	Frag    *jsonFrag       `json:"frag,omitempty"`
	ICMP    *jsonICMP       `json:"icmp,omitempty"`
	TCP     *jsonTCP        `json:"tcp,omitempty"`
	UDP     *jsonUDP        `json:"udp,omitempty"`
	Problem *jsonProblem    `json:"problem,omitempty"`
	// Trailing counts the bytes received after the packet's own length.
	Trailing int `json:"trailing,omitempty"`
	// Checksums is nil at level packets, where they are left out.
	Checksums []jsonCheck `json:"checksums,omitzero"`
	Fate      hooks.Fate  `json:"fate"`
	Reason    string      `json:"reason"`
	// Explain is the whole working, at level explain, many lines of text.
	Explain string `json:"explain,omitempty"`
}

type jsonIP struct {
	Version uint8   `json:"version"`
	Src     string  `json:"src"`
	Dst     string  `json:"dst"`
	Proto   uint8   `json:"proto"`
	TTL     uint8   `json:"ttl"`
	ID      *uint16 `json:"id,omitempty"`
}

type jsonFrag struct {
	ID     uint32 `json:"id"`
	Offset int    `json:"offset"`
	More   bool   `json:"more"`
}

type jsonICMP struct {
	Type uint8   `json:"type"`
	Code uint8   `json:"code"`
	ID   *uint16 `json:"id,omitempty"`
	Seq  *uint16 `json:"seq,omitempty"`
}

type jsonTCP struct {
	SrcPort uint16 `json:"sport"`
	DstPort uint16 `json:"dport"`
	Seq     uint32 `json:"seq"`
	Ack     uint32 `json:"ack"`
	Flags   string `json:"flags"`
	Window  uint16 `json:"win"`
}

type jsonUDP struct {
	SrcPort uint16 `json:"sport"`
	DstPort uint16 `json:"dport"`
}

type jsonProblem struct {
	Reason string     `json:"reason"`
	Layer  wire.Layer `json:"layer"`
	Offset int        `json:"offset"`
	Seen   int        `json:"seen"`
	Limit  int        `json:"limit"`
}

type jsonCheck struct {
	Layer       wire.Layer   `json:"layer"`
	Offset      int          `json:"offset"`
	Seen        string       `json:"seen"`
	Hand        string       `json:"hand"`
	Verdict     wire.Verdict `json:"verdict"`
	Reassembled bool         `json:"reassembled,omitempty"`
}

type jsonCompare struct {
	Type      string `json:"type"`
	TS        string `json:"ts"`
	Seq       uint64 `json:"seq"`
	Request   uint64 `json:"request"`
	Responder string `json:"responder"`
	Live      bool   `json:"live"`
	Result    Result `json:"result"`
	Due       string `json:"due"`
	// Requirement is of what was due.
	Requirement Requirement `json:"requirement,omitempty"`
	Reason      string      `json:"reason,omitempty"`
	RFC         string      `json:"rfc,omitempty"`
	LatencyUS   *int64      `json:"latency_us,omitempty"`
	Diffs       []Diff      `json:"diffs"`
	Explain     string      `json:"explain,omitempty"`
}

func (r *jsonRenderer) packet(b []byte, p *Packet) []byte {
	w := &p.Packet
	j := jsonPacket{Type: "packet", TS: stamp(p.Time), Seq: p.Seq, Dir: p.Direction, Len: p.Len, Trailing: w.Trailing, Fate: p.Fate, Reason: p.Reason}
	if w.Src.IsValid() {
		j.IP = &jsonIP{Version: w.Version, Src: address(w.Src), Dst: address(w.Dst), Proto: w.Protocol, TTL: w.IPv4.TTL}
		if w.Version == 6 {
			j.IP.TTL = w.IPv6.HopLimit
		} else {
			j.IP.ID = &w.IPv4.ID
		}
	}
	if w.Fragment.Header {
		j.Frag = &jsonFrag{ID: w.Fragment.ID, Offset: w.Fragment.Offset, More: w.Fragment.More}
	}
	switch w.Upper {
	case wire.LayerICMPv4, wire.LayerICMPv6:
		j.ICMP = &jsonICMP{Type: w.ICMP.Type, Code: w.ICMP.Code}
		if isEcho(w) {
			j.ICMP.ID, j.ICMP.Seq = &w.ICMP.ID, &w.ICMP.Seq
		}
	case wire.LayerTCP:
		t := &w.TCP
		j.TCP = &jsonTCP{SrcPort: t.SrcPort, DstPort: t.DstPort, Seq: t.Seq, Ack: t.Ack, Flags: wire.TCPFlagString(t.Flags), Window: t.Window}
	case wire.LayerUDP:
		j.UDP = &jsonUDP{SrcPort: w.UDP.SrcPort, DstPort: w.UDP.DstPort}
	}
	if pr := w.Problem; !pr.IsZero() {
		j.Problem = &jsonProblem{Reason: pr.Reason, Layer: pr.Layer, Offset: pr.Offset, Seen: pr.Seen, Limit: pr.Limit}
	}
	if r.level != Packets {
		j.Checksums = make([]jsonCheck, 0, p.NChecks)
		for i, c := range p.Checks[:p.NChecks] {
			j.Checksums = append(j.Checksums, jsonCheck{
				Layer: c.Layer, Offset: c.Offset, Seen: hex16(c.Seen), Hand: hex16(c.Hand), Verdict: c.Verdict,
				Reassembled: p.Reassembled && i == p.NChecks-1,
			})
		}
	}
	if r.level == Explain {
		j.Explain = explainPacket(p)
	}
	return line(b, j)
}

func (r *jsonRenderer) compare(b []byte, c *Comparison) []byte {
	j := jsonCompare{
		Type: "compare", TS: stamp(c.Time), Seq: c.Seq, Request: c.Request, Responder: c.Responder, Live: c.Live,
		Result: c.Result, Due: c.Due, Requirement: c.Requirement, Reason: c.Reason, RFC: c.RFC, Diffs: c.Diffs,
	}
	if c.Replied && c.Request != 0 {
		us := c.Latency.Microseconds()
		j.LatencyUS = &us
	}
	if j.Diffs == nil {
		j.Diffs = []Diff{}
	}
	if r.level == Explain {
		j.Explain = explainReply(c)
	}
	return line(b, j)
}

func (r *jsonRenderer) summary(b []byte, s *Summary) []byte {
	j := struct {
		Type string `json:"type"`
		Summary
	}{"summary", *s}
	// An object, also when there is nothing in it.
	if j.Drops == nil {
		j.Drops = map[string]uint64{}
	}
	for _, fates := range []*map[hooks.Fate]uint64{&j.Fates.In, &j.Fates.Out} {
		if *fates == nil {
			*fates = map[hooks.Fate]uint64{}
		}
	}
	return line(b, j)
}

// line appends v as one line. Nothing that is written here can fail to encode;
// if it did, the line would say so and not be missing.
func line(b []byte, v any) []byte {
	out, err := json.Marshal(v)
	if err != nil {
		out, _ = json.Marshal(struct {
			Type  string `json:"type"`
			Error string `json:"error"`
		}{"error", err.Error()})
	}
	return append(append(b, out...), '\n')
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z07:00") }

func address(a netip.Addr) string { return a.String() }

func hex16(v uint16) string {
	const digits = "0123456789abcdef"
	return string([]byte{'0', 'x', digits[v>>12], digits[v>>8&15], digits[v>>4&15], digits[v&15]})
}

func isEcho(p *wire.Packet) bool {
	switch p.Upper {
	case wire.LayerICMPv4:
		return p.ICMP.Type == wire.ICMPv4EchoRequest || p.ICMP.Type == wire.ICMPv4EchoReply
	case wire.LayerICMPv6:
		return p.ICMP.Type == wire.ICMPv6EchoRequest || p.ICMP.Type == wire.ICMPv6EchoReply
	}
	return false
}
