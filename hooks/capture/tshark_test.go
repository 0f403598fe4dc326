package capture_test

import (
	"encoding/binary"
	"fmt"
	"maps"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"netstackd/hooks"
	"netstackd/hooks/trace"
	"netstackd/hooks/wire"
)

var lookPath = exec.LookPath

func prefixes(s ...string) (p []netip.Prefix) {
	for _, s := range s {
		p = append(p, netip.MustParsePrefix(s))
	}
	return p
}

// tool runs a tool and returns what it wrote.
func tool(t testing.TB, name string, args ...string) string {
	t.Helper()
	var stderr strings.Builder
	cmd := exec.Command(name, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, &stderr)
	}
	return string(out)
}

// A judged packet is one of a set that tshark judges as well.
type judged struct {
	name  string
	event trace.Packet
}

// spoiled are the samples, and each again with one bit turned in every part
// that a checksum covers and that does not change the packet's shape: the
// field itself, and the last byte. Then come checksums left to the hardware,
// and datagrams in fragments.
func spoiled(t testing.TB) (set []judged) {
	all := samples(t)
	add := func(name string, b []byte) *trace.Packet {
		set = append(set, judged{name, packet(uint64(len(set)+1), hooks.Inbound, b, hooks.Delivered, "")})
		return &set[len(set)-1].event
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		b := all[name]
		e := *add(name, b)
		for _, c := range e.Checks[:e.NChecks] {
			for _, at := range []int{c.Offset, c.Offset + 1, len(e.Packet.Bytes) - 1} {
				add(name, turned(b, at, len(set)%8))
			}
		}
	}
	for _, name := range []string{"tcp-long", "udp6", "dns-query", "udp-all-ones"} {
		e := add(name, left(all[name]))
		*e = partial(*e)
	}
	for _, a := range [][2]string{{"172.16.0.1", "172.16.0.2"}, {"fd00:172::1", "fd00:172::2"}} {
		set = append(set, judged{"super-segment", super(uint64(len(set)+1), hooks.Outbound, a[0], a[1])})
	}
	id := uint16(0x7000)
	for _, name := range []string{"echo-request", "tcp-long", "dns-query"} {
		for _, b := range [][]byte{all[name], turned(all[name], len(all[name])-1, 3)} {
			id++
			first, last := fragments(b, id)
			add("first", first)
			var whole wire.Packet
			whole.Decode(b)
			e := add("last", last)
			e.Checks[1], e.NChecks, e.Reassembled = whole.Checksums(nil)[1], 2, true
		}
	}
	return set
}

// turned returns b with one bit turned.
func turned(b []byte, at, bit int) []byte {
	b = slices.Clone(b)
	b[at] ^= 1 << bit
	return b
}

// fragments cuts an IPv4 packet without options in two, the first of which has
// 24 bytes of data.
func fragments(b []byte, id uint16) (first, last []byte) {
	const cut = 24
	make := func(data []byte, field uint16) []byte {
		f := append(slices.Clone(b[:20]), data...)
		binary.BigEndian.PutUint16(f[2:], uint16(len(f)))
		binary.BigEndian.PutUint16(f[4:], id)
		binary.BigEndian.PutUint16(f[6:], field)
		binary.BigEndian.PutUint16(f[10:], 0)
		binary.BigEndian.PutUint16(f[10:], wire.Checksum(f[:20]))
		return f
	}
	return make(b[20:20+cut], 0x2000), make(b[20+cut:], cut/8)
}

func events(set []judged) (events []any) {
	for _, j := range set {
		events = append(events, j.event)
	}
	return events
}

// unjudged are the samples of which tshark judges a checksum where the hand
// says nothing, and why.
var unjudged = map[string]string{
	"bad-option":       "a header that cannot be read to its end: the packet is dropped for that",
	"truncated":        "the packet is not whole, and tshark sums what is there",
	"fragment-later":   "tshark puts it together with the sample before it; the event is of the packet alone",
	"fragment6-later":  "the same",
	"packet-too-big":   "tshark judges the packet quoted in the error",
	"routing6-unknown": "nobody can say what its final destination is",
}

