package metrics

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"netstackd/hooks"
	"netstackd/hooks/compare"
	"netstackd/hooks/live"
	"netstackd/hooks/trace"
	"netstackd/link"
	"netstackd/stack"
)

// Sources are where the numbers come from. Each is asked once a scrape, from any
// goroutine, and must not wait for the packets' way; one that is nil is not there.
type Sources struct {
	Ledger *hooks.Ledger
	// Comparer, a *compare.Comparer, is nil if nothing is ever compared.
	Comparer interface {
		Comparing() bool
		Counts() compare.Counts
		Latencies() map[string]compare.Latencies
	}
	// Lost counts the events that were lost, by what was to take them.
	Lost      map[string]func() uint64
	Answerers func() []trace.Scorecard
	// Captures are those that follow the packets over HTTP.
	Captures func() live.Counts
	Netstack func() stack.Counters
	// Connections looks at all of netstack's. It is asked once a second at most.
	Connections func() stack.ConnectionTotals
	Link        func() link.Counters
	Device      func() (link.Statistics, error)
	// Version is that of the program, Built those of what it was built with.
	Version string
	Built   map[string]string
}

// scrapes bounds how many scrapes are served at once; more are refused.
const scrapes = 4

// freshness is how long the answer to a scrape is given to others as well: a storm
// of them costs no more than one in that time.
const freshness = 100 * time.Millisecond

// NewHandler returns the handler of /metrics.
func NewHandler(s Sources) (http.Handler, *prometheus.Registry) {
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(
		&collector{Sources: s, connections: &connections{from: s.Connections}},
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return promhttp.HandlerFor(&cache{from: r}, promhttp.HandlerOpts{MaxRequestsInFlight: scrapes, EnableOpenMetrics: true}), r
}

// A collector makes metrics of the sources at each scrape.
type collector struct {
	Sources
	connections *connections
}

var _ prometheus.Collector = (*collector)(nil)

// Describe describes nothing: which series there are depends on the sources.
func (*collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	e := emitter{to}
	labels := []string{"version"}
	values := []string{c.Version}
	for _, of := range []string{"gvisor", "wireguard"} {
		labels, values = append(labels, of), append(values, c.Built[of])
	}
	e.gauge("build_info", "What the program was built with; always 1.", labels, 1, values...)
	c.traffic(e)
	c.netstack(e)
	c.link(e)
	c.captures(e)
}

// An emitter sends metrics that others have counted.
type emitter struct{ to chan<- prometheus.Metric }

// namespace is what the names of all metrics begin with.
const namespace = "netstackd"

func desc(name, help string, labels []string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
}

func (e emitter) counter(name, help string, labels []string, v float64, values ...string) {
	e.to <- prometheus.MustNewConstMetric(desc(name, help, labels), prometheus.CounterValue, v, values...)
}

func (e emitter) gauge(name, help string, labels []string, v float64, values ...string) {
	e.to <- prometheus.MustNewConstMetric(desc(name, help, labels), prometheus.GaugeValue, v, values...)
}

// total is a counter without labels.
func (e emitter) total(name, help string, n uint64) { e.counter(name, help, nil, float64(n)) }
