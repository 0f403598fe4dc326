package stack

import (
	"io"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

// connections knows the TCP connections that services have accepted, until netstack
// has forgotten them: in TIME-WAIT, say, no service has one any more. It holds none
// itself. To ask netstack for all its endpoints would stop every packet meanwhile.
// It is safe for concurrent use.
type connections struct {
	mu sync.Mutex
	// next numbers them.
	next uint64 // guarded by mu
	// chunks hold them by their number: chunkLen of them each, when they are new.
	chunks map[uint64]map[uint64]*connection // guarded by mu
}

// chunkLen is how many connections are looked at in one go, which takes some 70 µs:
// packets must not wait for more.
const chunkLen = 1024

// showLen is the same for what shows them, which takes longer.
const showLen = 32

// pause is how long it rests then. To yield would not do: on one core the scheduler
// goes on with what is ready before it asks whether a packet has come.
const pause = 50 * time.Microsecond

// A connection is what is known of one beside netstack.
type connection struct {
	number        uint64
	service       string
	local, remote netip.AddrPort
	begun         time.Time
	endpoint      weak.Pointer[tcp.Endpoint]

	// in and out count the bytes that the service has taken and given.
	in, out atomic.Uint64
	// active is when it last did, in nanoseconds since begun.
	active atomic.Int64
}

// A countedEndpoint is the endpoint of a connection, in the hands of its service.
type countedEndpoint struct {
	tcpip.Endpoint
	c *connection
}

// Read implements tcpip.Endpoint.
func (e countedEndpoint) Read(to io.Writer, o tcpip.ReadOptions) (tcpip.ReadResult, tcpip.Error) {
	res, err := e.Endpoint.Read(to, o)
	if res.Count > 0 && !o.Peek {
		e.c.in.Add(uint64(res.Count))
		e.c.active.Store(int64(time.Since(e.c.begun)))
	}
	return res, err
}

// Write implements tcpip.Endpoint.
func (e countedEndpoint) Write(from tcpip.Payloader, o tcpip.WriteOptions) (int64, tcpip.Error) {
	n, err := e.Endpoint.Write(from, o)
	if n > 0 {
		e.c.out.Add(uint64(n))
		e.c.active.Store(int64(time.Since(e.c.begun)))
	}
	return n, err
}

// add takes a connection in, and returns the endpoint for its service.
func (cs *connections) add(service string, ep tcpip.Endpoint) tcpip.Endpoint {
	own, ok := ep.(*tcp.Endpoint)
	if !ok {
		return ep // not as netstack is today
	}
	c := &connection{service: service, begun: time.Now(), endpoint: weak.Make(own)}
	if a, err := ep.GetLocalAddress(); err == nil {
		c.local = toAddrPort(a)
	}
	if a, err := ep.GetRemoteAddress(); err == nil {
		c.remote = toAddrPort(a)
	}
	cs.mu.Lock()
	c.number = cs.next
	cs.next++
	if cs.chunks == nil {
		cs.chunks = map[uint64]map[uint64]*connection{}
	}
	if cs.chunks[c.number/chunkLen] == nil {
		cs.chunks[c.number/chunkLen] = map[uint64]*connection{}
	}
	cs.chunks[c.number/chunkLen][c.number] = c
	cs.mu.Unlock()
	runtime.AddCleanup(own, cs.forget, c.number)
	return countedEndpoint{ep, c}
}

// forget ends what is known of a connection that netstack has forgotten.
func (cs *connections) forget(number uint64) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	chunk := cs.chunks[number/chunkLen]
	if delete(chunk, number); len(chunk) == 0 {
		delete(cs.chunks, number/chunkLen)
	}
}

