package wire

import (
	"bytes"
	"encoding/binary"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestAgainstTshark lets an outside judge look at the same bytes: Wireshark's
// dissectors give the same verdict on every checksum of every sample.
func TestAgainstTshark(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("tshark is not installed")
		}
		t.Skip("tshark is not installed")
	}
	packets := samples(t)
	names := slices.Sorted(maps.Keys(packets))
	path := filepath.Join(t.TempDir(), "samples.pcap")
	if err := os.WriteFile(path, capture(names, packets), 0o600); err != nil {
		t.Fatal(err)
	}
	layers := []Layer{LayerIPv4, LayerICMPv4, LayerICMPv6, LayerTCP, LayerUDP}
	args := []string{
		"-r", path, "-T", "fields", "-E", "occurrence=f", "-E", "separator=,",
		"-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE",
	}
	for _, field := range []string{"ip", "icmp", "icmpv6", "tcp", "udp"} {
		args = append(args, "-e", field+".checksum.status")
	}
	out, err := exec.Command(tshark, args...).Output()
	if err != nil {
		t.Fatalf("run tshark: %v", err)
	}
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(lines) != len(names) {
		t.Fatalf("tshark tells of %d packets, not of %d", len(lines), len(names))
	}
	judged := 0
	for i, name := range names {
		status := strings.Split(lines[i], ",")
		for _, c := range new(Packet).checksOf(packets[name]) {
			got := status[slices.Index(layers, c.Layer)]
			if c.Verdict == Bad && c.Layer == LayerUDP && c.Seen == 0 {
				// Wireshark does not object to a missing checksum over IPv6, or
				// calls it illegal, by version.
				continue
			}
			if want := map[Verdict]string{OK: "1", Bad: "0", Absent: "3"}[c.Verdict]; got != want {
				t.Errorf("%s: %s is %s, and tshark's status of it is %q", name, c.Layer, c.Verdict, got)
			}
			judged++
		}
	}
	if judged < 50 {
		t.Errorf("only %d checksums were compared", judged)
	}
}

// capture makes a pcap file of raw IP packets.
func capture(names []string, packets map[string][]byte) []byte {
	var out bytes.Buffer
	const linkTypeRaw = 101
	for _, v := range []uint32{0xa1b2c3d4, 2<<16 | 4, 0, 0, 0x40000, linkTypeRaw} {
		_ = binary.Write(&out, binary.BigEndian, v)
	}
	for i, name := range names {
		n := uint32(len(packets[name]))
		for _, v := range []uint32{uint32(i), 0, n, n} {
			_ = binary.Write(&out, binary.BigEndian, v)
		}
		out.Write(packets[name])
	}
	return out.Bytes()
}
