package link_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.zx2c4.com/wireguard/tun"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"netstackd/link"
	"netstackd/link/linktest"
)

// oneRead is what one Read of the device returns.
type oneRead struct {
	packets [][]byte
	err     error
}

func TestInbound(t *testing.T) {
	fileError := &fs.PathError{Op: "read", Path: "/dev/net/tun", Err: syscall.EINVAL}
	for _, tc := range []struct {
		name  string
		batch int
		reads []oneRead
		want  []int // lengths delivered before the last packet of all
		drops map[string]uint64
	}{
		{
			name:  "both versions",
			reads: []oneRead{{packets: [][]byte{packet4(20)}}, {packets: [][]byte{packet6(40)}}},
			want:  []int{20, 40},
		},
		{
			name:  "lengths",
			reads: []oneRead{{packets: [][]byte{packet4(1)}}, {packets: [][]byte{packet4(65535)}}, {packets: [][]byte{packet6(2049)}}},
			want:  []int{1, 65535, 2049},
		},
		{
			name: "no IP",
			reads: []oneRead{
				{packets: [][]byte{{}}},
				{packets: [][]byte{{0x05}}},
				{packets: [][]byte{{0x70, 0, 0}}},
				{packets: [][]byte{make([]byte, 100)}},
			},
			want:  []int{1, 3, 100}, // for the hooks to name
			drops: map[string]uint64{"link-empty": 1},
		},
		{
			name:  "batch",
			batch: 4,
			reads: []oneRead{{packets: [][]byte{packet4(20), {}, packet6(1500), packet4(2032)}}},
			want:  []int{20, 1500, 2032},
			drops: map[string]uint64{"link-empty": 1},
		},
		{
			// The fake does as wireguard does and withholds one more. The next
			// time there are twice as many buffers.
			name:  "more segments than buffers",
			batch: 4,
			reads: []oneRead{
				{packets: [][]byte{packet4(21), packet4(22), packet4(23), packet4(24), packet4(25), packet4(26)}},
				{packets: [][]byte{packet4(31), packet4(32), packet4(33), packet4(34), packet4(35), packet4(36)}},
			},
			want:  []int{21, 22, 23, 31, 32, 33, 34, 35, 36},
			drops: map[string]uint64{"link-too-many-segments": 1},
		},
		{
			// Of 1,500 bytes MTU, buffers are 2,048 bytes apart, 16 of them
			// headroom. The next time they are long enough.
			name:  "segments longer than the MTU",
			batch: 4,
			reads: []oneRead{
				{packets: [][]byte{packet4(2033), packet4(9000), packet4(2032), packet4(65535)}},
				{packets: [][]byte{packet4(2034), packet4(9000), packet4(2032), packet4(65535)}},
			},
			want:  []int{2032, 65535, 2034, 9000, 2032, 65535},
			drops: map[string]uint64{"link-segment-too-large": 2},
		},
		{
			name: "failures are survived",
			reads: []oneRead{
				{err: errors.New("unsupported virtio GSO type: 7")},
				{packets: [][]byte{packet4(20)}},
				{err: fileError},
				{err: fmt.Errorf("failed to receive netlink message: %w", syscall.ENOBUFS)}, // no packet
				{packets: [][]byte{packet4(21)}, err: errors.New("the rest is malformed")},
			},
			want:  []int{20, 21},
			drops: map[string]uint64{"link-malformed": 2, "link-read-error": 1},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dev, e, _ := fake(t, linktest.DeviceOptions{BatchSize: tc.batch})
			c := newCollector()
			e.Attach(c)
			sent := make(map[int]string) // by length
			for _, r := range tc.reads {
				for _, p := range r.packets {
					sent[len(p)] = string(p)
				}
				if err := dev.InjectRead(r.err, r.packets...); err != nil {
					t.Fatal(err)
				}
			}
			last := string(packet4(77))
			if err := dev.Inject([]byte(last)); err != nil {
				t.Fatal(err)
			}
			var want, got []delivered
			wantBytes := uint64(len(last))
			for _, n := range tc.want {
				p := sent[n]
				protocols := map[byte]tcpip.NetworkProtocolNumber{4: header.IPv4ProtocolNumber, 6: header.IPv6ProtocolNumber}
				want = append(want, delivered{protocol: protocols[p[0]>>4], bytes: p})
				wantBytes += uint64(n)
			}
			for d := c.next(t); d.bytes != last; d = c.next(t) {
				got = append(got, d)
			}
			if d := cmp.Diff(want, got, cmp.AllowUnexported(delivered{})); d != "" {
				t.Errorf("delivered (-want +got):\n%s", d)
			}
			if tc.drops == nil {
				tc.drops = map[string]uint64{}
			}
			wantCounters := link.Counters{InPackets: uint64(len(want) + 1), InBytes: wantBytes, Drops: tc.drops}
			if d := cmp.Diff(wantCounters, unsized(e.Counters())); d != "" {
				t.Errorf("counters (-want +got):\n%s", d)
			}
		})
	}
}

// TestReadErrorPersists: a device that always fails is not asked all the time,
// and is used again when it works again.
func TestReadErrorPersists(t *testing.T) {
	bothWays(t, func(t *testing.T, o linktest.DeviceOptions) {
		dev, e, logged := fake(t, o)
		dev.FailReads(&fs.PathError{Op: "read", Path: "fake", Err: syscall.EINVAL})
		c := newCollector()
		e.Attach(c)
		time.Sleep(300 * time.Millisecond)
		// 8 at once, then after 1, 2, 4 … 128 ms.
		if n := dev.Reads(); n < 8 || n > 24 {
			t.Errorf("%d reads in 300 ms", n)
		}
		if n := len(linesWith(logged, "reading the device failed")); n != 1 {
			t.Errorf("%d log lines for a persistent failure, want 1", n)
		}
		e.Attach(nil)
		within(t, "Wait", e.Wait)
		e.Attach(c)
		dev.FailReads(nil)
		if err := dev.Inject(packet4(20)); err != nil {
			t.Fatal(err)
		}
		c.next(t)
	})
}

