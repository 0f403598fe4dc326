package metrics

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"netstackd/hooks"
	"netstackd/hooks/compare"
	"netstackd/hooks/live"
	"netstackd/hooks/trace"
	"netstackd/hooks/wire"
	"netstackd/link"
	"netstackd/stack"
)

// comparer is one that has judged a reply.
type comparer struct{}

func (comparer) Counts() compare.Counts { return compare.Counts{Match: 1} }

func (comparer) Comparing() bool { return true }

func (comparer) Latencies() map[string]compare.Latencies {
	var l compare.Latencies
	l.Add(40 * time.Microsecond)
	return map[string]compare.Latencies{"netstack": l}
}

// sources are some of every kind, with numbers that tell them apart.
func sources() Sources {
	ledger := hooks.NewLedger(hooks.DropReasons())
	ledger.Judge([]wire.Check{{Layer: wire.LayerTCP, Verdict: wire.Bad}})
	ledger.Settle(hooks.Inbound, hooks.Dropped, hooks.ReasonDetached)
	return Sources{
		Ledger:   ledger,
		Comparer: comparer{},
		Lost:     map[string]func() uint64{"trace": func() uint64 { return 3 }},
		Answerers: func() []trace.Scorecard {
			return []trace.Scorecard{
				{Name: "exec:\xff", Requests: 5, Live: true, Wrong: map[string]uint64{"TTL": 2, "data": 4}},
				{Name: "exec:answer -key secret", Requests: 7}, {Name: "netstack", Requests: 8},
			}
		},
		Captures: func() live.Counts {
			return live.Counts{Readers: 1, Most: 16, Served: 5, Refused: 6, Packets: 70, Lost: 8}
		},
		Connections: func() stack.ConnectionTotals {
			return stack.ConnectionTotals{States: map[string]uint64{"time-wait": 4}, Queue: 11}
		},
		Netstack: func() stack.Counters {
			return stack.Counters{
				TCP:      stack.TCPCounters{Retransmits: 7},
				Services: map[string]stack.ServiceCounters{"echo": {Open: 2}}, Drops: map[string]uint64{stack.DropIdle: 1},
				Panics: stack.PanicCounters{By: map[string]uint64{"inbound": 11}, Rebuilds: 12, Connections: 13},
			}
		},
		Link: func() link.Counters {
			c := link.Counters{InBytes: 65000 + 84, InPackets: 2, Drops: map[string]uint64{"link-down": 9}}
			c.InSizes[7], c.InSizes[16] = 1, 1
			return c
		},
		Device:  func() (link.Statistics, error) { return link.Statistics{QueueLen: 500, TxDropped: 8}, nil },
		Version: "test", Built: map[string]string{"gvisor": "v1"},
	}
}

func scrape(t *testing.T, h http.Handler) string {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// TestLint: names, types and help are as Prometheus wants them.
func TestLint(t *testing.T) {
	_, registry := NewHandler(sources())
	problems, err := testutil.GatherAndLint(registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// TestScrape: each source shows, under its labels.
func TestScrape(t *testing.T) {
	h, _ := NewHandler(sources())
	got := scrape(t, h)
	for _, want := range []string{
		`netstackd_checksums_total{layer="tcp",verdict="bad"} 1`,
		`netstackd_packet_fates_total{direction="in",fate="dropped",reason="detached"} 1`,
		`netstackd_packets_total{direction="in",ip_version="4",protocol="tcp"} 0`,
		`netstackd_comparisons_total{result="differ"} 0`,
		`netstackd_comparing 1`,
		`netstackd_comparisons_total{result="match"} 1`,
		`netstackd_reply_latency_seconds_count{responder="netstack"} 1`,
		`netstackd_trace_events_lost_total{output="trace"} 3`,
		`netstackd_answerer_requests_total{answerer="exec"} 5`,
		`netstackd_answerer_wrong_fields_total{answerer="exec"} 6`,
		`netstackd_answerer_requests_total{answerer="exec-2"} 7`,
		`netstackd_answerer_requests_total{answerer="netstack"} 8`,
		`netstackd_tcp_retransmits_total 7`,
		`netstackd_tcp_connections{state="time-wait"} 4`,
		`netstackd_tcp_receive_queue_bytes 11`,
		`netstackd_service_open_connections{service="echo"} 2`,
		`netstackd_service_drops_total{reason="service-idle"} 1`,
		`netstackd_link_drops_total{reason="link-down"} 9`,
		`netstackd_link_packet_size_bytes_bucket{direction="in",le="128"} 1`,
		`netstackd_link_packet_size_bytes_sum{direction="in"} 65084`,
		`netstackd_link_kernel_tx_dropped_total 8`,
		`netstackd_link_queue_length_packets 500`,
		`netstackd_capture_readers 1`,
		`netstackd_capture_readers_limit 16`,
		`netstackd_captures_total 5`,
		`netstackd_captures_refused_total 6`,
		`netstackd_capture_packets_total 70`,
		`netstackd_capture_events_lost_total 8`,
		`netstackd_build_info{gvisor="v1",version="test",wireguard=""} 1`,
		`go_goroutines `,
		`process_open_fds `,
	} {
		if !strings.Contains(got, "\n"+want) {
			t.Errorf("no line %s", want)
		}
	}
	if t.Failed() {
		t.Log(got)
	}
}

// TestScrapeWithout: what is not there does not show, and harms nothing.
func TestScrapeWithout(t *testing.T) {
	s := sources()
	s.Comparer, s.Answerers, s.Lost, s.Captures = nil, nil, nil, nil
	s.Device = func() (link.Statistics, error) { return link.Statistics{}, errors.New("gone") }
	h, _ := NewHandler(s)
	got := scrape(t, h)
	if !strings.Contains(got, "\nnetstackd_comparing 0\n") {
		t.Error("it compares")
	}
	for _, name := range []string{"comparisons_total", "answerer_", "events_lost", "tx_dropped", "netstackd_capture"} {
		if strings.Contains(got, name) {
			t.Errorf("%s shows", name)
		}
	}
}

// TestStorm: a storm of scrapes asks the sources a few times only.
func TestStorm(t *testing.T) {
	s := sources()
	asked := 0 // under the cache's lock
	counters := s.Netstack
	s.Netstack = func() stack.Counters { asked++; return counters() }
	h, _ := NewHandler(s)
	begun := time.Now()
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			for range 20 {
				w := httptest.NewRecorder()
				h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
				if w.Code != http.StatusOK && w.Code != http.StatusServiceUnavailable {
					t.Errorf("status %d", w.Code)
				}
			}
		})
	}
	all.Wait()
	if most := int(time.Since(begun)/freshness) + 1; asked > most {
		t.Errorf("asked %d times, want %d at most", asked, most)
	}
}
