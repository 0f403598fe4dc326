package link

import (
	"bytes"
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// soon fails when f takes longer than a loaded machine may need.
func soon(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Fatalf("%s blocked", what)
	}
}

func TestOffloadingInterrupt(t *testing.T) {
	for _, poll := range []time.Duration{0, 50 * time.Microsecond, time.Hour} {
		t.Run(poll.String(), func(t *testing.T) {
			d := newSocketDevice(t, poll)
			d.poll.window = poll // as after a packet that came soon
			if !d.interruptible() {
				t.Error("not interruptible")
			}
			interrupted := func() {
				t.Helper()
				if pkts, err := d.receive(nil); len(pkts) != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("received %d packets, %v, want the deadline's error", len(pkts), err)
				}
			}
			// While it waits, and before.
			go func() {
				time.Sleep(10 * time.Millisecond)
				d.interrupt()
			}()
			soon(t, "interrupt", interrupted)
			soon(t, "interrupt before", interrupted)
			// Also when a packet is there, which waits.
			want := ip4(protoUDP, 0, udp(100))
			d.give(t, frame(virtioHeader{}, want))
			soon(t, "interrupt with a packet", interrupted)
			d.rest()
			d.resume()
			soon(t, "resume", func() {
				pkt := d.one(t)
				defer pkt.DecRef()
				if !bytes.Equal(bytesOf(pkt), want) {
					t.Error("another packet")
				}
			})
		})
	}
}

// TestOffloadingClosed: a closed device reads and writes as such, and as nothing
// that would be counted as a bad packet.
func TestOffloadingClosed(t *testing.T) {
	for _, poll := range []time.Duration{0, 10 * time.Millisecond} {
		t.Run(poll.String(), func(t *testing.T) {
			d := newSocketDevice(t, poll)
			d.poll.window = poll
			go func() {
				time.Sleep(10 * time.Millisecond)
				d.file.Close() //nolint:errcheck // nothing to lose
			}()
			soon(t, "receive", func() {
				if _, err := d.receive(nil); !errors.Is(err, os.ErrClosed) {
					t.Errorf("receive while it is closed: %v", err)
				}
			})
			if _, err := d.receive(nil); !errors.Is(err, os.ErrClosed) {
				t.Errorf("receive: %v", err)
			}
			pkt := outbound(ip4(protoUDP, 0, nil), udp(0), nil, stack.GSO{})
			defer pkt.DecRef()
			_, err := d.send(pkt)
			if why, _ := judgeWrite(err); why != dropClosed {
				t.Errorf("send: %v is %v", err, why)
			}
		})
	}
}

// TestOffloadingErrors: what the kernel says, and what is made of it.
func TestOffloadingErrors(t *testing.T) {
	var e Endpoint
	e.dev, e.log = &Device{name: "test"}, discard()
	for errno, want := range map[syscall.Errno]string{
		unix.EBADFD: "gone", // tun_chr_read_iter and tun_chr_write_iter: the device was deleted
		unix.ENODEV: "gone",
		unix.EIO:    "link-read-error",
		unix.EFAULT: "link-read-error",
		unix.EINVAL: "link-read-error",
	} {
		e.counters = counters{}
		err := fileError("read", errno)
		got := "gone"
		if e.judgeRead(err) == nil {
			got = ""
			for name := range e.Counters().Drops {
				got += name
			}
		}
		if got != want {
			t.Errorf("read: %v is judged %q, want %q", err, got, want)
		}
	}
	for errno, want := range map[syscall.Errno]reason{
		unix.EBADFD:  dropClosed,
		unix.EIO:     dropLinkDown,
		unix.ENOBUFS: dropNoBuffers,
		unix.ENOMEM:  dropNoBuffers,
		unix.EAGAIN:  dropNoBuffers,
		unix.EINVAL:  dropWriteError,
	} {
		if got, _ := judgeWrite(fileError("read", errno)); got != want {
			t.Errorf("write: %v is %v, want %v", errno, got, want)
		}
	}
	// The end of the file is the device's end, and no packet.
	d := newSocketDevice(t, 0)
	if err := d.kernel.Close(); err != nil {
		t.Fatal(err)
	}
	if pkts, err := d.receive(nil); len(pkts) != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %d packets, %v", len(pkts), err)
	}
}

// dispatcher counts what it is given.
type dispatcher struct{ packets chan int }

func (d dispatcher) DeliverNetworkPacket(_ tcpip.NetworkProtocolNumber, pkt *stack.PacketBuffer) {
	d.packets <- pkt.Size()
}

func (dispatcher) DeliverLinkPacket(tcpip.NetworkProtocolNumber, *stack.PacketBuffer) {}

// TestOffloadingLies: however many packets come whose header lies, the next good
// one does not wait for a pause: each was read, and none was read twice.
func TestOffloadingLies(t *testing.T) {
	d := newSocketDevice(t, 0)
	e := &Endpoint{dev: &Device{name: "test"}, log: discard(), mover: d.offloading}
	e.changed = sync.NewCond(&e.mu)
	d.offloading.counters = &e.counters
	got := dispatcher{make(chan int, 1)}
	e.dispatcher, e.reading = got, true
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		e.readLoop(0)
	}()
	const lies = 100
	lie := frame(super(virtioTCPv4, 0, 20), ip4(protoTCP, 0, tcp(0, 300)))
	for range lies {
		d.give(t, lie)
	}
	d.give(t, frame(virtioHeader{}, ip4(protoUDP, 0, udp(72))))
	select {
	case n := <-got.packets:
		if n != 100 {
			t.Errorf("a packet of %d bytes, want 100", n)
		}
	case <-time.After(30 * time.Second):
		t.Error("the good packet waits")
	}
	e.mu.Lock()
	e.detachLocked()
	e.mu.Unlock()
	soon(t, "detach", func() { <-ended })
	if diff := cmp.Diff(map[string]uint64{"link-malformed": lies}, e.Counters().Drops); diff != "" {
		t.Errorf("drops (-want +got):\n%s", diff)
	}
}
