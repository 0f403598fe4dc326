package host

import (
	"net/netip"
	"sync"
	"time"

	"netstackd/cmd/netstackconform/internal/suite"
	"netstackd/hooks/byhand"
	"netstackd/hooks/wire"
)

// Prediction is the host of hooks/byhand in process, which answers every packet
// with what it predicts: a reply that is due, and one that it takes for allowed.
// It is another host to each address, since it never forgets what it has come to
// doubt; and its time passes as fast as one waits. It needs no privilege.
type Prediction struct {
	// others says that another sends the echo replies.
	others bool

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

var _ suite.Taciturn = (*Prediction)(nil)

// NewPrediction returns it.
func NewPrediction() *Prediction { return &Prediction{} }

// Name implements suite.Host.
func (*Prediction) Name() string { return "prediction" }

// Start implements suite.Host.
func (h *Prediction) Start(sink func([]byte)) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now, h.sink, h.to = time.Now(), sink, map[netip.Addr]*predictor{}
	return nil
}

// Send implements suite.Host. The replies are with the sink when it returns.
func (h *Prediction) Send(packet []byte) error {
	var p wire.Packet
	p.Decode(packet)
	h.mu.Lock()
	defer h.mu.Unlock()
	to := h.to[p.Src]
	if to == nil {
		ports := []uint16{suite.EchoPort, suite.DiscardPort}
		to = &predictor{host: byhand.NewHost(byhand.Config{
			Addresses: []netip.Prefix{suite.Prefix4, suite.Prefix6}, TCPPorts: append(ports, suite.PagePort), UDPPorts: ports,
		})}
		h.to[p.Src] = to
	}
	pr := to.host.Inbound(&p, p.Checksums(nil), h.now)
	to.noOpinion = to.noOpinion || pr.Expect == byhand.NoOpinion
	to.connected = to.connected || pr.Form == byhand.SynAck && pr.Reply != nil
	h.reply(pr)
	return nil
}

// reply sends what a prediction says. The caller holds mu.
func (h *Prediction) reply(pr byhand.Prediction) {
	if h.others && pr.Form == byhand.EchoReply {
		return
	}
	if (pr.Expect == byhand.MustReply || pr.Expect == byhand.MayReply) && pr.Reply != nil {
		h.sink(pr.Reply)
	}
}

// Wait implements suite.Host: what is due until then is sent at once.
func (h *Prediction) Wait(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, to := range h.to {
		to.noOpinion = to.noOpinion || to.connected
	}
	for end := h.now.Add(d); h.now.Before(end); {
		h.now = h.now.Add(min(time.Second, end.Sub(h.now)))
		for _, to := range h.to {
			for _, t := range to.host.Timeouts(h.now, nil) {
				h.reply(t.Prediction)
			}
		}
	}
}

// Forget implements suite.Taciturn.
func (h *Prediction) Forget(src netip.Addr) suite.Account {
	h.mu.Lock()
	defer h.mu.Unlock()
	to := h.to[src]
	delete(h.to, src)
	return suite.Account{NoOpinion: to != nil && to.noOpinion}
}

// Died implements suite.Host.
func (*Prediction) Died() error { return nil }

// Stop implements suite.Host.
func (*Prediction) Stop() error { return nil }
