package link_test

import (
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.zx2c4.com/wireguard/tun"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"netstackd/link"
	"netstackd/link/linktest"
)

// bothWays runs a test on a device that can be interrupted and on one that
// cannot.
func bothWays(t *testing.T, test func(t *testing.T, o linktest.DeviceOptions)) {
	t.Run("interruptible", func(t *testing.T) { test(t, linktest.DeviceOptions{}) })
	t.Run("no file", func(t *testing.T) { test(t, linktest.DeviceOptions{NoFile: true}) })
}

func TestEndpointProperties(t *testing.T) {
	_, e, _ := fake(t, linktest.DeviceOptions{MTU: 1400})
	type properties struct {
		MTU          uint32
		HeaderLen    uint16
		Capabilities stack.LinkEndpointCapabilities
		Hardware     header.ARPHardwareType
		Parsed       bool
		GSO          stack.SupportedGSO
		GSOMax       uint32
		Offloads     bool
	}
	got := properties{
		e.MTU(), e.MaxHeaderLength(), e.Capabilities(), e.ARPHardwareType(), e.ParseHeader(nil),
		e.SupportedGSO(), e.GSOMaxSize(), e.Offloads(),
	}
	want := properties{1400, 0, stack.CapabilityNone, header.ARPHardwareNone, true, stack.GSONotSupported, 0, false}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("endpoint (-want +got):\n%s", d)
	}
	e.SetMTU(1300)
	e.SetLinkAddress("\x02\x03\x04\x05\x06\x07")
	if e.MTU() != 1300 || e.LinkAddress() != "\x02\x03\x04\x05\x06\x07" {
		t.Errorf("MTU %d, link address %q after they were set", e.MTU(), e.LinkAddress())
	}
}

func TestAttachDetachAttach(t *testing.T) {
	bothWays(t, func(t *testing.T, o linktest.DeviceOptions) {
		dev, e, _ := fake(t, o)
		for round := range 3 {
			c := newCollector()
			e.Attach(c)
			if !e.IsAttached() {
				t.Fatal("not attached after Attach")
			}
			want := string(packet4(20 + round))
			if err := dev.Inject([]byte(want)); err != nil {
				t.Fatal(err)
			}
			if got := c.next(t); got.bytes != want {
				t.Fatalf("round %d: got %x, want %x", round, got.bytes, want)
			}
			e.Attach(nil)
			e.Attach(nil)
			within(t, "Wait", e.Wait)
			if e.IsAttached() {
				t.Fatal("attached after Attach(nil)")
			}
		}
		// At once, when the reader has had no time to stop.
		c := newCollector()
		for range 200 {
			e.Attach(newCollector())
			e.Attach(nil)
		}
		e.Attach(c)
		if err := dev.Inject(packet4(20)); err != nil {
			t.Fatal(err)
		}
		c.next(t)
	})
}

// TestDetachedPackets: what comes while nobody is attached waits in the device,
// or, when the reader could not be stopped, is dropped by name.
func TestDetachedPackets(t *testing.T) {
	for _, tc := range []struct {
		name   string
		noFile bool
		want   string // of what the second dispatcher gets first
		drops  map[string]uint64
	}{
		{"interruptible", false, "while detached", map[string]uint64{}},
		{"no file", true, "attached again", map[string]uint64{"link-detached": 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dev, e, _ := fake(t, linktest.DeviceOptions{NoFile: tc.noFile})
			e.Attach(newCollector())
			eventually(t, "read", func() bool { return dev.Reads() > 0 })
			e.Attach(nil)
			within(t, "Wait", e.Wait)
			if err := dev.Inject(append(packet4(20), "while detached"...)); err != nil {
				t.Fatal(err)
			}
			if tc.noFile {
				eventually(t, "drop", func() bool { return e.Counters().Drops["link-detached"] == 1 })
			} else {
				time.Sleep(20 * time.Millisecond) // a reader that wrongly lives takes it now
			}
			c := newCollector()
			e.Attach(c)
			if err := dev.Inject(append(packet4(20), "attached again"...)); err != nil {
				t.Fatal(err)
			}
			if got := c.next(t).bytes[20:]; got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			if d := cmp.Diff(tc.drops, e.Counters().Drops); d != "" {
				t.Errorf("drops (-want +got):\n%s", d)
			}
		})
	}
}

