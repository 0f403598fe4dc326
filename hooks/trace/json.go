package trace

import (
	"encoding/json"
	"time"

	"netstackd/hooks"
	"netstackd/hooks/wire"
)

// stampLayout is that of "ts": RFC 3339, in microseconds.
const stampLayout = "2006-01-02T15:04:05.000000Z07:00"

// A jsonRenderer writes one object a line.
type jsonRenderer struct{ level Level }

var _ renderer = (*jsonRenderer)(nil)

type jsonCompare struct {
	Type      string `json:"type"`
	TS        string `json:"ts"`
	Seq       uint64 `json:"seq"`
	Request   uint64 `json:"request"`
	Reply     uint64 `json:"reply,omitempty"`
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
	Mended      []string    `json:"mended,omitempty"`
	Explain     string      `json:"explain,omitempty"`
}

func (r *jsonRenderer) compare(b []byte, c *Comparison) []byte {
	j := jsonCompare{
		Type: "compare", TS: stamp(c.Time), Seq: c.Seq, Request: c.Request, Reply: c.Reply, Responder: c.Responder, Live: c.Live,
		Result: c.Result, Due: c.Due, Requirement: c.Requirement, Reason: c.Reason, RFC: c.RFC, Diffs: c.Diffs, Mended: c.Mended,
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

func stamp(t time.Time) string { return t.UTC().Format(stampLayout) }

func isEcho(p *wire.Packet) bool {
	switch p.Upper {
	case wire.LayerICMPv4:
		return p.ICMP.Type == wire.ICMPv4EchoRequest || p.ICMP.Type == wire.ICMPv4EchoReply
	case wire.LayerICMPv6:
		return p.ICMP.Type == wire.ICMPv6EchoRequest || p.ICMP.Type == wire.ICMPv6EchoReply
	}
	return false
}
