package capture_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"netstackd/hooks/capture"
	"netstackd/hooks/trace"
)

// all collects packets, and the error in the end.
func all(packets iter.Seq2[capture.Captured, error]) (got []capture.Captured, err error) {
	for p, e := range packets {
		if e != nil {
			return got, e
		}
		got = append(got, p)
	}
	return got, nil
}

// pcap makes a file of the older format.
func pcap(order binary.AppendByteOrder, nano bool, linkType uint32, packets ...[]byte) []byte {
	magic, unit := uint32(0xa1b2c3d4), time.Microsecond
	if nano {
		magic, unit = 0xa1b23c4d, time.Nanosecond
	}
	b := order.AppendUint32(nil, magic)
	b = order.AppendUint16(order.AppendUint16(b, 2), 4)
	b = append(b, make([]byte, 8)...)
	b = order.AppendUint32(order.AppendUint32(b, 65535), linkType)
	for i, p := range packets {
		t := at(uint64(i + 1))
		b = order.AppendUint32(b, uint32(t.Unix()))
		b = order.AppendUint32(b, uint32(time.Duration(t.Nanosecond())/unit))
		b = order.AppendUint32(b, uint32(len(p)))
		b = append(order.AppendUint32(b, uint32(len(p)+1)), p...)
	}
	return b
}

// An ngFile makes pcapng, block by block.
type ngFile struct {
	order binary.AppendByteOrder
	b     []byte
}

func (f *ngFile) block(kind uint32, body []byte) *ngFile {
	body = append(body, make([]byte, -len(body)&3)...)
	n := uint32(12 + len(body))
	f.b = append(f.order.AppendUint32(f.order.AppendUint32(f.b, kind), n), body...)
	f.b = f.order.AppendUint32(f.b, n)
	return f
}

func (f *ngFile) section() *ngFile {
	b := f.order.AppendUint32(nil, 0x1a2b3c4d)
	b = f.order.AppendUint16(f.order.AppendUint16(b, 1), 0)
	return f.block(0x0a0d0d0a, f.order.AppendUint64(b, ^uint64(0)))
}

func (f *ngFile) iface(linkType uint16, snapLen uint32, options ...[]byte) *ngFile {
	b := f.order.AppendUint16(f.order.AppendUint16(nil, linkType), 0)
	return f.block(1, append(f.order.AppendUint32(b, snapLen), bytes.Join(options, nil)...))
}

func (f *ngFile) option(code uint16, value []byte) []byte {
	b := f.order.AppendUint16(f.order.AppendUint16(nil, code), uint16(len(value)))
	return append(append(b, value...), make([]byte, -len(value)&3)...)
}

func (f *ngFile) enhanced(iface uint32, stamp uint64, data []byte, length int) *ngFile {
	b := f.order.AppendUint32(nil, iface)
	b = f.order.AppendUint32(f.order.AppendUint32(b, uint32(stamp>>32)), uint32(stamp))
	b = f.order.AppendUint32(f.order.AppendUint32(b, uint32(len(data))), uint32(length))
	return f.block(6, append(b, data...))
}

var orders = []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian}

// TestReadOwn: what the recorder writes is read back.
func TestReadOwn(t *testing.T) {
	events := kinds(t)
	got, err := all(capture.Packets(write(t, events...)))
	if err != nil {
		t.Fatal(err)
	}
	number := 0
	for _, e := range events {
		e, is := e.(trace.Packet)
		if !is {
			continue
		}
		p := got[number]
		number++
		if p.Number != number || !p.Time.Equal(e.Time) || len(p.Bytes) != len(e.Packet.Bytes) || p.Cut != e.Packet.Trailing {
			t.Errorf("packet %d read as %+v", number, p)
		}
	}
	if number != len(got) {
		t.Errorf("%d packets, want %d", len(got), number)
	}
}