// TestDetachInsideDelivery is the deadlock that a waiting Attach(nil) would be:
// netstack detaches with its lock held while the reader waits for that lock.
func TestDetachInsideDelivery(t *testing.T) {
	bothWays(t, func(t *testing.T, o linktest.DeviceOptions) {
		dev, e, _ := fake(t, o)
		c := newCollector()
		entered, release := make(chan struct{}), make(chan struct{})
		c.then = func() {
			close(entered)
			<-release
		}
		e.Attach(c)
		if err := dev.Inject(packet4(20)); err != nil {
			t.Fatal(err)
		}
		<-entered
		within(t, "Attach(nil)", func() { e.Attach(nil) })
		waited := make(chan struct{})
		go func() {
			e.Wait()
			close(waited)
		}()
		select {
		case <-waited:
			t.Error("Wait returned during a delivery")
		case <-time.After(20 * time.Millisecond):
		}
		close(release)
		within(t, "Wait", func() { <-waited })
	})
}

// TestAbandon: a reader that does not come back from a delivery is given up. Another
// takes its place, nobody waits for it, and when it does come back it takes nothing
// from the device.
func TestAbandon(t *testing.T) {
	bothWays(t, func(t *testing.T, o linktest.DeviceOptions) {
		o.BatchSize = 4
		dev, e, _ := fake(t, o)
		stuck := newCollector()
		entered, release := make(chan struct{}), make(chan struct{})
		stuck.then = sync.OnceFunc(func() {
			close(entered)
			<-release
		})
		e.Attach(stuck)
		if err := dev.InjectRead(nil, packet4(20), packet4(21)); err != nil {
			t.Fatal(err)
		}
		<-entered
		e.Attach(nil)
		e.Abandon()
		within(t, "Wait", e.Wait)
		next := newCollector()
		e.Attach(next)
		for n := 30; n < 40; n++ {
			if n == 35 {
				close(release)
			}
			if err := dev.Inject(packet4(n)); err != nil {
				t.Fatal(err)
			}
			if got := len(next.next(t).bytes); got != n {
				t.Errorf("a packet of %d bytes, want %d", got, n)
			}
		}
		for n := range 2 { // of one read, it hands over all
			if got := len(stuck.next(t).bytes); got != 20+n {
				t.Errorf("the one given up handed over %d bytes, want %d", got, 20+n)
			}
		}
		// One that is not inside a delivery is not given up: it would read on.
		e.Attach(nil)
		e.Abandon()
		e.Attach(next)
		if err := dev.Inject(packet4(50)); err != nil {
			t.Fatal(err)
		}
		if got := len(next.next(t).bytes); got != 50 {
			t.Errorf("a packet of %d bytes, want 50", got)
		}
	})
}

func TestCloseWhileReading(t *testing.T) {
	bothWays(t, func(t *testing.T, o linktest.DeviceOptions) {
		dev, e, logged := fake(t, o)
		e.Attach(newCollector())
		eventually(t, "read", func() bool { return dev.Reads() > 0 })
		closed := 0
		e.SetOnCloseAction(func() { closed++ })
		within(t, "Close", e.Close)
		within(t, "Wait", e.Wait)
		e.Close()
		e.Attach(newCollector())
		e.Attach(nil)
		within(t, "Wait", e.Wait)
		if closed != 1 {
			t.Errorf("the action on close ran %d times", closed)
		}
		if err := e.Err(); err != nil {
			t.Errorf("Err is %v after Close", err)
		}
		if n, err := write(e, packet4(20), packet4(20)); n != 0 || err == nil {
			t.Errorf("wrote %d packets, error %v, to a closed device", n, err)
		}
		if got := e.Counters().Drops["link-closed"]; got != 2 {
			t.Errorf("link-closed is %d, want 2", got)
		}
		if lines := logged.AllEntries(); len(lines) != 0 {
			t.Errorf("an orderly end logged %q", lines[0].Message)
		}
	})
}

