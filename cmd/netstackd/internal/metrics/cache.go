package metrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// A cache gathers no more often than freshness says. It is safe for concurrent
// use.
type cache struct {
	from prometheus.Gatherer

	mu sync.Mutex
	// The following are guarded by mu.
	last []*dto.MetricFamily // nobody changes them
	at   time.Time
}

var _ prometheus.Gatherer = (*cache)(nil)

// Gather implements prometheus.Gatherer.
func (c *cache) Gather() ([]*dto.MetricFamily, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last != nil && time.Since(c.at) < freshness {
		return c.last, nil
	}
	families, err := c.from.Gather()
	if err != nil {
		return families, err
	}
	c.last, c.at = families, time.Now()
	return families, nil
}
