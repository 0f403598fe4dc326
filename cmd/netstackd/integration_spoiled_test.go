//go:build linux

package main_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// rawSocket opens a raw socket for ICMP or ICMPv6. The IPv4 one lets the
// caller write the checksum; the IPv6 one computes it whatever the caller does.
func rawSocket(t *testing.T, domain, protocol int) int {
	t.Helper()
	fd, err := unix.Socket(domain, unix.SOCK_RAW|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		t.Fatalf("open raw socket: %v", err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// spoiledID is the identifier of the pings here, so that no other ping of the
// namespace is taken for one of them.
const spoiledID = 0x5b01

// TestIntegrationSpoiled sends echo requests whose ICMP checksum is wrong on
// purpose, among right ones: only the right ones are answered, and the trace
// shows of each spoiled one the value seen and the value by hand.
func TestIntegrationSpoiled(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	for _, spoiler := range []uint16{0x0001, 0x0100, 0x8000, 0xffff} {
		t.Run(fmt.Sprintf("xor %#04x", spoiler), func(t *testing.T) { spoiled(t, spoiler) })
	}
}

// spoiled sends, over each family, a right, a spoiled and another right ping.
func spoiled(t *testing.T, spoiler uint16) {
	path, flags := traceFile(t, "compare")
	d := startDaemon(t, flags...)
	in := newInjector(t)
	listen4 := rawSocket(t, unix.AF_INET, unix.IPPROTO_ICMP)
	listen6 := rawSocket(t, unix.AF_INET6, unix.IPPROTO_ICMPV6)
	// Odd data, so that the padding of the last byte counts.
	data := bytesOf(57)
	want := map[int][2]string{} // IP version: seen, by hand

	for seq := uint16(1); seq <= 3; seq++ {
		message4, message6 := echoRequest4(spoiledID, seq, data), echoRequest6(spoiledID, seq, data)
		right4, right6 := binary.BigEndian.Uint16(message4[2:]), binary.BigEndian.Uint16(message6[2:])
		if seq == 2 {
			binary.BigEndian.PutUint16(message4[2:], right4^spoiler)
			binary.BigEndian.PutUint16(message6[2:], right6^spoiler)
			want[4] = [2]string{fmt.Sprintf("%#04x", right4^spoiler), fmt.Sprintf("%#04x", right4)}
			want[6] = [2]string{fmt.Sprintf("%#04x", right6^spoiler), fmt.Sprintf("%#04x", right6)}
		}
		to := &unix.SockaddrInet4{Addr: netip.MustParseAddr(netstack4).As4()}
		if err := unix.Sendto(listen4, message4, 0, to); err != nil {
			t.Fatalf("send: %v", err)
		}
		in.send(t, 6, ipv6Packet(58, message6))

		within := 2 * time.Second
		if seq == 2 {
			within = 300 * time.Millisecond
		}
		// A raw IPv4 socket delivers the IP header too, a raw IPv6 one does not.
		got4 := received(t, listen4, within, func(m []byte) bool { return len(m) > 20 && isReply(m[20:], 0, seq) })
		got6 := received(t, listen6, within, func(m []byte) bool { return isReply(m, 129, seq) })
		if answered := seq != 2; got4 != answered || got6 != answered {
			t.Errorf("ping %d: answered over IPv4 %v, over IPv6 %v, want %v", seq, got4, got6, answered)
		}
	}
	d.stop(t)

	tr := readTrace(t, path)
	tr.addsUp(t)
	for _, bad := range []string{"differ", "missing", "unexpected"} {
		if n := tr.summary.Compare[bad]; n != 0 {
			t.Errorf("summary counts %d %s, want none", n, bad)
		}
	}
	if n := tr.summary.Verdicts["bad"]; n != 2 {
		t.Errorf("summary counts %d bad checksums, want 2", n)
	}
	found := 0
	for _, p := range tr.packets {
		for _, sum := range p.Sums {
			if sum.Verdict != "bad" {
				continue
			}
			found++
			layer, offset := "icmpv4", 22
			if p.IP.Version == 6 {
				layer, offset = "icmpv6", 42
			}
			if sum.Layer != layer || sum.Offset != offset || [2]string{sum.Seen, sum.Hand} != want[p.IP.Version] {
				t.Errorf("traced %+v, want %s at %d, seen and by hand %v", sum, layer, offset, want[p.IP.Version])
			}
			if p.ICMP == nil || p.ICMP.ID != spoiledID || p.ICMP.Seq != 2 || p.Dir != "in" {
				t.Errorf("the bad checksum is in packet %+v, want the second ping", p)
			}
			if p.Fate != "dropped" || p.Reason == "" || tr.summary.Drops[p.Reason] == 0 {
				t.Errorf("fate %q, reason %q, counted %d times; want it dropped and counted by reason",
					p.Fate, p.Reason, tr.summary.Drops[p.Reason])
			}
		}
	}
	if found != 2 {
		t.Errorf("%d packets are traced bad, want one of each family", found)
	}
}

// isReply reports whether an ICMP message is the reply to one of our pings.
func isReply(message []byte, kind byte, seq uint16) bool {
	return len(message) >= 8 && message[0] == kind && message[1] == 0 &&
		binary.BigEndian.Uint16(message[4:]) == spoiledID && binary.BigEndian.Uint16(message[6:]) == seq
}
