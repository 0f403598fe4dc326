package host

import (
	"net/netip"
	"sync"
	"time"

	"netstackd/cmd/netstackconform/internal/suite"
	"netstackd/hooks/byhand"
	"netstackd/hooks/wire"
)

// Reference is the host of hooks/byhand, which answers every packet with what
// it predicts: a reply that is due, and one that it takes for allowed. It is
// another host to each address, since it never forgets what it has come to
// doubt; and its time passes as fast as one waits.
type Reference struct {
	mu sync.Mutex
	// The following are guarded by mu.
	now  time.Time
	sink func([]byte)
	to   map[netip.Addr]*predictor
}

// A predictor is the reference host to one address.
type predictor struct {
	host *byhand.Host
	// noOpinion says that there was a packet without an opinion, and connected
	// that there is a connection, which no prediction reaches into.
	noOpinion, connected bool
}

var _ suite.Taciturn = (*Reference)(nil)

// NewReference returns it.
func NewReference() *Reference { return &Reference{} }

// Name implements suite.Host.
func (*Reference) Name() string { return "reference" }

// Start implements suite.Host.
func (r *Reference) Start(sink func([]byte)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now, r.sink, r.to = time.Now(), sink, map[netip.Addr]*predictor{}
	return nil
}

// Send implements suite.Host. The replies are with the sink when it returns.
func (r *Reference) Send(packet []byte) error {
	var p wire.Packet
	p.Decode(packet)
	r.mu.Lock()
	defer r.mu.Unlock()
	to := r.to[p.Src]
	if to == nil {
		ports := []uint16{suite.EchoPort, suite.DiscardPort}
		to = &predictor{host: byhand.NewHost(byhand.Config{
			Addresses: []netip.Prefix{suite.Prefix4, suite.Prefix6}, TCPPorts: ports, UDPPorts: ports,
		})}
		r.to[p.Src] = to
	}
	pr := to.host.Inbound(&p, p.Checksums(nil), r.now)
	to.noOpinion = to.noOpinion || pr.Expect == byhand.NoOpinion
	to.connected = to.connected || pr.Form == byhand.SynAck && pr.Reply != nil
	r.reply(pr)
	return nil
}

// reply sends what a prediction says. The caller holds mu.
func (r *Reference) reply(pr byhand.Prediction) {
	if (pr.Expect == byhand.MustReply || pr.Expect == byhand.MayReply) && pr.Reply != nil {
		r.sink(pr.Reply)
	}
}

// Wait implements suite.Host: what is due until then is sent at once.
func (r *Reference) Wait(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, to := range r.to {
		to.noOpinion = to.noOpinion || to.connected
	}
	for end := r.now.Add(d); r.now.Before(end); {
		r.now = r.now.Add(min(time.Second, end.Sub(r.now)))
		for _, to := range r.to {
			for _, t := range to.host.Timeouts(r.now, nil) {
				r.reply(t.Prediction)
			}
		}
	}
}

// Forget implements suite.Taciturn.
func (r *Reference) Forget(src netip.Addr) (noOpinion bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	to := r.to[src]
	delete(r.to, src)
	return to != nil && to.noOpinion
}

// Died implements suite.Host.
func (*Reference) Died() error { return nil }

// Stop implements suite.Host.
func (*Reference) Stop() error { return nil }
