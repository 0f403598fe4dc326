package metrics

import (
	"math"

	"github.com/prometheus/client_golang/prometheus"

	"netstackd/link"
)

// link sends what the link counts, and the kernel of its device.
func (c *collector) link(e emitter) {
	n := c.Link()
	sizes := desc("link_packet_size_bytes", "Length of the packets moved; what is longer than the MTU is a super-segment.", []string{"direction"})
	for direction, s := range map[string]struct {
		counts [link.SizeBounds]uint64
		bytes  uint64
	}{"in": {n.InSizes, n.InBytes}, "out": {n.OutSizes, n.OutBytes}} {
		buckets, total := map[float64]uint64{}, uint64(0)
		for i, count := range s.counts {
			if total += count; i >= 5 {
				buckets[math.Exp2(float64(i))] = total
			}
		}
		e.to <- prometheus.MustNewConstHistogram(sizes, total, float64(s.bytes), buckets, direction)
	}
	for reason := range link.DropReasons() {
		e.counter("link_drops_total", "Packets that the link lost.", []string{"reason"}, float64(n.Drops[reason]), reason)
	}
	// A device that is gone has no statistics; that it is gone ends the daemon.
	if st, err := c.Device(); err == nil {
		e.gauge("link_queue_length_packets", "How many packets for netstack may wait in the device's queue.", nil, float64(st.QueueLen))
		e.total("link_kernel_tx_dropped_total", "Packets for netstack that the kernel dropped: the device's queue was full (tx_dropped).", st.TxDropped)
	}
}
