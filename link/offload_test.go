package link_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"

	"netstackd/link"
	"netstackd/link/linktest"
)

func TestParseOffload(t *testing.T) {
	for _, o := range []link.Offload{link.OffloadAuto, link.OffloadOn, link.OffloadOff} {
		if got, err := link.ParseOffload(string(o)); got != o || err != nil {
			t.Errorf("%s: %q, %v", o, got, err)
		}
	}
	for _, s := range []string{"", "On", "yes", "auto "} {
		got, err := link.ParseOffload(s)
		if want := "expected auto, on or off"; got != "" || err == nil || err.Error() != want {
			t.Errorf("%q: %q, %v, want %s", s, got, err, want)
		}
	}
}

// TestNoOffload: a device that is no TUN of this kernel. To insist is an error of
// one line, automatic says why it does not, and off says nothing.
func TestNoOffload(t *testing.T) {
	bothWays(t, func(t *testing.T, o linktest.DeviceOptions) {
		for _, offload := range []link.Offload{link.OffloadOn, link.OffloadAuto, link.OffloadOff, ""} {
			dev, err := linktest.NewDevice(o)
			if err != nil {
				t.Fatal(err)
			}
			log, logged := newLog()
			e, err := link.NewEndpoint(link.Wrap(dev), link.Options{Log: log, Offload: offload})
			if offload == link.OffloadOn {
				if err == nil || !strings.HasPrefix(err.Error(), "offload to device fake: ") || strings.Contains(err.Error(), "\n") {
					t.Errorf("on: error %v", err)
				}
				if err := dev.Close(); err != nil {
					t.Errorf("the device was not left alone: %v", err)
				}
				continue
			}
			if err != nil {
				t.Fatalf("%q: %v", offload, err)
			}
			if e.Offloads() {
				t.Errorf("%q: it offloads", offload)
			}
			said := []string{}
			for _, l := range logged.AllEntries() {
				if l.Data[logrus.ErrorKey] == nil || l.Level != logrus.InfoLevel {
					t.Errorf("%q: logged %v %q without a reason", offload, l.Level, l.Message)
				}
				said = append(said, l.Message)
			}
			want := []string{}
			if offload == link.OffloadAuto {
				want = append(want, "no offload: super-segments are split, and checksums computed, on the way")
			}
			if d := cmp.Diff(want, said); d != "" {
				t.Errorf("%q: logged (-want +got):\n%s", offload, d)
			}
			c := newCollector()
			e.Attach(c)
			if err := dev.Inject(packet4(20)); err != nil {
				t.Fatal(err)
			}
			c.next(t)
			e.Close()
			within(t, "Wait", e.Wait)
		}
	})
}
