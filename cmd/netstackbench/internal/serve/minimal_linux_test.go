package serve

import (
	"bytes"
	"encoding/hex"
	"testing"

	"netstackd/hooks/wire"
)

// request is the project's golden echo request, 172.16.0.1 to 172.16.0.2.
const request = `45000054812840004001615dac100001ac100002080054f5000d0001`

func golden(t *testing.T) []byte {
	t.Helper()
	header, err := hex.DecodeString(request)
	if err != nil {
		t.Fatal(err)
	}
	return append(header, bytes.Repeat([]byte{0}, 84-len(header))...)
}

// seal makes the ICMP checksum right.
func seal(packet []byte) {
	packet[22], packet[23] = 0, 0
	sum := wire.Checksum(packet[20:])
	packet[22], packet[23] = byte(sum>>8), byte(sum)
}

func TestSwap(t *testing.T) {
	for id := range 1 << 16 {
		packet := golden(t)
		packet[24], packet[25] = byte(id>>8), byte(id)
		seal(packet)
		before := append([]byte(nil), packet...)
		if !swap(packet) {
			t.Fatal("an echo request was passed over")
		}
		if wire.Checksum(packet[:20]) != 0 || wire.Checksum(packet[20:]) != 0 {
			t.Fatalf("id %d: bad checksum in the reply %x", id, packet)
		}
		if packet[20] != 0 || !bytes.Equal(packet[12:16], before[16:20]) || !bytes.Equal(packet[16:20], before[12:16]) {
			t.Fatalf("id %d: no reply to it: %x", id, packet)
		}
		if !bytes.Equal(packet[24:], before[24:]) {
			t.Fatalf("id %d: the data changed", id)
		}
	}
}

func TestSwapPassesOver(t *testing.T) {
	change := func(at int, to byte) []byte {
		packet := golden(t)
		packet[at] = to
		return packet
	}
	for name, packet := range map[string][]byte{
		"nothing": {}, "short": golden(t)[:27], "IPv6": change(0, 0x65), "a short header": change(0, 0x44),
		"a long header": change(0, 0x4f)[:60], "a first fragment": change(6, 0x20), "a later fragment": change(7, 1),
		"UDP": change(9, 17), "a reply": change(20, 0), "a code": change(21, 1),
	} {
		before := append([]byte(nil), packet...)
		if swap(packet) {
			t.Errorf("%s was answered", name)
		}
		if !bytes.Equal(before, packet) {
			t.Errorf("%s was changed", name)
		}
	}
}
