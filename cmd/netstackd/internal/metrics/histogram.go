package metrics

import (
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"netstackd/hooks/compare"
)

// A latencyMetric is a native histogram that bears classic buckets as well, at the
// powers of two, for those who do not take the native ones.
type latencyMetric struct {
	prometheus.Metric
	buckets map[int]int64
}

// The classic bounds of latencies are 2^n seconds, from about 1 µs to 64 s.
const (
	leastPower = -20
	mostPower  = 6
)

func newLatency(d *prometheus.Desc, l *compare.Latencies, labels ...string) (prometheus.Metric, error) {
	buckets := l.Buckets()
	m, err := prometheus.NewConstNativeHistogram(d, l.Count, l.Sum.Seconds(), buckets, nil, 0, compare.LatencySchema,
		prometheus.DefNativeHistogramZeroThreshold, time.Time{}, labels...)
	return latencyMetric{m, buckets}, err
}

// Write implements prometheus.Metric.
func (m latencyMetric) Write(out *dto.Metric) error {
	if err := m.Metric.Write(out); err != nil {
		return err
	}
	for power := leastPower; power <= mostPower; power++ {
		n, bound := uint64(0), math.Exp2(float64(power))
		for i, count := range m.buckets {
			if i <= power<<compare.LatencySchema {
				n += uint64(count)
			}
		}
		out.Histogram.Bucket = append(out.Histogram.Bucket, &dto.Bucket{CumulativeCount: &n, UpperBound: &bound})
	}
	return nil
}
