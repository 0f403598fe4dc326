package link

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// socketDevice is an offloading mover on one end of a socket that keeps message
// boundaries as a TUN does, and the other end in the kernel's place.
type socketDevice struct {
	*offloading
	counted counters
	kernel  *os.File
}

func newSocketDevice(t testing.TB, busyPoll time.Duration) *socketDevice {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f, kernel := os.NewFile(uintptr(fds[0]), "device"), os.NewFile(uintptr(fds[1]), "kernel")
	d := &socketDevice{kernel: kernel}
	raw, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	d.offloading = newOffloading(f, raw, &d.counted, busyPoll)
	d.datagrams = true
	t.Cleanup(func() {
		f.Close()      //nolint:errcheck // some tests closed it
		kernel.Close() //nolint:errcheck // likewise
		d.rest()
		d.rest()
	})
	return d
}

// give writes a frame to the device.
func (d *socketDevice) give(t testing.TB, f []byte) {
	t.Helper()
	if _, err := d.kernel.Write(f); err != nil {
		t.Fatalf("give %d bytes: %v", len(f), err)
	}
}

// one is the one packet that receive returns.
func (d *socketDevice) one(t testing.TB) *stack.PacketBuffer {
	t.Helper()
	pkts, err := d.receive(nil)
	if err != nil || len(pkts) != 1 {
		t.Fatalf("received %d packets, error %v", len(pkts), err)
	}
	return pkts[0]
}

func TestOffloadingReceive(t *testing.T) {
	type inbound struct {
		Protocol  tcpip.NetworkProtocolNumber
		Validated bool
		GSO       stack.GSO
		Packet    []byte
	}
	sum := func(b []byte, field int) []byte { return completed(b, 20, field) }
	four, six := header.IPv4ProtocolNumber, header.IPv6ProtocolNumber
	long := func(n int) []byte { return ip4(protoTCP, 0, tcp(0, n-40)) }
	for _, tc := range []struct {
		name    string
		header  virtioHeader
		packet  []byte
		want    inbound
		err     error
		dropped string
	}{
		{name: "1 byte", packet: []byte{0x45}, want: inbound{four, false, stack.GSO{}, []byte{0x45}}},
		{name: "no IP", packet: fill(100), want: inbound{0, false, stack.GSO{}, fill(100)}},
		{name: "as long as the headers' buffer", packet: long(headersLen), want: inbound{four, false, stack.GSO{}, long(headersLen)}},
		{name: "longest copied", packet: long(copyBelow - 1), want: inbound{four, false, stack.GSO{}, long(copyBelow - 1)}},
		{name: "shortest lent", packet: long(copyBelow), want: inbound{four, false, stack.GSO{}, long(copyBelow)}},
		{name: "longest", packet: long(maxPacket), want: inbound{four, false, stack.GSO{}, long(maxPacket)}},
		{name: "longest super-segment", header: super(virtioTCPv4, 1448, 20), packet: long(maxPacket),
			want: inbound{four, false, superMarks(stack.GSOTCPv4, 1448, 20).gso, long(maxPacket)}},
		{name: "small super-segment", header: super(virtioTCPv6, 10, 40), packet: ip6(protoTCP, tcp(0, 99)),
			want: inbound{six, false, superMarks(stack.GSOTCPv6, 10, 40).gso, ip6(protoTCP, tcp(0, 99))}},
		{name: "valid", header: virtioHeader{flags: virtioDataValid}, packet: ip6(protoUDP, udp(9)), want: inbound{six, true, stack.GSO{}, ip6(protoUDP, udp(9))}},
		{name: "completed", header: partial(20, 2), packet: ip4(protoICMP, 0, fill(64)), want: inbound{four, false, stack.GSO{}, sum(ip4(protoICMP, 0, fill(64)), 22)}},
		{name: "completed and lent", header: partial(20, 2), packet: ip4(protoICMP, 0, fill(60000)), want: inbound{four, false, stack.GSO{}, sum(ip4(protoICMP, 0, fill(60000)), 22)}},
		{name: "empty", dropped: "link-empty"},
		{name: "a lie", header: super(virtioTCPv4, 0, 20), packet: long(60000), err: errLyingHeader},
		{name: "an old fragment offload", header: super(3, 100, 20), packet: ip4(protoUDP, 0, udp(30000)), dropped: "link-unknown-segmentation"},
		{name: "too many datagrams", header: superUDP(100, 20), packet: ip4(protoUDP, 0, udp(30000)), err: errLyingHeader},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newSocketDevice(t, 0)
			for range 3 { // the same buffer again, and another one
				d.give(t, frame(tc.header, tc.packet))
				pkts, err := d.receive(nil)
				if !errors.Is(err, tc.err) {
					t.Fatalf("error %v, want %v", err, tc.err)
				}
				if tc.err != nil || tc.dropped != "" {
					if len(pkts) != 0 {
						t.Fatalf("%d packets, want none", len(pkts))
					}
					continue
				}
				if len(pkts) != 1 {
					t.Fatalf("%d packets, want 1", len(pkts))
				}
				p := pkts[0]
				got := inbound{p.NetworkProtocolNumber, p.RXChecksumValidated, p.GSOOptions, bytesOf(p)}
				p.DecRef()
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("received (-want +got):\n%s", diff)
				}
			}
			want := map[string]uint64{}
			if tc.dropped != "" {
				want[tc.dropped] = 3
			}
			if diff := cmp.Diff(want, d.counted.snapshot().Drops); diff != "" {
				t.Errorf("drops (-want +got):\n%s", diff)
			}
		})
	}
}

