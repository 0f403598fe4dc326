package stack

import (
	"fmt"
	"net/netip"
	"os"
	"sync/atomic"

	"github.com/sirupsen/logrus"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	netstack "gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// listener accepts the TCP connections of one service, over IPv4 and IPv6, up
// to its limit. One over the limit is accepted and reset at once, so that the
// client learns of it instead of waiting in a full backlog.
type listener struct {
	service string
	ep      tcpip.Endpoint
	wq      waiter.Queue
	entry   waiter.Entry
	log     logrus.FieldLogger

	// ready has room for one signal: netstack signals it when a connection
	// waits to be accepted. Never closed.
	ready chan struct{}
	// done is Host.done: Host.Close closes it.
	done <-chan struct{}
	// limit is how many connections may be open at a time, held how many are. Only
	// the goroutine that calls next takes one more.
	limit, held atomic.Int64
	// sources are those of the host, for all its listeners.
	sources *sources
	// connections gets to know each that is accepted. They are those of the host too.
	connections *connections
	// full is true from the first refusal until a slot is given back, so that a
	// flood is logged once.
	full atomic.Bool
	// crowded is the same for the limit of a source.
	crowded atomic.Bool

	accepted atomic.Uint64
	refused  atomic.Uint64
	crowding atomic.Uint64 // refused for the limit of their source
	idled    atomic.Uint64
}

// listenTCP opens a listener on port of every address the host has or will
// have. It starts no goroutine.
func listenTCP(s *netstack.Stack, service string, port uint16, lim limits, from *sources, all *connections, done <-chan struct{}, log logrus.FieldLogger) (*listener, error) {
	l := &listener{
		service:     service,
		log:         log,
		done:        done,
		sources:     from,
		connections: all,
	}
	l.limit.Store(int64(lim.connections))
	// An IPv6 endpoint bound to no address takes IPv4 too.
	ep, terr := s.NewEndpoint(tcp.ProtocolNumber, ipv6.ProtocolNumber, &l.wq)
	if terr != nil {
		return nil, asError(terr, "open %s on TCP port %d", service, port)
	}
	ep.SocketOptions().SetV6Only(false)
	// Accepted connections inherit it, for what netstack still holds after the
	// service is done. It is longer than the idle time so that the service,
	// which counts and sends a reset, gives up first.
	timeout := tcpip.TCPUserTimeoutOption(4 * lim.idle)
	if terr := ep.SetSockOpt(&timeout); terr != nil {
		ep.Close()
		return nil, asError(terr, "set user timeout of %s", service)
	}
	if terr := ep.Bind(tcpip.FullAddress{Port: port}); terr != nil {
		ep.Close()
		return nil, asError(terr, "bind %s to TCP port %d", service, port)
	}
	if terr := ep.Listen(lim.backlog); terr != nil {
		ep.Close()
		return nil, asError(terr, "listen for %s on TCP port %d", service, port)
	}
	l.ep = ep
	l.entry, l.ready = waiter.NewChannelEntry(waiter.ReadableEvents | waiter.EventHUp | waiter.EventErr)
	l.wq.EventRegister(&l.entry)
	return l, nil
}

// next waits for a connection that fits the limit and takes a slot for it. The
// caller owns the connection and calls release, once, when it is over. After close
// the error wraps os.ErrClosed.
func (l *listener) next() (ep tcpip.Endpoint, wq *waiter.Queue, release func(), err error) {
	for {
		ep, wq, terr := l.ep.Accept(nil)
		select {
		case <-l.done:
			// Whatever Accept said, it says because close is at work.
			if terr == nil {
				reset(ep)
			}
			return nil, nil, nil, fmt.Errorf("accept %s: %w", l.service, os.ErrClosed)
		default:
		}
		switch terr.(type) {
		case nil:
		case *tcpip.ErrWouldBlock:
			select {
			case <-l.ready:
			case <-l.done:
			}
			continue
		default:
			return nil, nil, nil, asError(terr, "accept %s", l.service)
		}
		source := sourceOf(remoteAddr(ep))
		switch {
		case l.held.Load() >= l.limit.Load():
			l.refuse(ep, source, DropConnectionLimit)
			continue
		case !l.sources.take(source):
			l.refuse(ep, source, DropSourceLimit)
			continue
		}
		l.held.Add(1)
		l.accepted.Add(1)
		return l.connections.add(l.service, ep), wq, func() { l.release(source) }, nil
	}
}

// refuse resets a connection over a limit. The first of many is logged.
func (l *listener) refuse(ep tcpip.Endpoint, source netip.Prefix, reason string) {
	count, logged, limit := &l.refused, &l.full, l.limit.Load()
	if reason == DropSourceLimit {
		count, logged, limit = &l.crowding, &l.crowded, l.sources.limit.Load()
	}
	count.Add(1) // first: whoever sees the reset finds it counted
	reset(ep)
	if logged.CompareAndSwap(false, true) {
		l.log.WithFields(logrus.Fields{"service": l.service, "limit": limit, "reason": reason, "source": source}).
			Warn("connection limit reached, refusing more")
	}
}

// release gives back the slot of a connection that is over.
func (l *listener) release(source netip.Prefix) {
	l.held.Add(-1)
	l.sources.give(source)
	l.full.Store(false)
	l.crowded.Store(false)
}

// open is how many connections hold a slot.
func (l *listener) open() int { return int(l.held.Load()) }

// close stops listening. Connections that nobody accepted are reset. next
// returns once done is closed.
func (l *listener) close() {
	l.wq.EventUnregister(&l.entry)
	l.ep.Close()
}

// reset ends a connection with RST and frees what it holds.
func reset(ep tcpip.Endpoint) {
	ep.Abort()
	ep.Close()
}
