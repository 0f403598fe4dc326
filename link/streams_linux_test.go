package link_test

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"netstackd/link"
)

// streamMiB is for a long run by hand:
//
//	go test -run 'TestIntegrationStreams/offload-on' -stream-mib 10240 -timeout 1h ./link
var streamMiB = flag.Int64("stream-mib", 32, "MiB that TestIntegrationStreams moves each way over each of IPv4 and IPv6")

// streamPatience is how long a stream may take of which much has to be sent again.
const streamPatience = 3 * time.Minute

// dialer connects with segments of at most mss bytes, 0 for what the MTU allows.
func dialer(mss int) *net.Dialer {
	return &net.Dialer{Timeout: patience, Control: func(_, _ string, raw syscall.RawConn) error {
		if mss == 0 {
			return nil
		}
		var failed error
		err := raw.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG, mss) })
		return cmp.Or(err, failed)
	}}
}

// bothWays moves n bytes each way at the same time and wants them whole. It
// returns how long that took.
func (h *host) bothWays(t *testing.T, address string, n int64, mss int, seed uint64) time.Duration {
	t.Helper()
	patience := streamPatience + time.Duration(n>>20)*time.Second/4
	up, down := dial(t, address, takePort, mss, patience), dial(t, address, givePort, mss, patience)
	start := time.Now()
	var errUp, errDown error
	together(
		func() { errUp = upload(up, n, seed) },
		func() { errDown = download(down, n, seed+1) },
	)
	if err := errors.Join(errUp, errDown); err != nil {
		t.Errorf("%s, segments of %d bytes: %v", address, mss, err)
	}
	return time.Since(start)
}

// wantDrops fails if there are other drops than those allowed.
func wantDrops(t *testing.T, e *link.Endpoint, allowed ...string) {
	t.Helper()
	drops := e.Counters().Drops
	for _, reason := range allowed {
		delete(drops, reason)
	}
	if len(drops) != 0 {
		t.Errorf("drops: %v", drops)
	}
}

// TestIntegrationStreams moves streams of TCP both ways at once between the
// kernel and a real netstack, over both versions of IP, in writes of any size,
// and holds the digests of both ends together.
func TestIntegrationStreams(t *testing.T) {
	eachOffload(t, func(t *testing.T, o link.Options) {
		h := newHost(t, o, 1500)
		n := *streamMiB << 20
		if o.Offload == link.OffloadOff {
			n /= 4 // it takes longer
		}
		for i, address := range []string{"172.16.0.2", "fd00:172::2"} {
			d := h.bothWays(t, address, n, 0, uint64(i))
			t.Logf("%s: %d MiB each way in %v", address, n>>20, d.Round(time.Millisecond))
		}
		in, out := h.trusting.longestIn.Load(), h.trusting.longestOut.Load()
		t.Logf("the longest packets: %d bytes in, %d out; %+v", in, out, h.e.Counters())
		if supers := o.Offload == link.OffloadOn; (in > 32<<10) != supers || (out > 32<<10) != supers {
			t.Errorf("the longest packets are of %d bytes in and %d out, want super-segments: %v", in, out, supers)
		}
		wantDrops(t, h.e)
	})
}

// TestIntegrationStreamSegments: with segments of any size, and every MTU.
func TestIntegrationStreamSegments(t *testing.T) {
	eachOffload(t, func(t *testing.T, o link.Options) {
		rnd := rand.New(rand.NewPCG(1, 1))
		for _, mtu := range []int{1280, 1500, 9000, 65520} {
			t.Run(fmt.Sprint(mtu), func(t *testing.T) {
				h := newHost(t, o, mtu)
				for i, address := range []string{"172.16.0.2", "fd00:172::2"} {
					for _, mss := range []int{0, 536 + rnd.IntN(min(mtu, 32000)-536), 88 + rnd.IntN(448)} {
						n := int64(2 << 20)
						if mss > 0 && mss < 536 {
							n = 256 << 10 // the kernel's receiver drops small ones that come fast
						}
						h.bothWays(t, address, n, mss, uint64(mtu+i))
					}
				}
				// Of the smallest segments a super-segment holds more than
				// wireguard's batch. What is lost is sent again.
				wantDrops(t, h.e, "link-too-many-segments")
				if n := h.e.Counters().Drops["link-too-many-segments"]; n > 4 { // 128 buffers become 256, 512, 1024, 2048
					t.Errorf("%d super-segments were cut, want at most 4", n)
				}
			})
		}
	})
}

// TestIntegrationManyStreams moves several at once.
func TestIntegrationManyStreams(t *testing.T) {
	eachOffload(t, func(t *testing.T, o link.Options) {
		h := newHost(t, o, 1500)
		var wg sync.WaitGroup
		for i := range 8 {
			address := []string{"172.16.0.2", "fd00:172::2"}[i%2]
			up, down := dial(t, address, takePort, 0, streamPatience), dial(t, address, givePort, 0, streamPatience)
			wg.Go(func() {
				if err := upload(up, 2<<20, uint64(i)); err != nil {
					t.Errorf("%d: %v", i, err)
				}
			})
			wg.Go(func() {
				if err := download(down, 2<<20, uint64(i)+100); err != nil {
					t.Errorf("%d: %v", i, err)
				}
			})
		}
		wg.Wait()
		wantDrops(t, h.e)
	})
}
