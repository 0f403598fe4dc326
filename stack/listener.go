package stack

import (
	"fmt"
	"os"
	"sync/atomic"
	"time"

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
	// done is closed when nothing is accepted any more.
	done <-chan struct{}
	// limit is how many connections may be open at a time, held how many are.
	limit, held atomic.Int64
	// idle is how long a connection may make no progress at all, in nanoseconds, and
	// patience how long it may before it gives way to others.
	idle     atomic.Int64
	patience time.Duration
	// stays says that its connections give way to nobody.
	stays bool
	// sources are those of the host, for all its listeners; it guards places.
	sources *sources
	places  places
	// connections gets to know each that is accepted. They are those of the host too.
	connections *connections
	// full is true from the first refusal until a slot is given back, so that a
	// flood is logged once.
	full atomic.Bool
	// crowded is the same for the limit of a source, filled for that of all services.
	crowded, filled atomic.Bool

	accepted atomic.Uint64
	refused  atomic.Uint64
	crowding atomic.Uint64 // refused for the limit of their source
	overfull atomic.Uint64 // refused for the limit of all services
	gaveWay  atomic.Uint64
	idled    atomic.Uint64
	off      atomic.Uint64 // ended as the service was taken away
	// ended is written under sources.mu: nobody gets a place any more.
	ended atomic.Bool
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
		patience:    lim.patience,
	}
	// An IPv6 endpoint bound to no address takes IPv4 too.
	ep, terr := s.NewEndpoint(tcp.ProtocolNumber, ipv6.ProtocolNumber, &l.wq)
	if terr != nil {
		return nil, asError(terr, "open %s on TCP port %d", service, port)
	}
	ep.SocketOptions().SetV6Only(false)
	// A service that comes back finds connections in TIME-WAIT.
	ep.SocketOptions().SetReuseAddress(true)
	if terr := ep.Bind(tcpip.FullAddress{Port: port}); terr != nil {
		ep.Close()
		return nil, asError(terr, "bind %s to TCP port %d", service, port)
	}
	l.ep = ep
	if err := l.setLimits(lim); err != nil {
		ep.Close()
		return nil, err
	}
	l.entry, l.ready = waiter.NewChannelEntry(waiter.ReadableEvents | waiter.EventHUp | waiter.EventErr)
	l.wq.EventRegister(&l.entry)
	from.join(l)
	return l, nil
}

// setLimits changes the limits of a listener, but for its patience.
func (l *listener) setLimits(lim limits) error {
	l.limit.Store(int64(lim.connections))
	l.idle.Store(int64(lim.idle))
	// Accepted connections inherit it, for what netstack still holds after the
	// service is done. It is longer than the idle time so that the service,
	// which counts and sends a reset, gives up first.
	timeout := tcpip.TCPUserTimeoutOption(4 * lim.idle)
	if terr := l.ep.SetSockOpt(&timeout); terr != nil {
		return asError(terr, "set user timeout of %s", l.service)
	}
	return asError(l.ep.Listen(lim.backlog), "listen for %s", l.service)
}

// next waits for a connection that fits the limits and gives it its seat. The
// caller owns the connection and releases the seat when it is over. After close
// the error wraps os.ErrClosed.
func (l *listener) next() (*seat, *waiter.Queue, error) {
	for {
		ep, wq, terr := l.ep.Accept(nil)
		select {
		case <-l.done:
			// Whatever Accept said, it says because close is at work.
			if terr == nil {
				l.refuse(ep, DropServiceOff)
			}
			return nil, nil, fmt.Errorf("accept %s: %w", l.service, os.ErrClosed)
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
			return nil, nil, asError(terr, "accept %s", l.service)
		}
		v, reason := l.sources.take(l, ep)
		if reason != "" {
			l.refuse(ep, reason)
			continue
		}
		l.accepted.Add(1)
		if v.crowd {
			// From here on each holds little. The sizes of before are what it has been told of.
			o := ep.SocketOptions()
			o.SetReceiveBufferSize(bufferDefault, true)
			o.SetSendBufferSize(bufferCrowd, true)
		}
		v.served = l.connections.add(l.service, ep)
		return v, wq, nil
	}
}

// refuse resets a connection over a limit. The first of many is logged.
func (l *listener) refuse(ep tcpip.Endpoint, reason string) {
	count, logged, limit := &l.refused, &l.full, l.limit.Load()
	switch reason {
	case DropSourceLimit:
		count, logged, limit = &l.crowding, &l.crowded, l.sources.limit.Load()
	case DropServiceOff:
		if l.ended.Load() { // or else the host closes
			l.off.Add(1)
		}
		reset(ep)
		return
	case DropTotalLimit:
		count, logged, limit = &l.overfull, &l.filled, l.sources.total.Load()
	}
	source := sourceOf(remoteAddr(ep))
	count.Add(1) // first: whoever sees the reset finds it counted
	reset(ep)
	if logged.CompareAndSwap(false, true) {
		l.log.WithFields(logrus.Fields{"service": l.service, "limit": limit, "reason": reason, "source": source}).
			Warn("connection limit reached, refusing more")
	}
}

// turnAway resets the connections that nobody has accepted, once the listener has left.
func (l *listener) turnAway() {
	for {
		ep, _, terr := l.ep.Accept(nil)
		if terr != nil {
			return
		}
		l.refuse(ep, DropServiceOff)
	}
}

// calm has the next refusal logged again: there is room.
func (l *listener) calm() {
	l.full.Store(false)
	l.crowded.Store(false)
	l.filled.Store(false)
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