// TestTsharkAgrees: tshark, which verifies by itself, comes to the verdict of
// each comment.
func TestTsharkAgrees(t *testing.T) {
	need(t, "tshark")
	set := spoiled(t)
	path := write(t, events(set)...)
	fields := map[string]string{"ipv4": "ip", "icmpv4": "icmp", "icmpv6": "icmpv6", "tcp": "tcp", "udp": "udp"}
	order := slices.Sorted(maps.Keys(fields))
	args := []string{"-r", path, "-T", "fields", "-E", "occurrence=f", "-E", "separator=|", "-e", "frame.number", "-e", "frame.comment"}
	for _, layer := range order {
		args = append(args, "-e", fields[layer]+".checksum.status")
	}
	for _, o := range []string{"ip.check_checksum", "tcp.check_checksum", "udp.check_checksum"} {
		args = append(args, "-o", o+":TRUE")
	}
	status := map[string]string{"0": "bad", "1": "ok", "2": "", "3": "absent", "": "", "4": "bad"}
	judged := map[string]int{}
	number := 0
	for line := range strings.Lines(tool(t, "tshark", args...)) {
		parts := strings.Split(strings.TrimRight(line, "\n"), "|")
		name := set[number].name
		number++
		for i, layer := range order {
			hand, _ := value(parts[1], layer)
			if hand == "partial" {
				hand = "ok" // completed
			}
			shark, known := status[parts[2+i]]
			if hand == "" && unjudged[name] != "" {
				continue
			}
			if !known || shark != hand {
				t.Errorf("packet %s, %s: %s is %q by hand, %q (%q) in tshark: %s", parts[0], name, layer, hand, shark, parts[2+i], parts[1])
			}
			judged[layer+" "+hand]++
		}
	}
	if number != len(set) {
		t.Errorf("tshark read %d packets of %d", number, len(set))
	}
	for _, layer := range order {
		if judged[layer+" ok"] == 0 || judged[layer+" bad"] == 0 {
			t.Errorf("the packets have no good or no bad %s: %v", layer, judged)
		}
	}
}

// TestTsharkFindsBad: the filter of the documentation finds exactly the
// packets that have a bad checksum.
func TestTsharkFindsBad(t *testing.T) {
	need(t, "tshark")
	set := spoiled(t)
	var want strings.Builder
	for i := range set {
		p := &set[i].event
		for _, c := range p.Checks[:p.NChecks] {
			if c.Verdict == "bad" {
				fmt.Fprintln(&want, i+1)
				break
			}
		}
	}
	got := tool(t, "tshark", "-r", write(t, events(set)...), "-Y", `frame.comment contains "verdict=bad"`, "-T", "fields", "-e", "frame.number")
	if got != want.String() || strings.Count(got, "\n") < 50 {
		t.Errorf("found %q, want %q", got, want.String())
	}
	found := tool(t, "tshark", "-r", write(t, kinds(t)...), "-Y", `frame.comment contains "compare=differ" && frame.packet_flags_direction == 2`, "-T", "fields", "-e", "frame.number")
	if found != "4\n" {
		t.Errorf("the reply that differs: found %q, want 4", found)
	}
}

// TestCapinfos: capinfos finds nothing amiss, and says what the capture is.
func TestCapinfos(t *testing.T) {
	need(t, "capinfos")
	out := tool(t, "capinfos", write(t, kinds(t)...))
	for _, want := range []string{"pcapng", "Raw IP", "nanoseconds (9)", "Name = netstack0", "netstackd 1.2"} {
		if !strings.Contains(out, want) {
			t.Errorf("capinfos does not say %q:\n%s", want, out)
		}
	}
}