// TestOffloadingShortRead: a frame without a whole header is no packet.
func TestOffloadingShortRead(t *testing.T) {
	d := newSocketDevice(t, 0)
	for n := 1; n <= virtioHeaderLen; n++ {
		d.give(t, make([]byte, n))
		if pkts, err := d.receive(nil); len(pkts) != 0 || err != nil {
			t.Errorf("%d bytes: %d packets, %v", n, len(pkts), err)
		}
	}
	if diff := cmp.Diff(map[string]uint64{"link-empty": virtioHeaderLen}, d.counted.snapshot().Drops); diff != "" {
		t.Errorf("drops (-want +got):\n%s", diff)
	}
}

// TestOffloadingNotCopied: netstack may look at the headers of a super-segment,
// and keep it, without the data being copied.
func TestOffloadingNotCopied(t *testing.T) {
	d := newSocketDevice(t, 0)
	d.give(t, frame(super(virtioTCPv4, 1448, 20), ip4(protoTCP, 0, tcp(12, 60000))))
	pkt := d.one(t)
	defer pkt.DecRef()
	last := func() *byte {
		views, _ := pkt.AsViewList()
		b := views.Back().AsSlice()
		return &b[len(b)-1]
	}
	before := last()
	clone := pkt.Clone()
	defer clone.DecRef()
	if _, ok := pkt.NetworkHeader().Consume(20); !ok {
		t.Fatal("no network header")
	}
	if _, ok := pkt.TransportHeader().Consume(32); !ok {
		t.Fatal("no transport header")
	}
	if _ = pkt.NetworkHeader().Slice(); last() != before {
		t.Error("the data was copied when the headers were looked at")
	}
}

// TestOffloadingHeld: a packet that somebody holds, or a clone of it, keeps its
// bytes, whatever the device is read into meanwhile.
func TestOffloadingHeld(t *testing.T) {
	d := newSocketDevice(t, 50*time.Microsecond)
	type held struct {
		pkts []*stack.PacketBuffer
		want []byte
	}
	const holders = 8
	packets := 4000
	if testing.Short() {
		packets = 500
	}
	var wg sync.WaitGroup
	queues := make([]chan held, holders)
	for i := range queues {
		queues[i] = make(chan held, 1)
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(1, uint64(i)))
			var mine []held
			check := func(h held) {
				for _, p := range h.pkts {
					if !bytes.Equal(bytesOf(p), h.want) {
						t.Error("a packet that is held was changed")
					}
					p.DecRef()
				}
			}
			for h := range queues[i] {
				mine = append(mine, h)
				for len(mine) > 12 {
					n := rnd.IntN(len(mine)) // in no order
					check(mine[n])
					mine = slices.Delete(mine, n, n+1)
				}
			}
			for _, h := range mine {
				check(h)
			}
		})
	}
	rnd := rand.New(rand.NewPCG(2, 2))
	for n := range packets {
		size := 1 + rnd.IntN(2*copyBelow)
		if n%4 == 0 {
			size = 40000 + rnd.IntN(25000)
		}
		want := ip4(protoTCP, 0, tcp(0, size))
		rnd.Uint64()
		for i := 40; i < len(want); i += 64 {
			want[i] = byte(n + i>>6)
		}
		d.give(t, frame(super(virtioTCPv4, 1448, 20), want))
		pkt := d.one(t)
		h := held{want: want, pkts: []*stack.PacketBuffer{pkt, pkt.Clone(), pkt.IncRef()}}
		if rnd.IntN(2) == 0 { // only the clone stays, as with TCP
			pkt.DecRef()
			pkt.DecRef()
			h.pkts = h.pkts[1:2]
		}
		queues[rnd.IntN(holders)] <- h
		if n%100 == 0 {
			d.rest() // a reader that ends while others hold its packets
		}
	}
	for _, q := range queues {
		close(q)
	}
	wg.Wait()
}

