package main

import (
	"maps"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"netstackd/cmd/netstackd/internal/config"
	"netstackd/cmd/netstackd/internal/serve"
	"netstackd/hooks"
	"netstackd/hooks/byhand"
	"netstackd/hooks/compare"
	"netstackd/hooks/guard"
	"netstackd/hooks/live"
	"netstackd/hooks/respond"
	"netstackd/hooks/trace"
	"netstackd/hooks/verify"
	"netstackd/stack"
)

// hookReasons are the drop reasons that the hooks know, room by room.
func hookReasons() []map[string]string {
	return []map[string]string{hooks.DropReasons(), verify.DropReasons(), guard.DropReasons(), byhand.DropReasons()}
}

// A pipeline is the hooks and what they write to, as the configuration wants
// them.
type pipeline struct {
	ledger *hooks.Ledger
	chain  []hooks.Hook
	// options are those of the chain's endpoint.
	options hooks.Options
	// readers follow the packets over HTTP; nil if nothing is served.
	readers *live.Readers
	// selector is nil if all packets are traced, for good.
	selector *trace.Selector
	// verifier is nil without receive offload.
	verifier *verify.Verifier
	// guard is nil if there is none, for good.
	guard *guard.Guard
	// comparer is nil if nothing is ever written down.
	comparer *compare.Comparer
	// answerers is nil if netstack alone answers, for good.
	answerers *answerers
	// outputs are what events are written to. sawAll says that the comparer has seen
	// every packet so far.
	outputs *outputs
	sawAll  bool
	// netstack is who is judged, from the call of judge on.
	netstack atomic.Pointer[stack.Host]
}

// judge says who is behind the hooks. Call it before any packet moves.
func (p *pipeline) judge(netstack *stack.Host) { p.netstack.Store(netstack) }

// counted reads a count of who is judged.
func (p *pipeline) counted(count func(*stack.Host) uint64) func() uint64 {
	return func() uint64 {
		if h := p.netstack.Load(); h != nil {
			return count(h)
		}
		return 0
	}
}

// newPipeline opens what is written to and makes the hooks. receiveOffload says
// that the link delivers packets with partial checksums. It starts nothing.
func newPipeline(cfg *config.Config, receiveOffload bool, log logrus.FieldLogger) (*pipeline, error) {
	p := &pipeline{ledger: hooks.NewLedger(hookReasons()...), options: hooks.Options{ReceiveOffload: receiveOffload}}
	numbers := new(atomic.Uint64)
	var err error
	if p.outputs, err = openOutputs(cfg, log); err != nil {
		return nil, err
	}
	if cfg.HTTP != (serve.Address{}) {
		p.readers = live.New(cfg.Captures)
		p.chain = append(p.chain, p.readers)
	}
	// What is read again may want more.
	if cfg.Filter != nil || cfg.Sample > 1 || cfg.File != "" {
		p.selector = trace.NewSelector(nil, 1)
		p.reselect(cfg)
		p.chain = append(p.chain, p.selector)
	}
	if receiveOffload {
		p.verifier = new(verify.Verifier)
		p.chain = append(p.chain, p.verifier)
	}
	if cfg.Guard.On || cfg.File != "" {
		p.guard = guard.New(guard.Config{
			Addresses: cfg.Addresses,
			Live:      func(dst netip.Addr) bool { return p.answerers == nil || p.answerers.Live(dst) == respond.Netstack },
		})
		p.guard.Change(cfg.Guard)
		p.chain = append(p.chain, p.guard)
		if cfg.File != "" || cfg.Guard.Mends.Answer() {
			defer func() { p.chain = append(p.chain, p.guard.Answer()) }()
		}
	}
	if p.answerers = newAnswerers(cfg, log); p.answerers != nil {
		// Around the comparison: it is to know what is suppressed, and what is asked
		// by its number.
		p.chain = append(p.chain, p.answerers.Suppress())
		defer func() { p.chain = append(p.chain, p.answerers.Ask()) }()
	}
	if p.readers != nil {
		// Behind who compares, if anybody does.
		defer func() { p.chain = append(p.chain, live.NewObserver(numbers)) }()
	}
	tracer := p.tracer(p.outputs.tracers())
	if tracer == nil && cfg.File == "" {
		return p, nil
	}
	p.sawAll = tracer != nil
	tcp, udp := stack.Ports(cfg.Services)
	judge := compare.Config{
		Host:        byhand.NewHost(byhand.Config{Addresses: cfg.Addresses, TCPPorts: tcp, UDPPorts: udp}),
		Ledger:      p.ledger,
		Tracer:      tracer,
		RateLimited: p.counted((*stack.Host).RateLimited),
		Refused:     p.counted((*stack.Host).Refused),
		Responder:   respond.Netstack,
		Numbers:     numbers,
	}
	if p.answerers != nil {
		judge.Live, judge.Unshadowed = p.answerers.LiveOf, p.answerers.unshadowed
	}
	p.comparer = compare.New(judge)
	p.chain = append(p.chain, p.comparer)
	return p, nil
}

