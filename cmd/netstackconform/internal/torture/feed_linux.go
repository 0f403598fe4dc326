package torture

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"netstackd/cmd/netstackconform/internal/hostile"
	"netstackd/cmd/netstackconform/internal/suite"
	"netstackd/hooks/wire"
	"netstackd/stack"
)

const (
	// stretch is how many packets go between two pings usually, and samples how many samples of
	// memory are taken in a run.
	stretch = 5_000
	samples = 20
	// patience is how long a ping may take, or a packet wait for room, until something
	// hangs, and pingTry how long until a ping is sent again: a device may lose one.
	patience, pingTry = 30 * time.Second, time.Second
	// openPatience is how long a SYN-ACK is waited for: where there is no room for
	// a connection none comes.
	openPatience = 100 * time.Millisecond
)

// A feed sends packets and hears what comes back.
type feed struct {
	send    func(*hostile.Packet) error
	synAcks chan synAck
	pongs   chan uint32
	seq     uint32
	// stretch is how many packets go between two pings.
	stretch uint64
}

// A synAck is what is to be known of one.
type synAck struct {
	to   netip.AddrPort
	port uint16
	seq  uint32
}

func newFeed(send func(*hostile.Packet) error) *feed {
	return &feed{send: send, synAcks: make(chan synAck, 64), pongs: make(chan uint32, 64), stretch: stretch}
}

// pingMark is the beginning of the data of our pings.
var pingMark = []byte("is anybody there?")

// heard looks at a packet from the host, which it borrows.
func (f *feed) heard(b []byte) {
	var p wire.Packet
	if !p.Decode(b) {
		return
	}
	switch {
	case p.Upper == wire.LayerTCP && p.TCP.Flags&(wire.TCPSyn|wire.TCPAck|wire.TCPRst) == wire.TCPSyn|wire.TCPAck:
		select {
		case f.synAcks <- synAck{netip.AddrPortFrom(p.Dst, p.TCP.DstPort), p.TCP.SrcPort, p.TCP.Seq}:
		default: // more than anybody waits for
		}
	default:
		if seq, ok := pingOf(&p, wire.ICMPv4EchoReply, wire.ICMPv6EchoReply); ok {
			select {
			case f.pongs <- seq:
			default:
			}
		}
	}
}

// pingOf returns the number of a ping of ours, or of the reply to one: type4 and type6
// say which.
func pingOf(p *wire.Packet, type4, type6 uint8) (seq uint32, ok bool) {
	if p.Upper != wire.LayerICMPv4 && p.Upper != wire.LayerICMPv6 || p.ICMP.Type != type4 && p.ICMP.Type != type6 {
		return 0, false
	}
	d := p.Data()
	if len(d) != 8+len(pingMark)+4 || !bytes.HasPrefix(d[8:], pingMark) {
		return 0, false
	}
	return binary.BigEndian.Uint32(d[8+len(pingMark):]), true
}

// feed sends what a generator makes. sample, unless it is nil, is called now and
// then.
func (f *feed) feed(ctx context.Context, c Config, o *Outcome, sample func() (Sample, error)) error {
	begin := time.Now()
	defer func() { o.Took = time.Since(begin) }()
	open, _ := stack.Ports(stack.ServiceNames())
	g := hostile.New(hostile.Config{
		Seed: c.Seed, Part: c.Part, Host4: suite.Prefix4.Addr(), Host6: suite.Prefix6.Addr(), Open: open,
	})
	if err := f.look(ctx, o, sample); err != nil {
		return err
	}
	every := max(c.Packets/samples, 1)
	looked := uint64(0)
	for o.Sent < c.Packets && ctx.Err() == nil && (c.Time == 0 || time.Since(begin) < c.Time) {
		group := g.Next()
		if err := f.all(group.Packets, o); err != nil {
			return err
		}
		if group.Opening != nil {
			if seq, ok := f.opened(group.Opening); ok {
				o.Opened++
				if err := f.all(group.Opening.Follow(seq), o); err != nil {
					return err
				}
			}
		}
		switch {
		case o.Sent/every > looked/every:
			if err := f.look(ctx, o, sample); err != nil {
				return err
			}
		case o.Sent/f.stretch > looked/f.stretch:
			if err := f.look(ctx, o, nil); err != nil {
				return err
			}
		default:
			continue
		}
		looked = o.Sent
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return f.look(ctx, o, nil)
}

// look pings, which shows that all that was sent has been taken, and takes a sample.
func (f *feed) look(ctx context.Context, o *Outcome, sample func() (Sample, error)) error {
	for _, to := range []netip.Addr{suite.Prefix4.Addr(), suite.Prefix6.Addr()} {
		if err := f.ping(ctx, to, o); err != nil {
			return err
		}
	}
	if sample == nil {
		return nil
	}
	s, err := sample()
	s.Packets = o.Sent
	o.Samples = append(o.Samples, s)
	return err
}

func (f *feed) all(packets []hostile.Packet, o *Outcome) error {
	for i := range packets {
		p := &packets[i]
		switch err := f.send(p); {
		case errors.Is(err, errRefused):
			continue
		case err != nil:
			return fmt.Errorf("after %d packets: %w", o.Sent, err)
		}
		o.Sent++
		o.Kinds[string(p.Kind)]++
		if p.Header.IsSuperDatagram() {
			o.Supers++
		}
	}
	return nil
}

// opened waits for the SYN-ACK to an opening.
func (f *feed) opened(op *hostile.Opening) (seq uint32, ok bool) {
	to := netip.AddrPortFrom(op.Peer, op.PeerPort)
	timer := time.NewTimer(openPatience)
	defer timer.Stop()
	for {
		select {
		case s := <-f.synAcks:
			if s.to == to && s.port == op.HostPort {
				return s.seq, true
			}
		case <-timer.C:
			return 0, false
		}
	}
}

// ping sends a right ping and wants a reply, which shows that all that went before
// has been taken.
func (f *feed) ping(ctx context.Context, to netip.Addr, o *Outcome) error {
	from := suite.Near4
	if to.Is6() {
		from = suite.Near6
	}
	f.seq++
	p := hostile.Ping(netip.MustParseAddr(from), to, f.seq, binary.BigEndian.AppendUint32(bytes.Clone(pingMark), f.seq))
	for begin := time.Now(); time.Since(begin) < patience; {
		if err := f.send(&p); err != nil {
			return fmt.Errorf("ping after %d packets: %w", o.Sent, err)
		}
		o.Pings++
		if f.ponged(ctx, pingTry) {
			return nil
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
	}
	return fmt.Errorf("after %d packets a ping to %s is not answered in %v", o.Sent, to, patience)
}

// ponged reports whether the last ping is answered within a time, unless ctx ends.
func (f *feed) ponged(ctx context.Context, within time.Duration) bool {
	timer := time.NewTimer(within)
	defer timer.Stop()
	for {
		select {
		case seq := <-f.pongs:
			if seq == f.seq {
				return true
			}
		case <-ctx.Done():
			return false
		case <-timer.C:
			return false
		}
	}
}
