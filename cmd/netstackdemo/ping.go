package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// pingInterval is the pause between two echo requests. It is short: the
// neighbour is on this machine.
const pingInterval = 20 * time.Millisecond

// pingPatience is how long one reply is waited for.
const pingPatience = time.Second

// family is what differs between the two ICMPs.
type family struct {
	network, any   string
	protocol       int // for icmp.ParseMessage: the IANA protocol number
	request, reply icmp.Type
}

// familyOf returns the ICMP that belongs to an address.
func familyOf(addr netip.Addr) family {
	if addr.Is4() {
		return family{"ip4:icmp", "0.0.0.0", 1, ipv4.ICMPTypeEcho, ipv4.ICMPTypeEchoReply}
	}
	return family{"ip6:ipv6-icmp", "::", 58, ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply}
}

// ping sends count echo requests through a raw socket, one after the other,
// and wants each answered with its own data. It returns the round-trip times.
func ping(ctx context.Context, to netip.Addr, count int) ([]time.Duration, error) {
	fam := familyOf(to)
	conn, err := icmp.ListenPacket(fam.network, fam.any)
	if err != nil {
		return nil, fmt.Errorf("open raw ICMP socket: %w", err)
	}
	defer conn.Close()
	id := os.Getpid() & 0xffff
	var times []time.Duration
	for seq := 1; seq <= count; seq++ {
		if seq > 1 {
			select {
			case <-time.After(pingInterval):
			case <-ctx.Done():
				return times, context.Cause(ctx)
			}
		}
		rtt, err := pingOnce(ctx, conn, fam, to, &icmp.Echo{ID: id, Seq: seq, Data: pattern(56)})
		if err != nil {
			return times, fmt.Errorf("ping %d of %d: %w", seq, count, err)
		}
		times = append(times, rtt)
	}
	return times, nil
}

// pingOnce sends one request and waits for its reply. Anything else that
// arrives at a raw socket is not ours to judge and is passed over.
func pingOnce(ctx context.Context, conn *icmp.PacketConn, fam family, to netip.Addr, echo *icmp.Echo) (time.Duration, error) {
	// Without a pseudo-header the kernel fills in the ICMPv6 checksum.
	request, err := (&icmp.Message{Type: fam.request, Body: echo}).Marshal(nil)
	if err != nil {
		return 0, fmt.Errorf("build echo request: %w", err)
	}
	begin := time.Now()
	deadline := begin.Add(pingPatience)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	if err := conn.SetDeadline(deadline); err != nil {
		return 0, fmt.Errorf("set deadline: %w", err)
	}
	if _, err := conn.WriteTo(request, &net.IPAddr{IP: to.AsSlice()}); err != nil {
		return 0, fmt.Errorf("send echo request: %w", err)
	}
	buf := make([]byte, 1<<16)
	for {
		n, _, err := conn.ReadFrom(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return 0, fmt.Errorf("no reply within %v", pingPatience)
		}
		if err != nil {
			return 0, fmt.Errorf("receive echo reply: %w", err)
		}
		rtt := time.Since(begin)
		message, err := icmp.ParseMessage(fam.protocol, buf[:n])
		if err != nil || message.Type != fam.reply {
			continue
		}
		reply, ok := message.Body.(*icmp.Echo)
		if !ok || reply.ID != echo.ID || reply.Seq != echo.Seq {
			continue
		}
		if !bytes.Equal(reply.Data, echo.Data) {
			return 0, fmt.Errorf("the reply holds other data than the request")
		}
		return rtt, nil
	}
}

// pattern is n bytes that count up, so that a misplaced one shows.
func pattern(n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(i)
	}
	return data
}
