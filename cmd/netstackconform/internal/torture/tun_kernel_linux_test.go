package torture

import "testing"

// TestAccountForKernel: a packet that is nowhere is told of, and one too many.
func TestAccountForKernel(t *testing.T) {
	for _, test := range []struct {
		name              string
		sent, extra, late uint64
		kernel            Kernel
		in, malformed     uint64
		ok                bool
	}{
		{name: "all there", sent: 10, kernel: Kernel{Passed: 10}, in: 10, ok: true},
		{name: "with the kernel's own", sent: 10, kernel: Kernel{Own: 2, Passed: 12}, in: 12, ok: true},
		{name: "one dropped by the kernel, one by the link", sent: 10, kernel: Kernel{Passed: 9, Dropped: 1}, in: 8, malformed: 1, ok: true},
		{name: "dropped, and counted twice", sent: 10, kernel: Kernel{Passed: 9, Dropped: 2, Twice: 1}, in: 9, ok: true},
		{name: "many of one, and a late one", sent: 10, extra: 5, late: 1, kernel: Kernel{Passed: 10}, in: 16, ok: true},
		{name: "lost in the kernel", sent: 10, kernel: Kernel{Passed: 9}, in: 9},
		{name: "dropped, and read", sent: 10, kernel: Kernel{Passed: 10, Dropped: 1}, in: 10},
		{name: "lost in netstackd", sent: 10, kernel: Kernel{Passed: 10}, in: 9},
		{name: "one too many", sent: 10, extra: 5, late: 1, kernel: Kernel{Passed: 10}, in: 17},
	} {
		o := &Outcome{Kernel: &test.kernel, Counts: Counts{In: test.in, Link: map[string]uint64{"link-malformed": test.malformed, "link-write-error": 7}}}
		o.accountForKernel(test.sent, test.extra, test.late)
		if o.OK() != test.ok || len(o.Wrong) > 1 {
			t.Errorf("%s: %q", test.name, o.Wrong)
		}
	}
}
