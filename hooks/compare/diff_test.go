package compare_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	bt "netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/compare"
	"netstackd/hooks/trace"
	"netstackd/hooks/wire"
)

// changed returns a reply with bytes of it set, and with its checksums mended
// unless keep says not to.
func changed(reply []byte, keep bool, set map[int]byte) []byte {
	b := append([]byte(nil), reply...)
	for at, value := range set {
		b[at] = value
	}
	if keep {
		return b
	}
	if b[0]>>4 == 4 {
		bt.SetHeaderChecksum(b)
		icmp := b[int(b[0]&0xf)*4:]
		icmp[2], icmp[3] = 0, 0
		c := bt.Checksum(icmp)
		icmp[2], icmp[3] = byte(c>>8), byte(c)
		return b
	}
	b[42], b[43] = 0, 0
	pseudo := append(append([]byte(nil), b[8:40]...), 0, 0, b[4], b[5], 0, 0, 0, 58)
	c := bt.Checksum(pseudo, b[40:])
	b[42], b[43] = byte(c>>8), byte(c)
	return b
}

func entry(field string, offset int, netstack, hand string, class trace.Class, rfc string) trace.Diff {
	return trace.Diff{Field: field, Offset: offset, Netstack: netstack, Hand: hand, Class: class, RFC: rfc}
}

// sum is a checksum in a packet as a diff shows it.
func sum(packet []byte, at int) string { return fmt.Sprintf("0x%x", packet[at:at+2]) }

