package link_test

import (
	"testing"

	"github.com/vishvananda/netlink"

	"netstackd/link"
)

// TestIntegrationBeat: a real device beats up and down, and no more once it is gone.
func TestIntegrationBeat(t *testing.T) {
	eachOffload(t, func(t *testing.T, o link.Options) {
		r := newRig(t, o, nil)
		beats(t, r.e)
		if err := netlink.LinkSetDown(r.ip()); err != nil {
			t.Fatal(err)
		}
		beats(t, r.e)
		if err := netlink.LinkSetUp(r.ip()); err != nil {
			t.Fatal(err)
		}
		beats(t, r.e)
		r.traffic(t, "172.16.0.1", "172.16.0.2", 100)
		if err := netlink.LinkDel(r.ip()); err != nil {
			t.Fatal(err)
		}
		within(t, "the device's end", func() { <-r.e.Done() })
		if r.e.Beat(nil) {
			t.Error("a beat of a device that is gone")
		}
	})
}