// TestOffloadingBatch: what waits is read together, while it is UDP's, and comes
// in its order; a super-datagram comes in datagrams.
func TestOffloadingBatch(t *testing.T) {
	one := frame(partial(20, 6), ip4(protoUDP, 0, udp(99)))
	many := frame(superUDP(100, 40), naivePartial(ip6(protoUDP, udp(250)), 40))
	other := frame(partial(20, 16), ip4(protoTCP, 0, tcp(0, 99)))
	lie := frame(superUDP(0, 20), ip4(protoUDP, 0, udp(300)))
	for _, tc := range []struct {
		name   string
		frames [][]byte
		want   []int // packets of each receive
		err    error // of the last one
	}{
		{"one", [][]byte{one}, []int{1}, nil},
		{"super-datagram", [][]byte{many}, []int{3}, nil},
		{"all kinds", [][]byte{one, many, one, other, one}, []int{6, 1}, nil},
		{"TCP alone", [][]byte{other, other, one}, []int{1, 1, 1}, nil},
		{"lie", [][]byte{one, one, lie}, []int{2}, errLyingHeader},
		{"as many as there are", slices.Repeat([][]byte{one}, 3*mostReads+1), []int{mostReads, mostReads, mostReads, 1}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newSocketDevice(t, 0)
			var want [][]byte
			for _, f := range tc.frames {
				d.give(t, f)
				switch &f[0] {
				case &lie[0]:
				case &many[0]:
					want = append(want, naiveSplit(f[virtioHeaderLen:], 40, 100)...)
				default:
					want = append(want, f[virtioHeaderLen:])
				}
			}
			var got [][]byte
			var counts []int
			for i := range tc.want {
				pkts, err := d.receive(nil)
				if last := i == len(tc.want)-1; last && !errors.Is(err, tc.err) || !last && err != nil {
					t.Fatalf("receive: %v", err)
				}
				counts = append(counts, len(pkts))
				for _, pkt := range pkts {
					got = append(got, bytesOf(pkt))
					pkt.DecRef()
				}
			}
			if diff := cmp.Diff(tc.want, counts); diff != "" {
				t.Errorf("packets of each receive (-want +got):\n%s", diff)
			}
			if !slices.EqualFunc(got, want, bytes.Equal) {
				t.Errorf("others came than were given")
			}
		})
	}
}

// TestOffloadingSuper: a super-datagram leaves with its header, if the device
// takes any.
func TestOffloadingSuper(t *testing.T) {
	d := newSocketDevice(t, 0)
	packet := naivePartial(ip4(protoUDP, 0, udp(3000)), 20)
	if err := d.writeSuper()(superUDP(1000, 20), packet); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 1<<17)
	n, err := d.kernel.Read(got)
	if err != nil || !bytes.Equal(got[:n], frame(superUDP(1000, 20), packet)) {
		t.Errorf("%d bytes came, %v", n, err)
	}
	d.file.Close() //nolint:errcheck // fails the write
	if err := d.writeSuper()(superUDP(1000, 20), packet); !errors.Is(err, os.ErrClosed) {
		t.Errorf("write to the closed device: %v", err)
	}
	d.datagrams = false
	if d.writeSuper() != nil {
		t.Error("super-datagrams go to a device that takes none")
	}
}

