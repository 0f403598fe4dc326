package link

import (
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestBulk: super-segments are counted, and how many connections they are of;
// what is none is not.
func TestBulk(t *testing.T) {
	d := newSocketDevice(t, 0)
	give := func(h virtioHeader, packet []byte) {
		d.give(t, frame(h, packet))
		d.one(t).DecRef()
	}
	from := func(port uint16, packet []byte, at int) []byte {
		binary.BigEndian.PutUint16(packet[at:], port)
		return packet
	}
	for _, port := range []uint16{40000, 40002, 40000, 40004, 40006} {
		give(super(virtioTCPv4, 1448, 20), from(port, ip4(protoTCP, 0, tcp(0, 20000)), 20))
	}
	give(super(virtioTCPv6, 10, 40), from(40008, ip6(protoTCP, tcp(0, 99)), 40))
	give(virtioHeader{}, from(40010, ip4(protoTCP, 0, tcp(0, 1000)), 20))
	give(virtioHeader{}, ip4(protoUDP, 0, udp(1000)))
	if diff := cmp.Diff(Bulk{SuperSegments: 6, Flows: 5}, d.counted.bulk.take()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Bulk{}, d.counted.bulk.take()); diff != "" {
		t.Errorf("taken once: %s", diff)
	}
}

// TestBulkFlows: connections of one client, whose ports the kernel numbers by
// twos, are told apart well enough.
func TestBulkFlows(t *testing.T) {
	var m bulkMeter
	tcp := make([]byte, 20)
	binary.BigEndian.PutUint16(tcp[2:], 5201)
	for first := uint16(32768); first < 60000; first += 8 {
		for i := range uint16(4) {
			binary.BigEndian.PutUint16(tcp, first+2*i)
			m.add(tcp)
		}
		if got := m.take(); got.Flows < 3 {
			t.Fatalf("4 connections from port %d on: %+v", first, got)
		}
	}
}