// tracer is who gets the events for tracers, nil if there are none.
func (p *pipeline) tracer(tracers []trace.Tracer) trace.Tracer {
	if len(tracers) == 0 {
		return nil
	}
	tracer := tracers[0]
	if len(tracers) > 1 || p.selector != nil {
		tracer = trace.NewTee(tracers...)
	}
	if p.readers != nil {
		tracer = live.Tracer{Tracer: tracer}
	}
	return tracer
}

// rewrite has events written as cfg wants it from now on, and no more as old did. On
// an error nothing is changed.
func (p *pipeline) rewrite(old, cfg *config.Config) error {
	return p.outputs.change(old, cfg, func(tracers []trace.Tracer) {
		p.sawAll = p.sawAll && len(tracers) > 0
		p.comparer.Trace(p.tracer(tracers))
	})
}

// changePorts has change open and close the ports of services on netstack, so that it
// has those, and the comparison know of it.
func (p *pipeline) changePorts(services []string, change func() error) error {
	if p.comparer == nil {
		return change()
	}
	tcp, udp := stack.Ports(services)
	return p.comparer.ChangePorts(tcp, udp, change)
}

// settled returns a function that returns once all is reported of what was
// compared when it was called, or nil if nothing is compared.
func (p *pipeline) settled() func() {
	if p.comparer == nil {
		return nil
	}
	// It reports a packet and its comparison in one go, for which it has its lock.
	return func() { p.comparer.Counts() }
}

// reselect has the trace and the capture hold what the configuration wants of the
// packets, from the next one on.
func (p *pipeline) reselect(cfg *config.Config) {
	if p.selector == nil {
		return
	}
	var match hooks.Matcher
	if cfg.Filter != nil {
		match = cfg.Filter
	}
	p.selector.Select(match, cfg.Sample)
}

// refused returns how many packets were kept from netstack for a checksum.
func (p *pipeline) refused() uint64 {
	if p.verifier == nil {
		return 0
	}
	return p.verifier.Dropped()
}

// start starts what works beside the packets' way.
func (p *pipeline) start() {
	p.outputs.start()
	if p.guard != nil {
		p.guard.Start()
	}
	if p.comparer != nil {
		p.comparer.Start()
	}
}

// expire forgets the fragments that have waited too long at now: of a flood of them
// some megabytes would stay until the next fragment comes.
func (p *pipeline) expire(now time.Time) {
	if p.verifier != nil {
		p.verifier.Expire(now)
	}
	if p.comparer != nil {
		p.comparer.Expire(now)
	}
	if p.answerers != nil {
		p.answerers.Expire(now)
	}
}

// restart takes note that who is judged begins anew.
func (p *pipeline) restart() {
	if p.guard != nil {
		p.guard.Restart()
	}
	if p.comparer != nil {
		p.comparer.Restart()
	}
}

// close settles what is open, once no packet moves any more, and writes the
// summary, which it returns. drops are those that others counted, by reason.
func (p *pipeline) close(drops ...map[string]uint64) (*trace.Summary, error) {
	if p.guard != nil {
		p.guard.Close()
	}
	if p.comparer != nil {
		p.comparer.Close()
	}
	s := p.summary(drops...)
	return s, p.outputs.close(s)
}

// summary is what there is to say so far. drops are those that others counted, by
// reason.
func (p *pipeline) summary(drops ...map[string]uint64) *trace.Summary {
	var compared compare.Counts
	if p.comparer != nil {
		compared = p.comparer.Counts()
	}
	s := summarize(p.ledger.Totals(), compared)
	for _, some := range drops {
		for reason, n := range some {
			s.Elsewhere[reason] += n
		}
	}
	if p.answerers != nil {
		for reason, n := range p.answerers.Drops() {
			s.Elsewhere[reason] += n
		}
		s.Answerers = p.answerers.Scorecards()
	}
	maps.DeleteFunc(s.Elsewhere, func(_ string, n uint64) bool { return n == 0 })
	s.TraceLost = p.outputs.lost()
	return s
}

// summarize puts the counts into the form of the summary.
func summarize(t hooks.Totals, c compare.Counts) *trace.Summary {
	s := &trace.Summary{Drops: t.Drops, Mends: t.Mends, Elsewhere: map[string]uint64{}}
	s.Packets.In, s.Packets.Out = t.In, t.Out
	s.Checksums.OK, s.Checksums.Bad = t.Verdicts["ok"], t.Verdicts["bad"]
	s.Checksums.Partial, s.Checksums.Absent = t.Verdicts["partial"], t.Verdicts["absent"]
	s.Compare.Match, s.Compare.Differ = c.Match, c.Differ
	s.Compare.Missing, s.Compare.Unexpected, s.Compare.Unjudged = c.Missing, c.Unexpected, c.Unjudged
	s.Fates.In, s.Fates.Out = t.InFates, t.OutFates
	return s
}