// each calls see for each connection that netstack has, the oldest first. It rests
// often, so that it delays no packet by much; what comes or goes meanwhile
// may be seen or not.
func (cs *connections) each(see func(*connection, *tcp.Endpoint, tcp.EndpointState)) {
	cs.mu.Lock()
	places := make([]uint64, 0, len(cs.chunks))
	for place := range cs.chunks {
		places = append(places, place)
	}
	cs.mu.Unlock()
	slices.Sort(places)
	some := make([]*connection, 0, chunkLen)
	for _, place := range places {
		some = some[:0]
		cs.mu.Lock()
		for _, c := range cs.chunks[place] {
			some = append(some, c)
		}
		cs.mu.Unlock()
		slices.SortFunc(some, func(a, b *connection) int { return int(a.number) - int(b.number) })
		for _, c := range some {
			ep := c.endpoint.Value()
			if ep == nil {
				continue
			}
			if state := ep.EndpointState(); state != tcp.StateClose && state != tcp.StateError {
				see(c, ep, state)
			}
		}
		time.Sleep(pause)
	}
}

// states are the names of those that a connection can be in, as RFC 9293 section
// 3.3.2 has them.
var states = map[tcp.EndpointState]string{
	tcp.StateEstablished: "established",
	tcp.StateFinWait1:    "fin-wait-1",
	tcp.StateFinWait2:    "fin-wait-2",
	tcp.StateCloseWait:   "close-wait",
	tcp.StateClosing:     "closing",
	tcp.StateLastAck:     "last-ack",
	tcp.StateTimeWait:    "time-wait",
}

// otherState stands for those that an accepted connection is not in for long.
const otherState = "other"

func stateName(s tcp.EndpointState) string {
	if name, ok := states[s]; ok {
		return name
	}
	return otherState
}

// ConnectionTotals are what there is of all TCP connections that services have
// accepted and netstack has not forgotten.
type ConnectionTotals struct {
	// States counts them by state; every state is there.
	States map[string]uint64
	// Queue is how many bytes wait to be taken by the services: they are in
	// netstack's memory.
	Queue uint64
}

// ConnectionTotals looks at all connections. It may be called at any time, and takes
// some 50 ms for 50,000, mostly at rest.
func (h *Host) ConnectionTotals() ConnectionTotals { return h.Connections(0, nil) }

// A Connection is a TCP connection that a service has accepted.
type Connection struct {
	Service string         `json:"service"`
	State   string         `json:"state"`
	Local   netip.AddrPort `json:"local"`
	Remote  netip.AddrPort `json:"remote"`
	// Age in seconds since it was accepted, and Idle since the service last took
	// or gave data.
	Age  float64 `json:"age_seconds"`
	Idle float64 `json:"idle_seconds"`
	// In and Out are the bytes that the service has taken and given.
	In  uint64 `json:"bytes_in"`
	Out uint64 `json:"bytes_out"`
	// Queue is how many bytes wait to be taken by the service.
	Queue int `json:"receive_queue"`
	// Received and Sent are segments, Retransmits those that were sent again.
	Received    uint64 `json:"segments_in"`
	Sent        uint64 `json:"segments_out"`
	Retransmits uint64 `json:"retransmits"`
	// RTT is the smoothed round-trip time in microseconds, 0 before there is one,
	// RTTVar its variation, and RTO the time-out for a retransmission.
	RTT    int64 `json:"rtt_us"`
	RTTVar int64 `json:"rttvar_us"`
	RTO    int64 `json:"rto_us"`
	// Window is the congestion window in segments, and Threshold that of slow start.
	Window    uint32 `json:"cwnd"`
	Threshold uint32 `json:"ssthresh"`
}

// A Listener is a port that a service has.
type Listener struct {
	Service  string `json:"service"`
	Protocol string `json:"protocol"` // "tcp" or "udp"
	Port     uint16 `json:"port"`
	// Open are the TCP connections that the service has, Accepted those that it ever
	// had, and Limit how many it may have.
	Open     *uint64 `json:"open,omitempty"`
	Accepted *uint64 `json:"accepted,omitempty"`
	Limit    *int64  `json:"limit,omitempty"`
	// In and Out are UDP datagrams. None of them waits: they are answered as they
	// come.
	In  *uint64 `json:"datagrams_in,omitempty"`
	Out *uint64 `json:"datagrams_out,omitempty"`
}