func TestDiff(t *testing.T) {
	header := bt.IPv4{Src: host4, Dst: peer4, ID: 99, DF: true}
	withOptions := func(options ...byte) []byte {
		h := header
		h.Options = options
		return h.Packet(echo.Reply4())
	}
	longer, code := echo, echo
	longer.Data = bt.Data(57)
	code.Code = 4
	const (
		must = trace.Must
		may  = trace.May
	)
	for _, test := range []struct {
		name        string
		reply, hand []byte
		anySource   bool
		want        []trace.Diff
	}{
		{name: "none", reply: reply4(echo), hand: reply4(echo)},
		{name: "none, IPv6", reply: reply6(echo), hand: reply6(echo)},

		{name: "TOS", reply: changed(reply4(echo), false, map[int]byte{1: 8}), hand: reply4(echo),
			want: []trace.Diff{entry("TOS", 1, "8", "0", may, "RFC 1349 §5.1")}},
		{name: "identification", reply: changed(reply4(echo), false, map[int]byte{5: 1}), hand: reply4(echo),
			want: []trace.Diff{entry("identification", 4, "1", "99", may, "RFC 6864 §4.1")}},
		{name: "don't fragment", reply: changed(reply4(echo), false, map[int]byte{6: 0}), hand: reply4(echo),
			want: []trace.Diff{entry("don't fragment", 6, "false", "true", may, "RFC 791 §3.1")}},
		{name: "time to live", reply: changed(reply4(echo), false, map[int]byte{8: 255}), hand: reply4(echo),
			want: []trace.Diff{entry("time to live", 8, "255", "64", may, "RFC 1122 §3.2.1.7")}},
		{name: "code", reply: reply4(code), hand: reply4(echo),
			want: []trace.Diff{entry("code", 21, "4", "0", may, "RFC 792")}},
		{name: "source, of a broadcast", reply: changed(reply4(echo), false, map[int]byte{15: 9}), hand: reply4(echo), anySource: true,
			want: []trace.Diff{entry("source", 12, "172.16.0.9", "172.16.0.2", may, "RFC 1122 §3.2.2.6")}},
		{name: "record route", reply: withOptions(), hand: withOptions(7, 7, 8, 172, 16, 0, 2, 0),
			want: []trace.Diff{entry("record route option", 20, "none", "0x070708ac100002", may, "RFC 1122 §3.2.2.6")}},
		{name: "the time in a timestamp", reply: withOptions(68, 8, 9, 0, 1, 2, 3, 4), hand: withOptions(68, 8, 9, 0, 0, 0, 0, 0)},
		{name: "no timestamp taken", reply: withOptions(68, 8, 5, 0, 0, 0, 0, 0), hand: withOptions(68, 8, 9, 0, 0, 0, 0, 0),
			want: []trace.Diff{entry("timestamp option", 20, "0x44080500", "0x44080900", may, "RFC 1122 §3.2.2.6")}},
		{name: "unknown options", reply: withOptions(94, 4, 0, 0), hand: withOptions()},
		{name: "traffic class", reply: changed(reply6(echo), true, map[int]byte{0: 0x61}), hand: reply6(echo),
			want: []trace.Diff{entry("traffic class", 0, "16", "0", may, "RFC 8200 §7")}},
		{name: "flow label", reply: changed(reply6(echo), true, map[int]byte{3: 5}), hand: reply6(echo),
			want: []trace.Diff{entry("flow label", 1, "5", "0", may, "RFC 6437 §3")}},
		{name: "hop limit", reply: changed(reply6(echo), true, map[int]byte{7: 255}), hand: reply6(echo),
			want: []trace.Diff{entry("hop limit", 7, "255", "64", may, "RFC 4861 §6.3.2")}},

		{name: "reserved flag", reply: changed(reply4(echo), false, map[int]byte{6: 0xc0}), hand: reply4(echo),
			want: []trace.Diff{entry("reserved flag", 6, "true", "false", must, "RFC 791 §3.1")}},
		{name: "source", reply: changed(reply4(echo), false, map[int]byte{15: 9}), hand: reply4(echo),
			want: []trace.Diff{entry("source", 12, "172.16.0.9", "172.16.0.2", must, "RFC 1122 §3.2.2.6")}},
		{name: "destination", reply: changed(reply4(echo), false, map[int]byte{19: 9}), hand: reply4(echo),
			want: []trace.Diff{entry("destination", 16, "172.16.0.9", "172.16.0.1", must, "RFC 1122 §3.2.2.6")}},
		{name: "loose source route", reply: withOptions(), hand: withOptions(131, 7, 4, 172, 16, 0, 1, 0),
			want: []trace.Diff{entry("loose source route option", 20, "none", "0x830704ac100001", must, "RFC 1122 §3.2.2.6")}},
		{name: "strict source route", reply: withOptions(1, 137, 7, 8, 172, 16, 0, 1), hand: withOptions(137, 7, 4, 172, 16, 0, 1, 0),
			want: []trace.Diff{entry("strict source route option", 21, "0x890708ac100001", "0x890704ac100001", must, "RFC 1122 §3.2.2.6")}},
		{name: "type", reply: changed(reply4(echo), false, map[int]byte{20: 8}), hand: reply4(echo),
			want: []trace.Diff{entry("message", 20, "icmpv4 type 8 code 0", "icmpv4 type 0 code 0", must, "RFC 1122 §3.2.2.6")}},
		{name: "identifier", reply: changed(reply4(echo), false, map[int]byte{25: 14}), hand: reply4(echo),
			want: []trace.Diff{entry("identifier", 24, "14", "13", must, "RFC 792")}},
		{name: "sequence number", reply: changed(reply4(echo), false, map[int]byte{27: 2}), hand: reply4(echo),
			want: []trace.Diff{entry("sequence number", 26, "2", "1", must, "RFC 792")}},
		{name: "data", reply: changed(reply4(echo), false, map[int]byte{30: 0xff}), hand: reply4(echo),
			want: []trace.Diff{entry("data", 30, "0xff", "0x0e", must, "RFC 792")}},
		{name: "data length", reply: reply4(longer), hand: reply4(echo),
			want: []trace.Diff{entry("data length", 28, "57", "56", must, "RFC 792")}},
		{name: "header checksum", reply: changed(reply4(echo), true, map[int]byte{10: 0, 11: 0}), hand: reply4(echo),
			want: []trace.Diff{entry("ipv4 checksum", 10, "0x0000", sum(reply4(echo), 10), must, "RFC 1071 §1")}},
		{name: "ICMP checksum", reply: changed(reply4(echo), true, map[int]byte{22: 0, 23: 0}), hand: reply4(echo),
			want: []trace.Diff{entry("icmpv4 checksum", 22, "0x0000", sum(reply4(echo), 22), must, "RFC 1071 §1")}},
		{name: "source, IPv6", reply: changed(reply6(echo), false, map[int]byte{23: 9}), hand: reply6(echo),
			want: []trace.Diff{entry("source", 8, "fd00:172::9", "fd00:172::2", must, "RFC 4443 §4.2")}},
		{name: "ICMPv6 checksum", reply: changed(reply6(echo), true, map[int]byte{42: 0, 43: 0}), hand: reply6(echo),
			want: []trace.Diff{entry("icmpv6 checksum", 42, "0x0000", sum(reply6(echo), 42), must, "RFC 1071 §1")}},
		{name: "several", reply: changed(reply4(echo), false, map[int]byte{1: 8, 8: 63, 30: 0xff}), hand: reply4(echo),
			want: []trace.Diff{
				entry("TOS", 1, "8", "0", may, "RFC 1349 §5.1"), entry("time to live", 8, "63", "64", may, "RFC 1122 §3.2.1.7"),
				entry("data", 30, "0xff", "0x0e", must, "RFC 792"),
			}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var reply, hand wire.Packet
			reply.Decode(test.reply)
			hand.Decode(test.hand)
			got := compare.Diff(&reply, &hand, compare.Freedoms{AnySource: test.anySource})
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestDiffWeighs: one field that the RFCs leave no choice in makes a reply
// differ, any number of the others a match.
func TestDiffWeighs(t *testing.T) {
	for _, test := range []struct {
		name  string
		reply []byte
		want  trace.Result
	}{
		{"free", changed(reply4(echo), false, map[int]byte{1: 8, 5: 1, 6: 0, 8: 255, 21: 1}), trace.Match},
		{"bound", changed(reply4(echo), false, map[int]byte{6: 0xc0}), trace.Differ},
		{"spoiled", changed(reply4(echo), true, map[int]byte{22: 0}), trace.Differ},
	} {
		b := newBench()
		b.in(request4(echo))
		b.out(test.reply)
		got := comparisons(b.rec.take())
		if len(got) != 1 || got[0].Result != test.want || len(got[0].Diffs) == 0 {
			t.Errorf("%s: %+v", test.name, got)
		}
	}
}

// TestSourceRoute: the reply goes where the route leads first, and is found
// there, and where netstack sends it.
func TestSourceRoute(t *testing.T) {
	request := bt.IPv4{Src: peer4, Dst: host4, Options: []byte{131, 7, 8, 10, 0, 0, 1, 0}}.Packet(echo.Request4())
	right := bt.IPv4{Src: host4, Dst: "10.0.0.1", Options: []byte{131, 7, 4, 172, 16, 0, 1, 0}}.Packet(echo.Reply4())
	stripped := bt.IPv4{Src: host4, Dst: peer4}.Packet(echo.Reply4())
	for _, test := range []struct {
		reply []byte
		want  compare.Counts
	}{
		{right, compare.Counts{Match: 1}},
		{stripped, compare.Counts{Differ: 1}},
	} {
		b := newBench()
		b.in(request)
		b.out(test.reply)
		if diff := cmp.Diff(test.want, b.comparer.Counts()); diff != "" {
			t.Error(diff)
		}
	}
}
