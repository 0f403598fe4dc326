package link_test

import (
	"testing"

	"netstackd/link"
	"netstackd/link/linktest"
)

// beats fails if the endpoint does not beat.
func beats(t *testing.T, e *link.Endpoint) {
	t.Helper()
	within(t, "Beat", func() {
		if !e.Beat(nil) {
			t.Error("no beat")
		}
	})
}

// TestBeat: a reader beats while it waits for packets, between them, and as long as
// it is attached, and loses none for it.
func TestBeat(t *testing.T) {
	bothWays(t, func(t *testing.T, o linktest.DeviceOptions) {
		dev, e, _ := fake(t, o)
		if e.Beat(nil) {
			t.Error("a beat before anything is attached")
		}
		c := newCollector()
		e.Attach(c)
		for n := range 300 {
			beats(t, e)
			if err := dev.Inject(packet4(20 + n)); err != nil {
				t.Fatal(err)
			}
		}
		for n := range 300 {
			if got := c.next(t); got.bytes != string(packet4(20+n)) {
				t.Fatalf("packet %d came otherwise than it was sent", n)
			}
		}
		e.Attach(nil)
		if e.Beat(nil) {
			t.Error("a beat after Attach(nil)")
		}
		e.Attach(c)
		beats(t, e)
		e.Close()
		if e.Beat(nil) {
			t.Error("a beat after Close")
		}
	})
}

// TestBeatStuck: a dispatcher that does not return is no beat, until it does.
func TestBeatStuck(t *testing.T) {
	bothWays(t, func(t *testing.T, o linktest.DeviceOptions) {
		dev, e, _ := fake(t, o)
		c := newCollector()
		entered, release := make(chan struct{}), make(chan struct{})
		c.then = func() {
			entered <- struct{}{}
			<-release
		}
		e.Attach(c)
		if err := dev.Inject(packet4(20)); err != nil {
			t.Fatal(err)
		}
		<-entered
		beat, stop := make(chan bool), make(chan struct{})
		go func() { beat <- e.Beat(stop) }()
		close(stop)
		if <-beat {
			t.Error("a beat of a reader that is stuck")
		}
		go func() { beat <- e.Beat(nil) }()
		close(release)
		if !<-beat {
			t.Error("no beat once it is free")
		}
	})
}

// TestBeatWhileAttaching: who attaches and detaches meanwhile takes no beat away for
// good.
func TestBeatWhileAttaching(t *testing.T) {
	bothWays(t, func(t *testing.T, o linktest.DeviceOptions) {
		dev, e, _ := fake(t, o)
		stop := make(chan struct{})
		within(t, "Beat", func() {
			together(func() {
				for range 500 {
					e.Beat(nil)
				}
				close(stop)
			}, func() {
				for {
					select {
					case <-stop:
						return
					default:
						e.Attach(newCollector())
						e.Attach(nil)
					}
				}
			})
		})
		c := newCollector()
		e.Attach(c)
		beats(t, e)
		if err := dev.Inject(packet4(20)); err != nil {
			t.Fatal(err)
		}
		c.next(t)
	})
}
