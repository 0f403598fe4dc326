package suite

import (
	"strings"
	"testing"

	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/wire"
)

// A sentSegment is what a host sends on the connection of an exchange,
// whose SYN is at 999: each at an offset, with flags beside ACK.
type sentSegment struct {
	at    int
	data  string
	flags uint8
}

func connected() *Exchange {
	x := &Exchange{Peer4: "172.16.1.1", Peer6: "fd00:172::1:1", Port: 20000}
	x.Got = []*wire.Packet{x.segment(sentSegment{-1, "", byhandtest.Syn})}
	return x
}

func (x *Exchange) segment(s sentSegment) *wire.Packet {
	p := new(wire.Packet)
	p.Decode(byhandtest.TCP{SrcPort: EchoPort, DstPort: x.Port, Seq: uint32(1000 + s.at), Ack: 5,
		Flags: byhandtest.Ack | s.flags, Data: []byte(s.data)}.Packet(Host4, x.Peer4))
	return p
}

// TestStream judges segments of a stream of six bytes, and their FIN.
func TestStream(t *testing.T) {
	const fin, rst = byhandtest.Fin, byhandtest.Rst
	six := Stream{Data: []byte("abcdef")}
	some := Some("a segment", All(Segment(byhandtest.Ack), That("data", func(_ *Exchange, p *wire.Packet) string {
		if DataLen(p) == 0 {
			return "no data"
		}
		return ""
	})))
	ended := Stream{Data: []byte("abcdef"), Fin: true}
	for _, test := range []struct {
		name   string
		want   Want
		sent   []sentSegment
		reason string // part of it; empty if all is well
	}{
		{"at once", six.Want(), []sentSegment{{0, "abcdef", 0}}, ""},
		{"in pieces, acknowledgements between", six.Want(), []sentSegment{{0, "", 0}, {0, "abc", 0}, {3, "", 0}, {3, "def", 0}}, ""},
		{"again", six.Want(), []sentSegment{{0, "abc", 0}, {0, "abc", 0}, {0, "abcdef", 0}, {2, "cd", 0}}, ""},
		{"too little", six.Want(), []sentSegment{{0, "abc", 0}}, "no more than 3 bytes"},
		{"too much", six.Want(), []sentSegment{{0, "abcdefg", 0}}, "7 bytes came"},
		{"nothing", six.Want(), nil, "no more than 0 bytes"},
		{"with a gap", six.Want(), []sentSegment{{0, "ab", 0}, {3, "def", 0}}, "left out from byte 2"},
		{"others again", six.Want(), []sentSegment{{0, "abc", 0}, {0, "abX", 0}, {3, "def", 0}}, "another than before"},
		{"others", six.Want(), []sentSegment{{0, "abcdeX", 0}}, "and others"},
		{"with a RST", six.Want(), []sentSegment{{0, "abcdef", rst}}, "other flags"},
		{"with a FIN too many", six.Want(), []sentSegment{{0, "abcdef", fin}}, "whether a FIN came: true"},
		{"with a FIN", ended.Want(), []sentSegment{{0, "abcdef", fin}}, ""},
		{"with a FIN alone, and again", ended.Want(), []sentSegment{{0, "abcdef", 0}, {6, "", fin}, {6, "", fin}}, ""},
		{"without a FIN", ended.Want(), []sentSegment{{0, "abcdef", 0}}, "whether a FIN came: false"},
		{"with a FIN too early", ended.Want(), []sentSegment{{0, "abc", fin}, {3, "def", 0}}, "behind the FIN at byte 3"},
		{"with a FIN behind a gap", ended.Want(), []sentSegment{{0, "abc", 0}, {6, "", fin}}, "left out from byte 3"},
		{"some, among others and one with a RST", some, []sentSegment{{0, "", 0}, {0, "abc", rst}, {0, "abc", 0}, {0, "abc", 0}}, ""},
		{"some, and none fits", some, []sentSegment{{0, "abc", rst}, {0, "", 0}}, "no data"},
		{"some, and nothing came", some, nil, "silence"},
		{"from the third on", Stream{At: 2, Data: []byte("cdef")}.Want(), []sentSegment{{0, "abcd", 0}, {4, "ef", 0}}, ""},
		{"from the third on, old data again", Stream{At: 2, Data: []byte("cd")}.Want(), []sentSegment{{0, "ab", 0}, {2, "cd", 0}}, ""},
		{"any data", Stream{Any: true, Fin: true}.Want(), []sentSegment{{0, "x", fin}}, ""},
		{"any data, none", Stream{Any: true, Fin: true}.Want(), []sentSegment{{0, "", fin}}, "silence"},
		{"segments of three", Stream{Data: six.Data, Most: 3}.Want(), []sentSegment{{0, "abc", 0}, {3, "def", 0}}, ""},
		{"segments too long", Stream{Data: six.Data, Most: 3}.Want(), []sentSegment{{0, "abcd", 0}, {4, "ef", 0}}, "has 4 bytes"},
		{"segments too short", Stream{Data: six.Data, Most: 4}.Want(), []sentSegment{{0, "abc", 0}, {3, "def", 0}}, "has 3 bytes"},
		{"acknowledgements", Acks(5), []sentSegment{{0, "", 0}, {0, "", 0}}, ""},
		{"acknowledgements of other data", Acks(6), []sentSegment{{0, "", 0}}, "acknowledges 5, not 6"},
		{"acknowledgements, none", Acks(5), nil, "silence"},
		{"acknowledgements with data", Acks(5), []sentSegment{{0, "a", 0}}, "data came"},
		{"each with no FIN", Each("segments", Segment(byhandtest.Ack)), []sentSegment{{0, "a", 0}, {1, "", fin}}, "other flags"},
		{"each, none", Each("segments", Segment(byhandtest.Ack)), nil, "silence"},
	} {
		t.Run(test.name, func(t *testing.T) {
			x := connected()
			var got []*wire.Packet
			for _, s := range test.sent {
				got = append(got, x.segment(s))
			}
			why := test.want.judge(x, got)
			if !strings.Contains(why, test.reason) || (why == "") != (test.reason == "") {
				t.Errorf("%q, want %q", why, test.reason)
			}
		})
	}
}

