package host

import (
	"net/netip"
	"sync"

	"netstackd/cmd/netstackconform/internal/suite"
	"netstackd/hooks/wire"
)

// Reference is the reference host in both its shapes at once. Its echo replies
// are those of netstackd -respond byhand, behind a TUN device like any other
// host's; all that this does not answer is predicted, by hooks/byhand in process.
// Whatever else the netstackd sends is netstack's, and is not looked at.
type Reference struct {
	*Prediction
	daemon *Daemon

	mu sync.Mutex
	// answered are those whom the netstackd has sent an echo reply; guarded by
	// mu.
	answered map[netip.Addr]bool
}

var _ suite.Taciturn = (*Reference)(nil)

// NewReference returns it, with the netstackd that answers for it.
func NewReference(name, binary string) *Reference {
	return &Reference{
		Prediction: &Prediction{others: true},
		daemon:     NewDaemon(name, binary, "-respond", "byhand"),
	}
}

// Name implements suite.Host.
func (r *Reference) Name() string { return r.daemon.Name() }

// Start implements suite.Host. Unlike other hosts it may call sink from two
// goroutines at a time.
func (r *Reference) Start(sink func([]byte)) error {
	r.mu.Lock()
	r.answered = map[netip.Addr]bool{}
	r.mu.Unlock()
	if err := r.Prediction.Start(sink); err != nil {
		return err
	}
	return r.daemon.Start(func(b []byte) {
		var p wire.Packet
		if p.Decode(b); !mayReply(&p) {
			return
		}
		r.mu.Lock()
		r.answered[p.FinalDst()] = true
		r.mu.Unlock()
		sink(b)
	})
}

// mayReply reports whether a packet is an echo reply or a fragment of one: of
// all ICMP messages that a netstackd sends only those are longer than its MTU.
func mayReply(p *wire.Packet) bool {
	if p.Fragment.Offset != 0 {
		return p.Protocol == wire.ProtocolICMPv4 || p.Protocol == wire.ProtocolICMPv6
	}
	return p.Upper == wire.LayerICMPv4 && p.ICMP.Type == wire.ICMPv4EchoReply ||
		p.Upper == wire.LayerICMPv6 && p.ICMP.Type == wire.ICMPv6EchoReply
}

// Send implements suite.Host: what is predicted is there before what is answered.
func (r *Reference) Send(packet []byte) error {
	if err := r.Prediction.Send(packet); err != nil {
		return err
	}
	return r.daemon.Send(packet)
}

// Forget implements suite.Taciturn.
func (r *Reference) Forget(src netip.Addr) suite.Account {
	a := r.Prediction.Forget(src)
	r.mu.Lock()
	defer r.mu.Unlock()
	a.Live = r.answered[src]
	delete(r.answered, src)
	return a
}

// Died implements suite.Host.
func (r *Reference) Died() error { return r.daemon.Died() }

// Stop implements suite.Host.
func (r *Reference) Stop() error { return r.daemon.Stop() }
