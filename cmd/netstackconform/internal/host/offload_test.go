package host

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"

	bt "netstackd/hooks/byhand/byhandtest"
)

// TestFinish wants of an unfinished packet what a sender without offload makes:
// checksums, lengths, identifications and sequence numbers, FIN and PSH on the
// last segment, CWR on the first.
func TestFinish(t *testing.T) {
	const cwr = 0x80
	tcp := func(seq uint32, flags uint8, data []byte) bt.TCP {
		return bt.TCP{SrcPort: 7, DstPort: 8, Seq: seq, Flags: flags, Options: []byte{1, 1, 1, 1}, Data: data}
	}
	udp := func(data []byte) bt.UDP { return bt.UDP{SrcPort: 7, DstPort: 8, Data: data} }
	all := bt.Data(2501)
	for _, of := range [][2]string{{"172.16.0.1", "172.16.0.2"}, {"fd00::1", "fd00::2"}} {
		src, dst := of[0], of[1]
		for _, test := range []struct {
			name    string
			packet  []byte
			segment int
			want    [][]byte
		}{
			{"a checksum", tcp(1, bt.Ack, all[:9]).Packet(src, dst), 0, [][]byte{tcp(1, bt.Ack, all[:9]).Packet(src, dst)}},
			{"no data", tcp(1, bt.Syn, nil).Packet(src, dst), 1000, [][]byte{tcp(1, bt.Syn, nil).Packet(src, dst)}},
			{"one segment", tcp(1, bt.Ack, all[:1000]).Packet(src, dst), 1000, [][]byte{tcp(1, bt.Ack, all[:1000]).Packet(src, dst)}},
			{"three segments", tcp(1<<32-500, bt.Ack|bt.Psh|bt.Fin|cwr, all).Packet(src, dst), 1000, [][]byte{
				tcp(1<<32-500, bt.Ack|cwr, all[:1000]).Packet(src, dst),
				tcp(500, bt.Ack, all[1000:2000]).Packet(src, dst),
				tcp(1500, bt.Ack|bt.Psh|bt.Fin, all[2000:]).Packet(src, dst),
			}},
			{"a datagram", udp(all[:9]).Packet(src, dst), 0, [][]byte{udp(all[:9]).Packet(src, dst)}},
			{"three datagrams", udp(all).Packet(src, dst), 1000, [][]byte{
				udp(all[:1000]).Packet(src, dst), udp(all[1000:2000]).Packet(src, dst), udp(all[2000:]).Packet(src, dst),
			}},
		} {
			if src == "172.16.0.1" {
				for i, b := range test.want {
					binary.BigEndian.PutUint16(b[4:], binary.BigEndian.Uint16(b[4:])+uint16(i))
					bt.SetHeaderChecksum(b)
				}
			}
			partial := bt.Partial(test.packet)
			o := unfinished(partial, test.segment)
			// It crosses the device.
			o.decode(o.append(nil))
			if diff := cmp.Diff(test.want, o.finish(bytes.Clone(partial))); diff != "" {
				t.Errorf("%s from %s: %s", test.name, src, diff)
			}
			at := int(o.start) + int(o.written)
			partial[at] ^= 1
			for i, b := range o.finish(bytes.Clone(partial)) {
				if b[at] == test.want[i][at] && b[at+1] == test.want[i][at+1] {
					t.Errorf("%s from %s: a wrong sum is right in piece %d", test.name, src, i)
				}
			}
		}
	}
}

// TestFinishLies wants what makes no sense left as it is.
func TestFinishLies(t *testing.T) {
	packet := bt.TCP{Flags: bt.Ack, Data: bt.Data(100)}.Packet("172.16.0.1", "172.16.0.2")
	for _, o := range []offload{
		{}, {kind: cutTCPv4, size: 10}, {flags: needsChecksum, start: 200}, {flags: needsChecksum, start: 139, written: 16},
	} {
		if diff := cmp.Diff([][]byte{packet}, o.finish(bytes.Clone(packet))); diff != "" {
			t.Errorf("%+v: %s", o, diff)
		}
	}
}