// TestAmid leaves out what comes again, and nothing else.
func TestAmid(t *testing.T) {
	x := connected()
	x.Got = append(x.Got, x.segment(sentSegment{0, "abc", byhandtest.Fin}))
	for _, test := range []struct {
		sent   sentSegment
		silent bool
	}{
		{sentSegment{0, "abc", byhandtest.Fin}, true},
		{sentSegment{1, "bc", 0}, true},
		{sentSegment{3, "", byhandtest.Fin}, true},
		{sentSegment{4, "", 0}, false},
		{sentSegment{0, "abcde", 0}, false},
		{sentSegment{4, "d", 0}, false},
	} {
		why := Amid(Silence()).judge(x, []*wire.Packet{x.segment(test.sent)})
		if (why == "") != test.silent {
			t.Errorf("%+v: %q", test.sent, why)
		}
	}
}

// TestForwarded wants one packet, of whatever source.
func TestForwarded(t *testing.T) {
	x := connected()
	w := Forwarded("it", func(_ *Exchange, p *wire.Packet) string { return p.Src.String() })
	passed := new(wire.Packet)
	passed.Decode(byhandtest.IPv4{Src: x.Peer4, Dst: "10.0.0.1"}.Packet(nil))
	for _, test := range []struct {
		got  []*wire.Packet
		want string
	}{{nil, "silence"}, {[]*wire.Packet{passed}, x.Peer4}, {[]*wire.Packet{passed, passed}, "came: "}} {
		if why := w.judge(x, test.got); !strings.HasPrefix(why, test.want) {
			t.Errorf("%d packets: %q, want %q", len(test.got), why, test.want)
		}
	}
}
