package iperf3

import (
	"time"

	"github.com/sirupsen/logrus"
)

// results are what the server has measured, as iperf3's send_results has it.
type results struct {
	CPUTotal  float64 `json:"cpu_util_total"` // percent of one core, of the whole process
	CPUUser   float64 `json:"cpu_util_user"`
	CPUSystem float64 `json:"cpu_util_system"`
	// HasRetransmits is 1 if the server sends and counts what it sends again, 0
	// if it sends and does not, -1 if it does not send.
	HasRetransmits int            `json:"sender_has_retransmits"`
	Congestion     string         `json:"congestion_used,omitempty"`
	Output         string         `json:"server_output_text,omitempty"`
	Streams        []streamResult `json:"streams"`

	seconds float64
}

// streamResult is that of one stream. Counts of packets and errors go from the
// beginning, the omitted ones included, as the client expects.
type streamResult struct {
	ID             int     `json:"id"`
	Bytes          uint64  `json:"bytes"`
	Retransmits    int64   `json:"retransmits"` // -1: not counted
	Jitter         float64 `json:"jitter"`      // seconds
	Errors         uint64  `json:"errors"`      // datagrams lost
	OmittedErrors  uint64  `json:"omitted_errors"`
	Packets        uint64  `json:"packets"` // datagrams sent, or the highest number received
	OmittedPackets uint64  `json:"omitted_packets"`
	Start          float64 `json:"start_time"` // seconds
	End            float64 `json:"end_time"`

	sender bool
}

// results sums up at end.
func (t *session) results(end time.Time) *results {
	p := t.params
	r := &results{HasRetransmits: -1, seconds: end.Sub(t.begin).Seconds()}
	r.CPUTotal, r.CPUUser, r.CPUSystem = t.cpu.percent()
	if p.sends() {
		r.HasRetransmits = 0
	}
	for _, s := range t.streams {
		one := s.result()
		one.End = r.seconds
		if one.Retransmits >= 0 {
			r.HasRetransmits = 1
		}
		if s.conn != nil {
			r.Congestion = s.conn.Congestion()
		}
		r.Streams = append(r.Streams, one)
	}
	return r
}

// fields are what the log says of a test.
func (r *results) fields(p *parameters) logrus.Fields {
	f := logrus.Fields{"protocol": p.protocol(), "streams": p.streams, "seconds": float64(int(r.seconds*100)) / 100}
	var sent, received, lost uint64
	var retransmits int64
	for _, s := range r.Streams {
		if s.sender {
			sent += s.Bytes
			retransmits += s.Retransmits
		} else {
			received += s.Bytes
			lost += s.Errors - min(s.Errors, s.OmittedErrors)
		}
	}
	if p.receives() {
		f["received"] = received
		if p.udp {
			f["lost"] = lost
		}
	}
	if p.sends() {
		f["sent"] = sent
		if r.HasRetransmits == 1 {
			f["retransmits"] = retransmits
		}
	}
	return f
}

func (p *parameters) protocol() string {
	if p.udp {
		return "UDP"
	}
	return "TCP"
}