// TestReadPcap: the older format in both byte orders and resolutions.
func TestReadPcap(t *testing.T) {
	a, b := samples(t)["echo-request"], samples(t)["udp6"]
	for _, order := range orders {
		for _, nano := range []bool{false, true} {
			want := []capture.Captured{{Number: 1, Time: at(1), Bytes: a, Cut: 1}, {Number: 2, Time: at(2), Bytes: b, Cut: 1}}
			if !nano {
				for i := range want {
					want[i].Time = want[i].Time.Truncate(time.Microsecond)
				}
			}
			got, err := all(capture.ReadPackets(bytes.NewReader(pcap(order, nano, 101, a, b))))
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("%v, nano %v: %v\n%s", order, nano, err, diff)
			}
		}
	}
}

// TestReadPcapng: sections of either byte order, interfaces with resolutions
// and offsets of their own, the three kinds of packets, blocks of other kinds.
func TestReadPcapng(t *testing.T) {
	a, b := samples(t)["echo-request"], samples(t)["udp6"]
	for _, order := range orders {
		f := &ngFile{order: order}
		f.section().block(0x0bad, []byte("unknown"))
		f.iface(101, 0, f.option(1, []byte("comment")), f.option(0, nil)) // microseconds
		f.iface(101, 0, f.option(9, []byte{9}), f.option(14, order.AppendUint64(nil, 100)))
		f.iface(101, 0, f.option(9, []byte{0x80 | 10}))
		f.enhanced(0, 1_000_000, a, len(a)).enhanced(1, 1_000_000_001, a, len(a)+7).enhanced(2, 1024+512, b, len(b))
		obsolete := order.AppendUint32(order.AppendUint16(order.AppendUint16(nil, 1), 3), 0)
		obsolete = order.AppendUint32(order.AppendUint32(obsolete, 5), uint32(len(b)))
		f.block(2, append(order.AppendUint32(obsolete, uint32(len(b))), b...))
		other := &ngFile{order: orders[0], b: f.b}
		if order == orders[0] {
			other.order = orders[1]
		}
		other.section().iface(101, 20)
		other.block(3, append(other.order.AppendUint32(nil, uint32(len(a))), a[:20]...))
		want := []capture.Captured{
			{Number: 1, Time: time.Unix(1, 0).UTC(), Bytes: a},
			{Number: 2, Time: time.Unix(101, 1).UTC(), Bytes: a, Cut: 7},
			{Number: 3, Time: time.Unix(1, 5e8).UTC(), Bytes: b},
			{Number: 4, Time: time.Unix(100, 5).UTC(), Bytes: b},
			{Number: 5, Bytes: a[:20], Cut: len(a) - 20},
		}
		got, err := all(capture.ReadPackets(bytes.NewReader(other.b)))
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v: %v\n%s", order, err, diff)
		}
	}
}

