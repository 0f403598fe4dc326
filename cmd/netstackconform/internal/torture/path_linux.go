package torture

import (
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"netstackd/cmd/netstackconform/internal/suite"
	"netstackd/hooks"
	"netstackd/hooks/byhand"
	"netstackd/hooks/compare"
	"netstackd/hooks/guard"
	"netstackd/hooks/respond"
	"netstackd/hooks/trace"
	"netstackd/hooks/verify"
	"netstackd/hooks/wire"
	"netstackd/link"
	"netstackd/stack"
)

const (
	// replyPatience is how long a reply may take in the comparison: on a machine
	// that does other things, too, and under a flood.
	replyPatience = 10 * time.Second
	// idle is when a service gives a connection up that hostile packets have left
	// behind.
	idle = 2 * time.Second
	// mtu is the device's, in bytes; without offload one packet has to hold what
	// the generator makes.
	mtu      = 1500
	mtuWhole = 65_535
)

// A Path is the whole of netstackd but its process: link, hooks, netstack.
type Path struct {
	device   *device
	endpoint *link.Endpoint
	ledger   *hooks.Ledger
	verifier *verify.Verifier // nil without offload
	comparer *compare.Comparer
	netstack *stack.Host
	// panicked has room for the first panic of netstack's on a goroutine of ours.
	panicked chan stack.Panic
}

// NewPath builds and starts one, as netstackd does with -trace compare. The judge
// is told of each comparison. A netstack that panics is not rebuilt, but is the end.
func NewPath(c *Config, mode guard.Mode, judge trace.Tracer, log logrus.FieldLogger) (*Path, error) {
	p := &Path{
		ledger:   hooks.NewLedger(hooks.DropReasons(), verify.DropReasons(), guard.DropReasons(), byhand.DropReasons()),
		panicked: make(chan stack.Panic, 1),
	}
	var err error
	size, choice := mtuWhole, link.OffloadOff
	if c.Offload {
		size, choice = mtu, link.OffloadOn
	}
	if p.device, err = newDevice(size, c.Offload); err != nil {
		return nil, err
	}
	wrap := link.Wrap
	if c.Offload {
		wrap = link.WrapVirtio
	}
	if p.endpoint, err = link.NewEndpoint(wrap(p.device), link.Options{Log: log, Offload: choice}); err != nil {
		return nil, errors.Join(err, p.device.Close(), p.device.free())
	}
	addresses := []netip.Prefix{suite.Prefix4, suite.Prefix6}
	services := stack.ServiceNames()
	tcp, udp := stack.Ports(services)
	var chain []hooks.Hook
	if c.Offload {
		p.verifier = new(verify.Verifier)
		chain = append(chain, p.verifier)
	}
	var g *guard.Guard
	if mode.On {
		g = guard.New(guard.Config{Mends: mode.Mends, Addresses: addresses})
		chain = append(chain, g)
	}
	count := func(of func(*stack.Host) uint64) func() uint64 {
		return func() uint64 { return of(p.netstack) }
	}
	p.comparer = compare.New(compare.Config{
		Host:   byhand.NewHost(byhand.Config{Addresses: addresses, TCPPorts: tcp, UDPPorts: udp}),
		Ledger: p.ledger, Tracer: judge, Responder: respond.Netstack, Deadline: replyPatience,
		RateLimited: count((*stack.Host).RateLimited), Refused: count((*stack.Host).Refused),
	})
	chain = append(chain, p.comparer)
	if g != nil && g.Answer() != nil {
		chain = append(chain, g.Answer())
	}
	wrapped := hooks.New(p.endpoint, p.ledger, hooks.Options{ReceiveOffload: c.Offload}, chain...)
	if g != nil {
		g.Connect(wrapped)
	}
	p.netstack, err = stack.New(stack.Config{
		Link: wrapped, Addresses: addresses, Services: services, Limits: stack.Limits{Idle: idle}, Log: log,
		UnlimitedErrors: !c.Limit, ExitOnPanic: true, Abandon: p.endpoint.Abandon, Panicked: func(what stack.Panic) {
			select {
			case p.panicked <- what:
			default: // the first one is enough
			}
		},
	})
	if err != nil {
		p.endpoint.Close()
		return nil, errors.Join(err, p.device.free())
	}
	p.comparer.Start()
	if err := p.netstack.Start(); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// hear shows every packet that leaves to heard, which borrows it, on a goroutine that ends
// once the device is closed.
func (p *Path) hear(heard func(b []byte)) *sync.WaitGroup {
	reader := new(sync.WaitGroup)
	reader.Go(func() {
		for buf := make([]byte, 1<<17); ; {
			b, err := p.device.receive(buf)
			if err != nil {
				return
			}
			heard(b)
		}
	})
	return reader
}

// Close takes it apart: what waits for a reply is settled.
func (p *Path) Close() error {
	p.endpoint.Attach(nil)
	p.endpoint.Wait()
	err := p.netstack.Close()
	p.endpoint.Close()
	p.comparer.Close()
	return err
}

// counts are what the parts have counted, to be read after Close.
func (p *Path) counts() Counts {
	t, moved, served := p.ledger.Totals(), p.endpoint.Counters(), p.netstack.Counters()
	c := Counts{
		In: t.In, Out: t.Out, Fates: map[string]uint64{}, FatesOut: map[string]uint64{}, Drops: t.Drops, Mends: t.Mends,
		Link: moved.Drops, Compare: p.comparer.Counts(), Netstack: served.IP.Received + served.IP.Disabled, LinkIn: moved.InPackets,
	}
	for fate, n := range t.InFates {
		c.Fates[string(fate)] = n
	}
	for fate, n := range t.OutFates {
		c.FatesOut[string(fate)] = n
	}
	// What netstack gets of the guard's own, beside packets.
	c.Ahead = t.Ahead
	// What netstack does not get, or counts nowhere.
	c.Kept = t.InFates[hooks.Guarded] + t.InFates[hooks.Mended] + t.Drops[hooks.ReasonDetached] + t.Drops[wire.ReasonBadVersion]
	if p.verifier != nil {
		c.Kept += p.verifier.Dropped()
	}
	return c
}
