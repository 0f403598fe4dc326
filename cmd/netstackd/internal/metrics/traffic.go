package metrics

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"netstackd/hooks/trace"
)

// traffic sends what the hooks count.
func (c *collector) traffic(e emitter) {
	d := c.Ledger.Details()
	kinds := []string{"direction", "ip_version", "protocol"}
	for _, k := range d.Packets {
		version := ""
		if k.Version != 0 {
			version = strconv.Itoa(int(k.Version))
		}
		e.counter("packets_total", "Packets that the hooks saw; in is kernel to netstack.",
			kinds, float64(k.Packets), string(k.Direction), version, k.Protocol)
		e.counter("packet_bytes_total", "Bytes of those packets, IP headers included.",
			kinds, float64(k.Bytes), string(k.Direction), version, k.Protocol)
	}
	for _, s := range d.Checksums {
		e.counter("checksums_total", "Checksums computed by hand, by verdict.",
			[]string{"layer", "verdict"}, float64(s.N), string(s.Layer), string(s.Verdict))
	}
	for _, f := range d.Fates {
		e.counter("packet_fates_total", "Packets by what became of them; reason is why they were dropped or guarded. The fate mended means kept from its way; see netstackd_mends_total.",
			[]string{"direction", "fate", "reason"}, float64(f.N), string(f.Direction), string(f.Fate), f.Reason)
	}
	for _, m := range d.Mends {
		e.counter("mends_total", "Packets that a mend of the guard changed, kept back, or answered in netstack's place.",
			[]string{"direction", "mend"}, float64(m.N), string(m.Direction), m.Mend)
	}
	for _, output := range slices.Sorted(maps.Keys(c.Lost)) {
		e.counter("trace_events_lost_total", "Events that their output did not take in time; the traffic is not affected.",
			[]string{"output"}, float64(c.Lost[output]()), output)
	}
	c.comparisons(e)
	c.answerers(e)
}

// comparisons sends what netstack was held against.
func (c *collector) comparisons(e emitter) {
	comparing := 0.0
	if c.Comparer != nil {
		comparing = 1
		n := c.Comparer.Counts()
		for result, n := range map[string]uint64{
			"match": n.Match, "differ": n.Differ, "missing": n.Missing, "unexpected": n.Unexpected, "unjudged": n.Unjudged,
		} {
			e.counter("comparisons_total", "Comparisons of replies with those made by hand, by result.",
				[]string{"result"}, float64(n), result)
		}
		latency := desc("reply_latency_seconds", "Time from a request to its reply, at the hooks.", []string{"responder"})
		for who, l := range c.Comparer.Latencies() {
			m, err := newLatency(latency, &l, who)
			if err != nil {
				m = prometheus.NewInvalidMetric(latency, err)
			}
			e.to <- m
		}
	}
	e.gauge("comparing", "Whether replies are compared: 1 while a trace or a capture is written.", nil, comparing)
}

// captures sends how those do who follow the packets over HTTP.
func (c *collector) captures(e emitter) {
	if c.Captures == nil {
		return
	}
	n := c.Captures()
	e.gauge("capture_readers", "Captures that are going on over HTTP.", nil, float64(n.Readers))
	e.gauge("capture_readers_limit", "How many captures may go on at a time (-captures).", nil, float64(n.Most))
	e.total("captures_total", "Captures that were served.", n.Served)
	e.total("captures_refused_total", "Captures that were refused, for as many were going on as may be.", n.Refused)
	e.total("capture_packets_total", "Packets that captures were given.", n.Packets)
	e.total("capture_events_lost_total", "Events that a capture's reader did not take in time; the traffic is not affected.", n.Lost)
}

// answererLabels returns for each answerer's name what stands for it in labels: its
// kind, with a number if it is not the first of that kind. Commands and paths may be
// long, and secret; the summary has them.
func answererLabels(cards []trace.Scorecard) map[string]string {
	labels, kinds := map[string]string{}, map[string]int{}
	for _, card := range cards {
		kind, _, _ := strings.Cut(card.Name, ":")
		kinds[kind]++
		labels[card.Name] = kind
		if n := kinds[kind]; n > 1 {
			labels[card.Name] = kind + "-" + strconv.Itoa(n)
		}
	}
	return labels
}

// answerers sends how those do who answer echo requests beside netstack.
func (c *collector) answerers(e emitter) {
	if c.Answerers == nil {
		return
	}
	label := []string{"answerer"}
	cards := c.Answerers()
	names := answererLabels(cards)
	for _, card := range cards {
		name := names[card.Name]
		live := 0.0
		if card.Live {
			live = 1
		}
		e.gauge("answerer_live", "Whether the answerer's replies are sent, to one address at least.", label, live, name)
		e.counter("answerer_requests_total", "Echo requests that the answerer was asked.", label, float64(card.Requests), name)
		e.counter("answerer_answered_total", "Requests that it answered.", label, float64(card.Answered), name)
		e.counter("answerer_right_first_time_total", "Requests whose first reply was right.", label, float64(card.RightFirstTime), name)
		e.counter("answerer_late_total", "Replies to requests of more than 10 seconds ago, or dropped.", label, float64(card.Late), name)
		e.counter("answerer_repeated_total", "Replies to what was answered already.", label, float64(card.Repeated), name)
		e.counter("answerer_unasked_total", "Replies that nobody waited for.", label, float64(card.Unasked), name)
		wrong := uint64(0)
		for _, n := range card.Wrong {
			wrong += n
		}
		e.counter("answerer_wrong_fields_total", "Faults of its replies.", label, float64(wrong), name)
	}
}