// TestLinkTypes: what stands before the IP header is cut off, and what is not
// IP left out but numbered.
func TestLinkTypes(t *testing.T) {
	ip := samples(t)["echo-request"]
	ip6 := samples(t)["echo6-request"]
	mac := strings.Repeat("00", 12)
	for _, tt := range []struct {
		name     string
		linkType uint32
		header   string
		packet   []byte // nil: none
	}{
		{"raw", 101, "", ip},
		{"raw on OpenBSD", 14, "", ip6},
		{"raw elsewhere", 12, "", ip},
		{"IPv4", 228, "", ip},
		{"IPv6", 229, "", ip6},
		{"Ethernet", 1, mac + "0800", ip},
		{"Ethernet, IPv6", 1, mac + "86dd", ip6},
		{"Ethernet, VLAN", 1, mac + "8100006486dd", ip6},
		{"Ethernet, provider's VLAN", 1, mac + "88a800640800", ip},
		{"Ethernet, ARP", 1, mac + "0806", nil},
		{"Ethernet, ARP on a VLAN", 1, mac + "810000640806", nil},
		{"Ethernet with a frame check sequence", 1 | 0x24000000, mac + "0800", ip},
		{"cooked", 113, strings.Repeat("00", 14) + "0800", ip},
		{"cooked, ARP", 113, strings.Repeat("00", 14) + "0806", nil},
		{"cooked, version 2", 276, "86dd" + strings.Repeat("00", 18), ip6},
		{"null, little endian", 0, "02000000", ip},
		{"null, big endian", 0, "0000001e", ip6},
		{"null, AppleTalk", 0, "10000000", nil},
		{"loop", 108, "00000018", ip6},
	} {
		t.Run(tt.name, func(t *testing.T) {
			header := mustHex(t, tt.header)
			body := tt.packet
			if body == nil {
				body = ip
			}
			frame := append(slices.Clone(header), body...)
			got, err := all(capture.ReadPackets(bytes.NewReader(pcap(binary.LittleEndian, true, tt.linkType, frame, frame))))
			if err != nil {
				t.Fatal(err)
			}
			var want []capture.Captured
			if tt.packet != nil {
				want = []capture.Captured{{Number: 1, Time: at(1), Bytes: body, Cut: 1}, {Number: 2, Time: at(2), Bytes: body, Cut: 1}}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			for n := range len(header) {
				got, err := all(capture.ReadPackets(bytes.NewReader(pcap(binary.LittleEndian, true, tt.linkType, frame[:n]))))
				if len(got) != 0 || err != nil {
					t.Errorf("%d bytes of the header: %v, %v", n, got, err)
				}
			}
		})
	}
}

// TestUnknownLinkType: frames that cannot be read are passed over, and said to
// be when the rest has been read.
func TestUnknownLinkType(t *testing.T) {
	f := &ngFile{order: binary.LittleEndian}
	ip := samples(t)["echo-request"]
	f.section().iface(101, 0).iface(105, 0)
	f.enhanced(0, 1, ip, len(ip)).enhanced(1, 2, ip, len(ip)).enhanced(1, 3, ip, len(ip)).enhanced(0, 4, ip, len(ip))
	got, err := all(capture.ReadPackets(bytes.NewReader(f.b)))
	const want = "read capture test: 2 packets passed over: no IP packet is known in link type 105 (the first is packet 2)"
	if len(got) != 2 || got[1].Number != 4 || err == nil || err.Error() != want {
		t.Errorf("%d packets, %v, want %s", len(got), err, want)
	}
}

// TestReadErrors: one line each, which says what is wrong and where.
func TestReadErrors(t *testing.T) {
	order := binary.LittleEndian
	ip := samples(t)["echo-request"]
	head := func() *ngFile { f := &ngFile{order: order}; return f.section().iface(101, 0) }
	mar := func(f *ngFile, at int, v uint32) []byte {
		order.PutUint32(f.b[at:], v)
		return f.b
	}
	badVersion := pcap(order, false, 101)
	badVersion[4] = 7
	epb := len(head().b)
	for _, tt := range []struct {
		name string
		b    []byte
		want string
	}{
		{"empty", nil, "the file is empty"},
		{"three bytes", []byte("\n\r\r"), "3 bytes are too few for a pcap or pcapng file"},
		{"text", []byte("hello"), "neither pcap nor pcapng: the file begins with 0x68656c6c"},
		{"gzip", []byte{0x1f, 0x8b, 8, 0}, "the file is compressed: gunzip it first"},
		{"pcap header", pcap(order, false, 101)[:20], "the file ends within its header"},
		{"pcap version", badVersion, "Unknown major version 7"},
		{"pcap length", mar(&ngFile{b: pcap(order, false, 101, ip)}, 24+8, 1<<18+1), "packet 1: capture length exceeds snap length: 262145 > 262144"},
		{"byte order", mar(head(), 8, 7), "packet 1: block at byte 0: the byte-order magic is 0x07000000"},
		{"version", mar(head(), 12, 2), "packet 1: block at byte 0: pcapng version 2.0 is not known"},
		{"block length", mar(head(), 4+28, 11), "packet 1: block at byte 28: a block cannot be 11 bytes long"},
		{"huge block", mar(head(), 4+28, 1<<31), "packet 1: block at byte 28: a block cannot be 2147483648 bytes long"},
		{"end of a block", mar(head(), epb-4, 24), "packet 1: block at byte 28: it says at its end that it is 24 bytes long, but 20 at its beginning"},
		{"no interface", head().enhanced(1, 0, ip, 84).b, "packet 1: block at byte 48: a packet of interface 1, but 1 are described"},
		{"short packet block", head().block(6, ip[:16]).b, "packet 1: block at byte 48: a packet is shorter than its header"},
		{"packet too long for its block", mar(head().enhanced(0, 0, ip, 84), epb+20, 85), "packet 1: block at byte 48: a packet of 85 bytes, but 84 are there"},
		{"packet too long", mar(head().enhanced(0, 0, ip, 84), epb+20, 1<<18+1), "packet 1: block at byte 48: a packet cannot be 262145 bytes long: 262144 at most"},
		{"option too long", head().iface(101, 0, []byte{9, 0, 5, 0, 1, 0, 0, 0}).b, "packet 1: block at byte 48: option 9 of an interface is 5 bytes long, 4 are there"},
		{"short section", (&ngFile{order: order}).block(0x0a0d0d0a, mustHex(t, "4d3c2b1a01000000")).b, "packet 1: block at byte 0: a section header is too short"},
		{"short interface", head().block(1, ip[:4]).b, "packet 1: block at byte 48: an interface description is too short"},
	} {
		got, err := all(capture.ReadPackets(bytes.NewReader(tt.b)))
		if len(got) != 0 || err == nil || err.Error() != "read capture test: "+tt.want {
			t.Errorf("%s: %d packets, %v, want %s", tt.name, len(got), err, tt.want)
		}
	}
	_, err := all(capture.Packets("/nonexistent/f.pcap"))
	if err == nil || err.Error() != "read capture: open /nonexistent/f.pcap: no such file or directory" {
		t.Errorf("a file that is not there: %v", err)
	}
}

// TestCutFiles: of a file cut anywhere, all packets that are whole are read
// before the error that says where it ends.
func TestCutFiles(t *testing.T) {
	ips := [][]byte{samples(t)["udp6"], samples(t)["tcp-rst"], samples(t)["fragment-tiny"]}
	ng := &ngFile{order: binary.BigEndian}
	ng.section().iface(101, 0)
	ends := map[string][]int{"pcap": {24}, "pcapng": {len(ng.b)}}
	files := map[string][]byte{"pcap": pcap(binary.BigEndian, true, 101, ips...)}
	for i, ip := range ips {
		ng.enhanced(0, uint64(i), ip, len(ip))
		ends["pcapng"] = append(ends["pcapng"], len(ng.b))
		ends["pcap"] = append(ends["pcap"], ends["pcap"][i]+16+len(ip))
	}
	files["pcapng"] = ng.b
	for name, b := range files {
		for n := range len(b) + 1 {
			got, err := all(capture.ReadPackets(bytes.NewReader(b[:n])))
			whole := 0
			for whole < len(ips) && ends[name][whole+1] <= n {
				whole++
			}
			if len(got) != whole {
				t.Errorf("%s cut at %d: %d packets, want %d", name, n, len(got), whole)
			}
			if clean := slices.Contains(ends[name], n) || name == "pcapng" && n == 28; clean != (err == nil) {
				t.Errorf("%s cut at %d: %v", name, n, err)
			}
			if err == nil || n < ends[name][0] {
				continue
			}
			if want := fmt.Sprintf("read capture test: packet %d: the file ends within it: ", whole+1); !strings.HasPrefix(err.Error(), want) {
				t.Errorf("%s cut at %d: %v, want %s", name, n, err, want)
			}
		}
	}
}

// TestStop: who has seen enough is asked no more, and the file is closed.
func TestStop(t *testing.T) {
	path := write(t, kinds(t)...)
	before := openFiles(t)
	n := 0
	for range capture.Packets(path) {
		if n++; n == 3 {
			break
		}
	}
	if n != 3 || openFiles(t) != before {
		t.Errorf("%d packets, %d files open, before %d", n, openFiles(t), before)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skipf("/proc/self/fd: %v", err)
	}
	return len(entries)
}

// TestReadTsharks: other programs' files are read: the recorder's, converted
// by tshark.
func TestReadTsharks(t *testing.T) {
	need(t, "tshark")
	path := write(t, kinds(t)...)
	want, err := all(capture.Packets(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"pcap", "nsecpcap", "pcapng"} {
		other := filepath.Join(t.TempDir(), "f."+format)
		tool(t, "tshark", "-r", path, "-F", format, "-w", other)
		got, err := all(capture.Packets(other))
		if format == "pcap" {
			for i := range got {
				got[i].Time = want[i].Time
			}
		}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", format, err, diff)
		}
	}
}
