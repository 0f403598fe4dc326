package compare

import (
	"math"
	"time"

	"netstackd/hooks/trace"
)

// Latencies are told apart by eighths of a power of two, as a Prometheus native
// histogram of schema 3 does: bucket i holds those up to 2^(i/8) seconds and over
// the bucket before.
const (
	LatencySchema = 3
	// firstLatency is the bucket of a nanosecond, and numLatencies how many there
	// are, up to 2 minutes. The last takes what is longer, too.
	firstLatency = -30 << LatencySchema
	numLatencies = 37<<LatencySchema + 1
)

// Latencies is the distribution of the time from a request to its reply.
type Latencies struct {
	counts [numLatencies]uint64
	Count  uint64
	Sum    time.Duration
}

// Buckets are the counts by bucket; buckets without any are left out.
func (l *Latencies) Buckets() map[int]int64 {
	m := map[int]int64{}
	for i, n := range l.counts {
		if n > 0 {
			m[i+firstLatency] = int64(n)
		}
	}
	return m
}

// Add counts one. It is not safe for concurrent use.
func (l *Latencies) Add(d time.Duration) {
	d = max(d, 1)
	i := int(math.Ceil(math.Log2(d.Seconds())*(1<<LatencySchema))) - firstLatency
	l.counts[min(max(i, 0), numLatencies-1)]++
	l.Count++
	l.Sum += d
}

// measure counts the latency of a reply. It is called with mu held.
func (c *Comparer) measure(e *trace.Comparison) {
	l := c.latencies[e.Responder]
	if l == nil {
		l = new(Latencies)
		c.latencies[e.Responder] = l
	}
	l.Add(e.Latency)
}

// Latencies returns those of the replies so far that a request asked for, by who
// gave them, as it stands in traces.
func (c *Comparer) Latencies() map[string]Latencies {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := make(map[string]Latencies, len(c.latencies))
	for who, l := range c.latencies {
		m[who] = *l
	}
	return m
}
