package suite

import (
	"slices"
	"time"

	"netstackd/hooks/wire"
)

// A Requirement is how strongly the RFC asks (RFC 2119).
type Requirement string

// The requirements.
const (
	Must   Requirement = "MUST"
	Should Requirement = "SHOULD"
	May    Requirement = "MAY"
)

// A Case is one question to a host, with the answer that the RFC gives, and
// nobody else. Cases are independent: each has addresses of its own at the far
// end.
type Case struct {
	// ID is short, in kebab-case, and never changes.
	ID string
	// Group is one of Groups.
	Group string
	// Title says what a host does that is right.
	Title string
	// Requirement is how strongly RFC, as "RFC 1122 §3.2.1.2", asks for it.
	Requirement Requirement
	RFC         string
	Steps       []Step
	// Place is where in gVisor, below pkg/tcpip, it is decided otherwise, as
	// "network/ipv4/icmp.go handleICMP". Every case at which netstack is known
	// to deviate has one.
	Place string
	// Deadly cases are known to kill hosts: they come last.
	Deadly bool
	// Slow cases wait; they are run all at once, beside the others. Long ones
	// are slow, wait for more than 5 s, and are left out unless asked for.
	Slow, Long bool
}

// A Step is a stimulus and what is due.
type Step struct {
	// Send makes the packets, which are sent in a row. Nil sends nothing.
	Send func(x *Exchange) [][]byte
	// Unfinished says that the packets are segments and datagrams with partial
	// checksums, and Segment how many bytes of data a piece has at most if they
	// are to be cut. Hosts that cannot be given such have no opinion.
	Unfinished bool
	Segment    int
	// Acks returns what to send when one more of the replies has come, or nil: a
	// host that hears no acknowledgement slows down, and falls silent.
	Acks func(x *Exchange, got []*wire.Packet) []byte
	// Repeats says that segments count also when they come again, which a host may
	// send when it will.
	Repeats bool
	// Bulk says that the packets are many, and alike: they are not kept for reports.
	Bulk bool
	// Wait is how long after that replies are collected, at least.
	Wait time.Duration
	Want Want
}

// judge says what is otherwise than the step wants, or nothing.
func (st *Step) judge(x *Exchange, got []*wire.Packet) string {
	if st.Repeats || st.Want.repeats {
		return st.Want.judge(x, got)
	}
	var fresh []*wire.Packet
	for _, p := range got {
		if !repeated(p, x.Got) && !repeated(p, fresh) {
			fresh = append(fresh, p)
		}
	}
	return st.Want.judge(x, fresh)
}

// repeated reports whether a segment that occupies sequence numbers is one of
// others, once more.
func repeated(p *wire.Packet, others []*wire.Packet) bool {
	if p.Upper != wire.LayerTCP || !p.Problem.IsZero() || !occupies(p) {
		return false
	}
	const told = wire.TCPSyn | wire.TCPFin | wire.TCPRst
	return slices.ContainsFunc(others, func(q *wire.Packet) bool {
		return q.Upper == wire.LayerTCP && q.TCP.Seq == p.TCP.Seq && q.TCP.SrcPort == p.TCP.SrcPort &&
			q.TCP.Flags&told == p.TCP.Flags&told && Behind(q) == Behind(p)
	})
}
