package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"netstackd/cmd/netstackd/internal/config"
	"netstackd/cmd/netstackd/internal/metrics"
	"netstackd/cmd/netstackd/internal/serve"
	"netstackd/cmd/netstackd/internal/tap"
	"netstackd/hooks/trace"
	"netstackd/link"
)

// openWeb makes the HTTP server, if there is to be one. It is not started.
func openWeb(cfg *config.Config, log logrus.FieldLogger, r *readiness) (*serve.Server, error) {
	if cfg.HTTP == (serve.Address{}) {
		return nil, nil
	}
	return serve.New(serve.Config{Address: cfg.HTTP, TokenFile: cfg.HTTPTokenFile, Ready: r.why, Log: log})
}

// showOver shows the host over HTTP: its numbers, its summary, its profiles.
func (h *host) showOver(web *serve.Server, log logrus.FieldLogger) {
	p := h.pipeline
	s := metrics.Sources{
		Ledger: p.ledger, Lost: map[string]func() uint64{},
		Netstack: h.netstack.Counters, Connections: h.netstack.ConnectionTotals, Link: h.endpoint.Counters, Device: h.device.Statistics,
		Captures: p.readers.Counts, Version: version, Built: map[string]string{},
	}
	if p.comparer != nil {
		s.Comparer = p.comparer
	}
	if p.comparer != nil {
		s.Lost["trace"], s.Lost["capture"] = p.outputs.lost, p.outputs.captureLost
	}
	if p.answerers != nil {
		s.Answerers = p.answerers.Scorecards
	}
	for _, c := range builtWith() {
		name := "gvisor"
		if strings.Contains(c.Name, "wireguard") {
			name = "wireguard"
		}
		s.Built[name] = c.Version
	}
	handler, _ := metrics.NewHandler(s)
	web.Handle("GET /metrics", handler)
	web.Handle("GET /api/summary", serve.JSON(func() any { return h.summary() }))
	web.Handle("GET /api/connections", connectionsHandler(h.netstack))
	var comparing func() bool
	if p.comparer != nil {
		comparing = p.comparer.Comparing
	}
	web.Handle("GET /capture", tap.NewHandler(tap.Config{
		Readers: p.readers, Device: h.device.Name(), Version: version, Settle: p.settled(), Comparing: comparing, Log: log,
	}))
	web.Profiles()
}

// summary is the summary so far. What belongs together may be a few packets apart.
func (h *host) summary() *trace.Summary {
	drops := []map[string]uint64{h.endpoint.Counters().Drops, h.netstack.Counters().Drops}
	if h.injector != nil {
		injected := h.injector.Counters()
		drops = append(drops, injected.In.Drops, injected.Out.Drops)
	}
	return h.pipeline.summary(drops...)
}

// stateAge is how long the device's state is believed: to ask takes some system
// calls, and /readyz needs no token.
const stateAge = time.Second

// readiness knows whether the host answers. It is safe for concurrent use.
type readiness struct {
	// device is nil until the host is up.
	device atomic.Pointer[link.Device]
	// down says why netstack does not answer, or nothing. It is written before device.
	down func() string
	// seen is what was found last.
	seen atomic.Pointer[seen]
}

// seen is why the host does not answer, if it does not, at a time.
type seen struct {
	why string
	at  time.Time
}

// why says why the host does not answer, or nothing.
func (r *readiness) why() string {
	device := r.device.Load()
	if device == nil {
		return "the host is coming up"
	}
	if why := r.down(); why != "" {
		return why
	}
	if s := r.seen.Load(); s != nil && time.Since(s.at) < stateAge {
		return s.why
	}
	s := &seen{why: unready(device), at: time.Now()}
	r.seen.Store(s)
	return s.why
}

// unready says what is wrong with the device, or nothing.
func unready(device *link.Device) string {
	st, err := device.State()
	switch {
	case errors.Is(err, link.ErrGone), errors.Is(err, os.ErrClosed):
		return fmt.Sprintf("device %s is gone", device.Name())
	case err != nil:
		return "" // it carries packets, it only cannot be seen
	case !st.Up:
		return fmt.Sprintf("device %s is down: ip link set %[1]s up", st.Name)
	case len(st.Missing) > 0:
		return fmt.Sprintf("device %s has lost the kernel's address %v", st.Name, st.Missing[0])
	}
	return ""
}
