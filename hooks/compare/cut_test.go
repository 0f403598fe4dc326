package compare_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	bt "netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/compare"
)

// TestReplyCutOff: netstack sends no more fragments of a reply after one that the link
// did not take, as when the device has gone down. That is not held against it; that it
// says nothing, is.
func TestReplyCutOff(t *testing.T) {
	long := bt.Echo{ID: 7, Seq: 1, Data: bt.Data(4000)}
	for _, test := range []struct {
		name    string
		request []byte
		down    bool
		want    compare.Counts
	}{
		{"IPv4", request4(long), true, compare.Counts{Unjudged: 1}},
		{"IPv6", request6(long), true, compare.Counts{Unjudged: 1}},
		{"in one piece", request4(echo), true, compare.Counts{Match: 1}},
		{"the link takes it", request4(long), false, compare.Counts{Match: 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			j := newJudged(t)
			if test.down {
				j.Down()
			}
			j.Inbound(test.request)
			j.comparer.Sweep(time.Now().Add(2 * compare.DefaultDeadline))
			if diff := cmp.Diff(test.want, j.comparer.Counts()); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("never sent, and nothing wrong with the link", func(t *testing.T) {
		b := newBench()
		b.in(request4(long))
		b.out(bt.Split(reply4(long), 5, 1000)[0])
		b.pass()
		if diff := cmp.Diff(compare.Counts{Missing: 1}, b.comparer.Counts()); diff != "" {
			t.Error(diff)
		}
	})
}