func TestOutbound(t *testing.T) {
	for _, tc := range []struct {
		name    string
		err     error
		dropped string // reason
		want    tcpip.Error
	}{
		{name: "no error"},
		{"link down", errors.Join(&fs.PathError{Op: "write", Path: "/dev/net/tun", Err: syscall.EIO}), "link-down", &tcpip.ErrNetworkUnreachable{}},
		{"closed", os.ErrClosed, "link-closed", &tcpip.ErrClosedForSend{}},
		{"no buffers", errors.Join(&fs.PathError{Op: "write", Path: "/dev/net/tun", Err: syscall.ENOBUFS}), "link-no-buffers", &tcpip.ErrNoBufferSpace{}},
		{"refused", errors.Join(&fs.PathError{Op: "write", Path: "/dev/net/tun", Err: syscall.EINVAL}), "link-write-error", &tcpip.ErrInvalidEndpointState{}},
		{"wireguard's own", errors.New("invalid offset"), "link-write-error", &tcpip.ErrInvalidEndpointState{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dev, e, _ := fake(t, linktest.DeviceOptions{})
			dev.FailWrites(tc.err)
			packets := [][]byte{packet4(20), packet6(1500), packet4(65535)}
			n, err := write(e, packets...)
			if d := cmp.Diff(tc.want, err); d != "" {
				t.Errorf("error (-want +got):\n%s", d)
			}
			want := link.Counters{Drops: map[string]uint64{}}
			if tc.dropped != "" {
				want.Drops[tc.dropped] = 3
			} else {
				want.OutPackets, want.OutBytes = 3, 20+1500+65535
				for i, p := range packets {
					if got := <-dev.Sent(); string(got) != string(p) {
						t.Errorf("packet %d of %d bytes was changed on its way, came as %d", i, len(p), len(got))
					}
				}
			}
			if uint64(n) != want.OutPackets {
				t.Errorf("says that %d were written, want %d", n, want.OutPackets)
			}
			if d := cmp.Diff(want, unsized(e.Counters())); d != "" {
				t.Errorf("counters (-want +got):\n%s", d)
			}
		})
	}
}

// TestOutboundPartly: one failure is one drop, the others get through.
func TestOutboundPartly(t *testing.T) {
	dev, e, _ := fake(t, linktest.DeviceOptions{})
	const room = 1024
	for range room - 1 {
		write(e, packet4(20))
	}
	n, err := write(e, packet4(20), packet4(20), packet4(20))
	if _, ok := err.(*tcpip.ErrNoBufferSpace); n != 1 || !ok {
		t.Errorf("wrote %d with error %v, want 1 with no buffer space", n, err)
	}
	<-dev.Sent()
	write(e, packet4(20))
	want := link.Counters{OutPackets: room + 1, OutBytes: 20 * (room + 1), Drops: map[string]uint64{"link-no-buffers": 2}}
	if d := cmp.Diff(want, unsized(e.Counters())); d != "" {
		t.Errorf("counters (-want +got):\n%s", d)
	}
}

// TestOutboundHeaders: a packet whose headers netstack pushed in front of its
// data leaves whole.
func TestOutboundHeaders(t *testing.T) {
	dev, e, _ := fake(t, linktest.DeviceOptions{})
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{ReserveHeaderBytes: 100, Payload: buffer.MakeWithData([]byte("data"))})
	copy(pkt.TransportHeader().Push(8), "-8bytes-")
	copy(pkt.NetworkHeader().Push(20), packet4(20))
	var list stack.PacketBufferList
	list.PushBack(pkt)
	defer list.DecRef()
	if _, err := e.WritePackets(list); err != nil {
		t.Fatal(err)
	}
	if want, got := string(packet4(20))+"-8bytes-data", string(<-dev.Sent()); got != want {
		t.Errorf("got %x, want %x", got, want)
	}
}

func TestDropReasonsDocumented(t *testing.T) {
	docs := link.DropReasons()
	if len(docs) != 11 {
		t.Errorf("%d reasons, want 11: two may share a name", len(docs))
	}
	for name, doc := range docs {
		if !strings.HasPrefix(name, "link-") || len(doc) < 10 || strings.Contains(doc, "\n") {
			t.Errorf("reason %q is documented as %q", name, doc)
		}
	}
}

// sink is a device that takes everything and keeps nothing.
type sink struct{ tun.Device }

func (sink) File() *os.File                       { return nil }
func (sink) Name() (string, error)                { return "sink", nil }
func (sink) MTU() (int, error)                    { return 1500, nil }
func (sink) Write(b [][]byte, o int) (int, error) { return len(b[0]) - o, nil }

// BenchmarkWritePackets is the endpoint's own share of sending; it must show 0
// allocations.
func BenchmarkWritePackets(b *testing.B) {
	e, err := link.NewEndpoint(link.Wrap(sink{}), link.Options{})
	if err != nil {
		b.Fatal(err)
	}
	var list stack.PacketBufferList
	list.PushBack(stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(packet4(1500))}))
	defer list.DecRef()
	b.ReportAllocs()
	b.SetBytes(1500)
	for b.Loop() {
		if _, err := e.WritePackets(list); err != nil {
			b.Fatal(err)
		}
	}
}

// unsized are counters without the lengths, which tests of packets do not list.
func unsized(c link.Counters) link.Counters {
	c.InSizes, c.OutSizes = [link.SizeBounds]uint64{}, [link.SizeBounds]uint64{}
	return c
}
