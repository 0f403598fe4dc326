package load_test

import (
	"net/netip"
	"testing"
	"time"

	"netstackd/cmd/netstackbench/internal/load"
	"netstackd/cmd/netstackbench/internal/serve"
	"netstackd/link/linktest"
)

// window counts how often it is marked.
func window(marks *int) load.Window {
	return load.Window{Warm: 20 * time.Millisecond, Length: 150 * time.Millisecond, Mark: func() { *marks++ }}
}

// TestIntegrationLoads has every load talk to the kernel's host, over lo.
func TestIntegrationLoads(t *testing.T) {
	if !linktest.InNamespace(t) {
		return
	}
	addresses := []netip.Prefix{netip.MustParsePrefix("172.16.0.2/16"), netip.MustParsePrefix("172.16.0.3/16")}
	ready, failed := make(chan struct{}), make(chan error, 1)
	go func() { failed <- serve.Kernel("lo", addresses, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-failed:
		t.Fatal(err)
	case <-time.After(30 * time.Second):
		t.Fatal("the host is not up after 30s")
	}
	host := addresses[0].Addr()
	to := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(host, port) }
	for _, tt := range []struct {
		name string
		do   func(load.Window) (load.Result, error)
		// What the result has beside an elapsed time.
		bytes, operations, rtt bool
	}{
		{"send", func(w load.Window) (load.Result, error) { return load.Send(to(9), 2, w) }, true, false, false},
		{"receive", func(w load.Window) (load.Result, error) { return load.Receive(to(19), 2, w) }, true, false, false},
		{"exchange", func(w load.Window) (load.Result, error) { return load.Exchange(to(7), 3, 64, w) }, true, true, true},
		{"connect", func(w load.Window) (load.Result, error) { return load.Connect(to(7), 2, 64, w) }, false, true, true},
		{"datagrams", func(w load.Window) (load.Result, error) { return load.Datagrams(to(7), 1400, 16, 1, w) }, true, true, false},
		{"datagrams cut late", func(w load.Window) (load.Result, error) { return load.Datagrams(to(7), 1400, 88, 44, w) }, true, true, false},
		{"datagrams of 65,000 bytes", func(w load.Window) (load.Result, error) { return load.Datagrams(to(7), 65000, 2, 1, w) }, true, true, false},
		{"datagrams to the last address", func(w load.Window) (load.Result, error) {
			return load.Datagrams(netip.AddrPortFrom(addresses[1].Addr(), 7), 64, 16, 1, w)
		}, true, true, false},
		{"ping flood", func(w load.Window) (load.Result, error) {
			p, err := load.Ping(host, 0, w)
			return p.Result, err
		}, false, true, true},
		{"paced ping", func(w load.Window) (load.Result, error) {
			p, err := load.Ping(host, 2*time.Millisecond, w)
			// What waits for the processor when the time begins comes in it.
			if most := uint64(2*p.Elapsed/(2*time.Millisecond)) + 1; err == nil && p.Operations > most {
				t.Errorf("paced ping: %d replies in %v at one each 2ms", p.Operations, p.Elapsed)
			}
			return p.Result, err
		}, false, true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var marks int
			r, err := tt.do(window(&marks))
			if err != nil {
				t.Fatal(err)
			}
			if marks != 2 {
				t.Errorf("the window was marked %d times, want twice", marks)
			}
			if r.Elapsed < 150*time.Millisecond {
				t.Errorf("150ms took %v", r.Elapsed)
			}
			if (r.Bytes > 0) != tt.bytes || (r.Operations > 0) != tt.operations || (r.RTT != nil) != tt.rtt {
				t.Errorf("%d bytes, %d operations, round-trip times: %v", r.Bytes, r.Operations, r.RTT != nil)
			}
			if tt.rtt && (r.RTT.Mean() <= 0 || r.RTT.Quantile(99) < r.RTT.Quantile(50)) {
				t.Errorf("round-trip times: mean %v, median %v, p99 %v", r.RTT.Mean(), r.RTT.Quantile(50), r.RTT.Quantile(99))
			}
		})
	}
	t.Run("hold", func(t *testing.T) {
		// More than the host serves with a thread each.
		h, err := load.Hold(to(7), []netip.Addr{host, addresses[1].Addr()}, 300)
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		if alive := h.Alive(); alive != 300 || h.Err != nil {
			t.Errorf("%d of 300 connections: %v", alive, h.Err)
		}
	})
	t.Run("nobody there", func(t *testing.T) {
		var marks int
		for name, err := range map[string]error{
			"send":     second(load.Send(to(1), 1, window(&marks))),
			"exchange": second(load.Exchange(to(1), 1, 64, window(&marks))),
			"connect":  second(load.Connect(to(1), 1, 64, window(&marks))),
			"UDP":      second(load.Datagrams(to(1), 64, 1, 1, window(&marks))),
			"ping":     second(load.Ping(netip.MustParseAddr("192.0.2.1"), 0, window(&marks))),
			"hold":     second(load.Hold(to(1), []netip.Addr{host}, 1)),
		} {
			if err == nil {
				t.Errorf("%s: no error though nobody answers", name)
			}
		}
	})
}

func second[T any](_ T, err error) error { return err }
