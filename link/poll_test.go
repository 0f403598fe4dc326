package link

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestPoller: how long is polled before blocking, by how long the waits before
// lasted. Time passes only where the test says so.
func TestPoller(t *testing.T) {
	const (
		us   = time.Microsecond
		most = 64 * us
		step = us / 4 // between two looks at the device
	)
	for _, tc := range []struct {
		name  string
		most  time.Duration
		waits []time.Duration // until a packet comes; 0: it is there already
		want  []time.Duration // polled of each wait, before blocking or the packet
	}{
		{"never", 0, []time.Duration{us, us, 0, us}, []time.Duration{0, 0, 0, 0}},
		{"at first it blocks", most, []time.Duration{us}, []time.Duration{0}},
		{"an idle link", most, []time.Duration{time.Second, time.Second}, []time.Duration{0, 0}},
		{"a short wait is believed at once", most, []time.Duration{us, 10 * us, 63 * us}, []time.Duration{0, 10 * us, 63 * us}},
		{"the bound is a long wait", most, []time.Duration{us, 64 * us, 64 * us}, []time.Duration{0, 64 * us, 32 * us}},
		{"long waits: less each time, then not at all", most,
			[]time.Duration{us, time.Second, time.Second, time.Second, time.Second, time.Second, time.Second, time.Second},
			[]time.Duration{0, 64 * us, 32 * us, 16 * us, 8 * us, 4 * us, 0, 0}},
		{"one short wait restores it", most,
			[]time.Duration{us, time.Second, time.Second, 63 * us, 50 * us},
			[]time.Duration{0, 64 * us, 32 * us, 16 * us, 50 * us}},
		{"no wait is no news", most, []time.Duration{us, time.Second, 0, 0, 0, time.Second, 0, us}, []time.Duration{0, 64 * us, 0, 0, 0, 32 * us, 0, us}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := poller{most: tc.most}
				for i, wait := range tc.waits {
					start := time.Now()
					came := func() bool { return time.Since(start) >= wait }
					polled := time.Duration(0)
					for !came() {
						if !p.again() {
							polled = time.Since(start)
							time.Sleep(wait - polled) // blocked
							break
						}
						time.Sleep(step)
						polled = time.Since(start)
					}
					p.end()
					if polled != tc.want[i] {
						t.Errorf("wait %d, of %v: polled %v, want %v", i, wait, polled, tc.want[i])
					}
				}
			})
		})
	}
}