func TestOffloadingSend(t *testing.T) {
	gso4 := stack.GSO{Type: stack.GSOTCPv4, NeedsCsum: true, CsumOffset: 16, MSS: 1460, L3HdrLen: 20}
	for _, tc := range []struct {
		name   string
		packet []byte
		tcp    int // length of the TCP header
		gso    stack.GSO
		want   virtioHeader
	}{
		{name: "plain", packet: ip4(protoUDP, 0, udp(100)), tcp: 8},
		{name: "partial", packet: ip4(protoTCP, 0, tcp(12, 100)), tcp: 32, gso: gso4, want: partial(20, 16)},
		{name: "super-segment", packet: ip4(protoTCP, 0, tcp(0, 65495)), tcp: 20, gso: gso4, want: virtioHeader{1, virtioTCPv4, 40, 1460, 20, 16}},
	} {
		for _, pieces := range []int{1, 2, 45, 1022, 1023, 1024, 3000} {
			t.Run(fmt.Sprintf("%s/%d pieces", tc.name, pieces), func(t *testing.T) {
				d := newSocketDevice(t, 0)
				data := tc.packet[20+tc.tcp:]
				var payload buffer.Buffer
				for part := range slices.Chunk(data, max(1, len(data)/pieces)) {
					one := buffer.MakeWithData(part)
					payload.Merge(&one) // as TCP joins segments
				}
				pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{ReserveHeaderBytes: 100, Payload: payload})
				defer pkt.DecRef()
				copy(pkt.TransportHeader().Push(tc.tcp), tc.packet[20:])
				copy(pkt.NetworkHeader().Push(20), tc.packet)
				pkt.GSOOptions = tc.gso
				for range 2 {
					n, err := d.send(pkt)
					if n != len(tc.packet) || err != nil {
						t.Fatalf("sent %d bytes, %v, want %d", n, err, len(tc.packet))
					}
					got := make([]byte, 1<<17)
					if n, err = d.kernel.Read(got); err != nil {
						t.Fatal(err)
					}
					if !bytes.Equal(got[:n], frame(tc.want, tc.packet)) {
						t.Fatalf("%d bytes came, with header %x, that are not the %d sent with %+v", n, got[:virtioHeaderLen], len(tc.packet), tc.want)
					}
				}
			})
		}
	}
}

// TestOffloadingSendTogether: many senders at once mix nothing up.
func TestOffloadingSendTogether(t *testing.T) {
	d := newSocketDevice(t, 0)
	const senders, each = 8, 200
	var wg sync.WaitGroup
	for s := range byte(senders) {
		wg.Go(func() {
			for n := range each {
				pkt := outbound(ip4(protoUDP, 0, nil), []byte{s, byte(n), 0, 0, 0, 0, 0, 0}, slices.Repeat([]byte{s}, 10*n), stack.GSO{})
				for {
					_, err := d.send(pkt)
					if err == nil {
						break
					}
					if why, _ := judgeWrite(err); why != dropNoBuffers {
						t.Errorf("send: %v", err)
						break
					}
					time.Sleep(time.Millisecond) // the reader is behind
				}
				pkt.DecRef()
			}
		})
	}
	next := make([]int, senders)
	got := make([]byte, 1<<17)
	for range senders * each {
		n, err := d.kernel.Read(got)
		if err != nil {
			t.Fatal(err)
		}
		b := got[virtioHeaderLen+20 : n]
		s := b[0]
		if len(b) != 8+10*next[s] || slices.ContainsFunc(b[8:], func(c byte) bool { return c != s }) {
			t.Fatalf("packet %d of sender %d came as %d bytes", next[s], s, len(b))
		}
		next[s]++
	}
	wg.Wait()
}

// TestOffloadingAllocations: none for a packet, whatever its length.
func TestOffloadingAllocations(t *testing.T) {
	d := newSocketDevice(t, 0)
	// The least of several runs counts: a pool may be emptied at any time, and the
	// race detector has it forget at random.
	least := func(pass func()) float64 {
		n := testing.AllocsPerRun(1, pass)
		for range 50 {
			n = min(n, testing.AllocsPerRun(1, pass))
		}
		return n
	}
	var pkts []*stack.PacketBuffer
	for _, size := range []int{64, 1460, copyBelow, 60000} {
		in := frame(super(virtioTCPv4, 1448, 20), ip4(protoTCP, 0, tcp(0, size)))
		got := least(func() {
			if _, err := unix.Write(int(d.kernel.Fd()), in); err != nil {
				t.Fatal(err)
			}
			var err error
			if pkts, err = d.receive(pkts[:0]); err != nil || len(pkts) != 1 {
				t.Fatal(len(pkts), err)
			}
			pkts[0].DecRef()
		})
		if got > 0 {
			t.Errorf("%v allocations to receive %d bytes, want 0", got, size)
		}
	}
	pkt := outbound(ip4(protoTCP, 0, nil), tcp(0, 0), fill(60000), stack.GSO{Type: stack.GSOTCPv4, NeedsCsum: true, CsumOffset: 16, MSS: 1460})
	defer pkt.DecRef()
	out := make([]byte, 1<<17)
	got := least(func() {
		if _, err := d.send(pkt); err != nil {
			t.Fatal(err)
		}
		if _, err := unix.Read(int(d.kernel.Fd()), out); err != nil {
			t.Fatal(err)
		}
	})
	if got > 0 {
		t.Errorf("%v allocations to send, want 0", got)
	}
}