// Listeners are the ports that the services have. It may be called at any time.
func (h *Host) Listeners() []Listener {
	counters := h.Counters().Services
	all := []Listener{}
	i := h.current()
	if i == nil {
		return all
	}
	for _, s := range i.services.Load().open {
		n := counters[s.name]
		if l := s.listener; l != nil {
			limit := l.limit.Load()
			all = append(all, Listener{Service: s.name, Protocol: "tcp", Port: s.port, Open: &n.Open, Accepted: &n.Connections, Limit: &limit})
		}
		if s.socket != nil {
			all = append(all, Listener{Service: s.name, Protocol: "udp", Port: s.port, In: &n.Datagrams, Out: &n.Replies})
		}
	}
	return all
}

// Connections calls see for TCP connections that services have accepted, the oldest
// first, but for no more than limit, and returns what there is of all. It may be
// called at any time; see may take its time, for packets pass meanwhile, and is called
// by one goroutine at a time. Of a netstack that panics meanwhile there are none.
func (h *Host) Connections(limit int, see func(Connection)) ConnectionTotals {
	i := h.current()
	if i == nil {
		return noConnections()
	}
	var (
		seeing sync.Mutex
		over   bool // guarded by seeing
	)
	totals := noConnections()
	whole := i.ask(WhereCount, func() {
		i.show(limit, &totals, func(c Connection) {
			seeing.Lock()
			defer seeing.Unlock()
			if !over {
				see(c)
			}
		})
	})
	if whole {
		return totals
	}
	seeing.Lock()
	defer seeing.Unlock()
	over = true // for it may still look at one
	return noConnections()
}

// noConnections are none, of every state.
func noConnections() ConnectionTotals {
	totals := ConnectionTotals{States: map[string]uint64{otherState: 0}}
	for _, name := range states {
		totals.States[name] = 0
	}
	return totals
}

// show adds the connections to totals, and calls see for no more than limit.
func (i *instance) show(limit int, totals *ConnectionTotals, see func(Connection)) {
	shown := 0
	i.connections.each(func(c *connection, ep *tcp.Endpoint, s tcp.EndpointState) {
		totals.States[stateName(s)]++
		queue := queueOf(ep)
		totals.Queue += uint64(queue)
		if shown < limit {
			shown++
			see(c.show(ep, s, queue))
			if shown%showLen == 0 {
				time.Sleep(pause)
			}
		}
	})
}

// queueOf is how many bytes of a connection wait for its service.
func queueOf(ep *tcp.Endpoint) int {
	n, err := ep.GetSockOptInt(tcpip.ReceiveQueueSizeOption)
	if err != nil {
		return 0 // it has ended meanwhile
	}
	return n
}

// show asks netstack about a connection.
func (c *connection) show(ep *tcp.Endpoint, s tcp.EndpointState, queue int) Connection {
	age := time.Since(c.begun)
	shown := Connection{
		Service: c.service, State: stateName(s), Local: c.local, Remote: c.remote,
		Age: age.Seconds(), Idle: (age - time.Duration(c.active.Load())).Seconds(), In: c.in.Load(), Out: c.out.Load(),
		Queue: queue,
	}
	var info tcpip.TCPInfoOption
	if err := ep.GetSockOpt(&info); err == nil {
		shown.RTT, shown.RTTVar, shown.RTO = info.RTT.Microseconds(), info.RTTVar.Microseconds(), info.RTO.Microseconds()
		shown.Window, shown.Threshold = info.SndCwnd, info.SndSsthresh
	}
	if stats, ok := ep.Stats().(*tcp.Stats); ok {
		shown.Received, shown.Sent = stats.SegmentsReceived.Value(), stats.SegmentsSent.Value()
		shown.Retransmits = stats.SendErrors.Retransmits.Value()
	}
	return shown
}
