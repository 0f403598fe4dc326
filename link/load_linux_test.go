package link_test

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"netstackd/link"
)

// load keeps streams going both ways, each one after the other, until one fails
// or the test ends it.
type load struct {
	conns   []net.Conn
	results chan error // of each stream
}

func newLoad(t *testing.T, n int64) *load {
	t.Helper()
	l := &load{results: make(chan error, 4)}
	for i, address := range []string{"172.16.0.2", "fd00:172::2"} {
		up, down := dial(t, address, takePort, 0, streamPatience), dial(t, address, givePort, 0, streamPatience)
		l.conns = append(l.conns, up, down)
		go func() { l.results <- upload(up, n, uint64(i)) }()
		go func() { l.results <- download(down, n, uint64(i+10)) }()
	}
	return l
}

// short is how much a load moves each way that is to come through, in bytes: enough
// to outlast what is done to it.
func short(o link.Options) int64 {
	if o.Offload == link.OffloadOff {
		return 4 << 20
	}
	return 16 << 20
}

// running waits until packets pass each way.
func (l *load) running(t *testing.T, e *link.Endpoint) {
	t.Helper()
	before := e.Counters()
	eventually(t, "load", func() bool {
		now := e.Counters()
		return now.InBytes > before.InBytes+1<<20 && now.OutBytes > before.OutBytes+1<<20
	})
}

// wait wants every stream to come through whole.
func (l *load) wait(t *testing.T) {
	t.Helper()
	for range cap(l.results) {
		if err := <-l.results; err != nil {
			t.Error(err)
		}
	}
}

// giveUp closes the connections, and wants no stream to have come through.
func (l *load) giveUp(t *testing.T) {
	t.Helper()
	for _, c := range l.conns {
		if err := c.SetDeadline(time.Unix(1, 0)); err != nil {
			t.Error(err)
		}
	}
	for range cap(l.results) {
		if err := <-l.results; err == nil {
			t.Error("a stream came through: there was no load")
		}
	}
}

// TestIntegrationDetachUnderLoad: detaching and attaching again, however often,
// loses no packet: they wait in the device.
func TestIntegrationDetachUnderLoad(t *testing.T) {
	eachOffload(t, func(t *testing.T, o link.Options) {
		h := newHost(t, o, 1500)
		l := newLoad(t, short(o))
		l.running(t, h.e)
		for i := range 50 {
			h.e.Attach(nil)
			if i%2 == 0 {
				within(t, "Wait", h.e.Wait)
			}
			if i%10 == 0 {
				time.Sleep(5 * time.Millisecond)
			}
			h.e.Attach(h.trusting)
			time.Sleep(time.Millisecond)
		}
		l.wait(t)
		wantDrops(t, h.e, "link-detached")
		if n := h.e.Counters().Drops["link-detached"]; n > 50*128 { // what one Read of wireguard's brings
			t.Errorf("%d packets were dropped by 50 detachments", n)
		}
	})
}

func TestIntegrationCloseUnderLoad(t *testing.T) {
	eachOffload(t, func(t *testing.T, o link.Options) {
		h := newHost(t, o, 1500)
		l := newLoad(t, 1<<40)
		l.running(t, h.e)
		within(t, "Close", h.e.Close)
		within(t, "Wait", h.e.Wait)
		if _, err := h.dev.State(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("state of the closed device: %v", err)
		}
		if _, err := netlink.LinkByName(deviceName); err == nil {
			t.Error("the device is still there")
		}
		if err := h.e.Err(); err != nil {
			t.Errorf("Err is %v", err)
		}
		l.giveUp(t)
		wantDrops(t, h.e, "link-closed", "link-detached")
	})
}

func TestIntegrationDeleteUnderLoad(t *testing.T) {
	eachOffload(t, func(t *testing.T, o link.Options) {
		h := newHost(t, o, 1500)
		l := newLoad(t, 1<<40)
		l.running(t, h.e)
		device, err := netlink.LinkByName(deviceName)
		if err != nil {
			t.Fatal(err)
		}
		if err := netlink.LinkDel(device); err != nil {
			t.Fatal(err)
		}
		within(t, "Done", func() { <-h.e.Done() })
		if err := h.e.Err(); !errors.Is(err, link.ErrGone) {
			t.Errorf("Err is %v", err)
		}
		l.giveUp(t)
		h.down(t)
		// A device that is being deleted is down first.
		allowed := []string{"link-closed", "link-down", "link-detached"}
		if o.Offload == link.OffloadOff {
			// Its reads fail as "not pollable" then, which says nothing to the
			// portable mover. No packet is lost by it.
			allowed = append(allowed, "link-read-error")
		}
		wantDrops(t, h.e, allowed...)
	})
}

// TestIntegrationDownUnderLoad: a device that goes down and comes up again under
// load goes on: no stream is ended by it, and new ones, which the load has made
// room for, come through whole. How soon a stream recovers from the loss is TCP's
// own affair: netstack's now and then takes a minute, and so may a new stream that
// loses packets to the load.
func TestIntegrationDownUnderLoad(t *testing.T) {
	eachOffload(t, func(t *testing.T, o link.Options) {
		h := newHost(t, o, 1500)
		device, err := netlink.LinkByName(deviceName)
		if err != nil {
			t.Fatal(err)
		}
		for round := range 3 {
			l := newLoad(t, 1<<40)
			l.running(t, h.e)
			if err := netlink.LinkSetDown(device); err != nil {
				t.Fatal(err)
			}
			time.Sleep(20 * time.Millisecond)
			if err := netlink.LinkSetUp(device); err != nil {
				t.Fatal(err)
			}
			settle(t)
			if len(l.results) != 0 {
				t.Errorf("a stream ended: %v", <-l.results)
			}
			l.giveUp(t)
			for _, address := range []string{"172.16.0.2", "fd00:172::2"} {
				h.bothWays(t, address, 1<<20, 0, uint64(round))
			}
		}
		// After time-outs the kernel may send super-segments of more than 128
		// small segments, which the portable mover drops by this name.
		wantDrops(t, h.e, "link-down", "link-too-many-segments")
	})
}

// TestIntegrationMTUUnderLoad: streams survive an MTU that changes under them.
func TestIntegrationMTUUnderLoad(t *testing.T) {
	eachOffload(t, func(t *testing.T, o link.Options) {
		h := newHost(t, o, 1500)
		l := newLoad(t, short(o))
		l.running(t, h.e)
		device, err := netlink.LinkByName(deviceName)
		if err != nil {
			t.Fatal(err)
		}
		for _, mtu := range []int{1280, 9000, 1400, 65520, 1500} {
			if err := netlink.LinkSetMTU(device, mtu); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Millisecond)
		}
		l.wait(t)
		wantDrops(t, h.e, "link-segment-too-large")
	})
}
