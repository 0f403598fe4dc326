package byhand

// lastRefusals is how many SYNs to closed ports are remembered.
const lastRefusals = 256

// refusals are the flows of the last SYNs to closed ports.
type refusals struct {
	ring [lastRefusals][2]uint64
	n    int
}

// note remembers one.
func (r *refusals) note(a, b uint64) {
	r.ring[r.n%lastRefusals] = [2]uint64{a, b}
	r.n++
}

// Change takes note that the judged host is about to open and close ports, so that
// those of tcp and udp are open: of what comes to a port that changes there is no
// opinion from now on until done is called, once; made says that the host has changed
// them. From then on there is no opinion of what may be left of connections to them.
// Without an opinion of ports it does nothing.
func (h *Host) Change(tcp, udp []uint16) (done func(made bool)) {
	if h.tcpPorts == nil || h.udpPorts == nil {
		return func(bool) {}
	}
	nextTCP, nextUDP := newPorts(tcp), newPorts(udp)
	for i := range h.changing {
		h.changing[i] = (nextTCP[i] ^ h.tcpPorts[i]) | (nextUDP[i] ^ h.udpPorts[i])
	}
	// The judged host may not have looked yet at what was said to be refused.
	for _, f := range h.refusals.ring[:min(h.refusals.n, lastRefusals)] {
		h.flows.add(f[0], f[1])
	}
	return func(made bool) {
		for i, c := range h.changing {
			h.former[i] |= c
		}
		h.changing = ports{}
		if made {
			h.tcpPorts, h.udpPorts = nextTCP, nextUDP
		}
	}
}