// TestCloseConcurrently has everything happen at once; the race detector and the
// leak checks of TestMain judge.
func TestCloseConcurrently(t *testing.T) {
	bothWays(t, func(t *testing.T, o linktest.DeviceOptions) {
		for range 20 {
			dev, e, _ := fake(t, o)
			e.Attach(newCollector())
			writer := func() {
				for range 50 {
					write(e, packet4(100), packet6(100))
				}
			}
			within(t, "all at once", func() {
				together(writer, writer, e.Close, e.Close,
					func() { e.Attach(nil) },
					func() { e.Attach(newCollector()) },
					func() {
						for range 20 {
							dev.Inject(packet4(20)) //nolint:errcheck // closed at some point
						}
					},
					func() { dev.SendEvent(tun.EventMTUUpdate) }, //nolint:errcheck // likewise
				)
				e.Close()
				e.Wait()
			})
			c := e.Counters()
			if total := c.OutPackets + c.Drops["link-closed"]; total != 200 {
				t.Fatalf("%d of 200 packets are accounted for: %+v", total, c)
			}
		}
	})
}

func TestWaitWithoutAttach(t *testing.T) {
	_, e, _ := fake(t, linktest.DeviceOptions{})
	within(t, "Wait", e.Wait)
	e.Attach(nil)
	within(t, "Wait", e.Wait)
}

func TestDeviceDies(t *testing.T) {
	bothWays(t, func(t *testing.T, o linktest.DeviceOptions) {
		dev, e, logged := fake(t, o)
		e.Attach(newCollector())
		if err := dev.InjectRead(os.ErrClosed); err != nil {
			t.Fatal(err)
		}
		within(t, "Done", func() { <-e.Done() })
		if err := e.Err(); !errors.Is(err, link.ErrGone) {
			t.Errorf("Err is %v, want ErrGone", err)
		}
		e.Attach(nil)
		e.Attach(newCollector())
		e.Attach(nil)
		within(t, "Wait", e.Wait)
		if n := len(linesWith(logged, "the device is gone")); n != 1 {
			t.Errorf("%d log lines say that the device is gone, want 1", n)
		}
	})
}

// TestStateSaysGone: the follower notices what a blocked read does not.
func TestStateSaysGone(t *testing.T) {
	dev, e, _ := fake(t, linktest.DeviceOptions{})
	e.Attach(newCollector())
	dev.SetState(link.State{}, link.ErrGone)
	if err := dev.SendEvent(tun.EventDown); err != nil {
		t.Fatal(err)
	}
	within(t, "Done", func() { <-e.Done() })
	// The reader has ended, the follower takes events until it is told to stop.
	for range 50 {
		eventually(t, "event", func() bool { return dev.SendEvent(tun.EventDown) == nil })
	}
	e.Attach(nil)
	within(t, "Wait", e.Wait)
}

func TestEventsFollowed(t *testing.T) {
	dev, e, logged := fake(t, linktest.DeviceOptions{})
	e.Attach(newCollector())
	set := func(s link.State, err error, event tun.Event) {
		t.Helper()
		dev.SetState(s, err)
		looks := dev.Looks()
		eventually(t, "event", func() bool { return dev.SendEvent(event) == nil })
		eventually(t, "look", func() bool { return dev.Looks() > looks })
	}
	eventually(t, "first look", func() bool { return dev.Looks() == 2 }) // after NewEndpoint's
	set(link.State{Name: "fake", Up: true, MTU: 9000}, nil, tun.EventMTUUpdate)
	waitLog(t, logged, "MTU changed", 1)
	if e.MTU() != 9000 {
		t.Errorf("MTU is %d, want 9000", e.MTU())
	}
	set(link.State{Name: "fake", MTU: 9000}, nil, tun.EventMTUUpdate)
	waitLog(t, logged, "device is down", 1)
	for range 20 { // says it once
		eventually(t, "event", func() bool { return dev.SendEvent(tun.EventDown) == nil })
	}
	set(link.State{Name: "fake", Up: true, MTU: 9000}, nil, tun.EventUp)
	waitLog(t, logged, "device is up", 1)
	set(link.State{}, link.ErrElsewhere, tun.EventDown)
	waitLog(t, logged, "cannot be seen", 1)
	set(link.State{}, link.ErrElsewhere, tun.EventDown)
	set(link.State{Name: "other", Up: true, MTU: 9000}, nil, tun.EventUp)
	waitLog(t, logged, "renamed", 1)
	e.Attach(nil)
	within(t, "Wait", e.Wait)
	for _, once := range []string{"MTU changed", "device is down", "device is up", "cannot be seen", "can be seen again", "renamed"} {
		if n := len(linesWith(logged, once)); n != 1 {
			t.Errorf("%d log lines say %q, want 1", n, once)
		}
	}
}
