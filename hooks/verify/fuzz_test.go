package verify_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"netstackd/hooks"
	"netstackd/hooks/compare/comparetest"
	"netstackd/hooks/verify"
)

// FuzzOffload sends packets to a netstack that verifies and to one that is told
// that all is verified: both answer the same number of them. Each packet stands
// behind its length in two bytes.
func FuzzOffload(f *testing.F) {
	for _, d := range deliveries() {
		if d.offload.Partial || d.offload.Validated {
			continue
		}
		var seed []byte
		for _, b := range d.packets {
			seed = append(binary.BigEndian.AppendUint16(seed, uint16(len(b))), b...)
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var packets [][]byte
		for len(data) > 2 && len(packets) < 8 {
			n := min(int(binary.BigEndian.Uint16(data)), len(data)-2)
			packets = append(packets, data[2:2+n])
			data = data[2+n:]
		}
		plain, err := comparetest.New(hooks.NewLedger(), addrs)
		if err != nil {
			t.Fatal(err)
		}
		defer plain.Close()
		plain.Unlimited()
		offloading := newNetstack(t, newLedger(), new(verify.Verifier))
		for i, b := range packets {
			plain.Inbound(bytes.Clone(b))
			offloading.Inbound(bytes.Clone(b))
			want, got := plain.Outbound(), offloading.Outbound()
			if len(want) != len(got) {
				t.Fatalf("packet %d, %x: %d replies with offload, %d without", i, b, len(got), len(want))
			}
			for j := range want {
				if len(want[j]) != len(got[j]) || want[j][0] != got[j][0] {
					t.Fatalf("packet %d, %x: a reply of %d bytes with offload, of %d without", i, b, len(got[j]), len(want[j]))
				}
			}
		}
	})
}
