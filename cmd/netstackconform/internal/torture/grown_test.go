package torture

import "testing"

// TestGrown: what a process keeps of more and more packets is told, and what it gives
// up again is not.
func TestGrown(t *testing.T) {
	const mib = 1 << 20
	for _, test := range []struct {
		after Sample
		want  string
	}{
		{Sample{Heap: 20 * mib, Resident: 60 * mib, Goroutines: 24}, ""},
		{Sample{Heap: 33 * mib, Resident: 91 * mib, Goroutines: 28}, ""},
		{Sample{Heap: 34 * mib, Resident: 60 * mib, Goroutines: 24}, "20 MiB of heap after a tenth of the packets, 34 in the end"},
		{Sample{Heap: 20 * mib, Resident: 92 * mib, Goroutines: 24}, "60 MiB in memory after a tenth of the packets, 92 in the end"},
		{Sample{Heap: 20 * mib, Resident: 60 * mib, Goroutines: 29}, "24 goroutines before, 29 in the end"},
	} {
		o := &Outcome{Sent: 1000, After: test.after, Samples: []Sample{
			{Heap: 4 * mib, Resident: 25 * mib, Goroutines: 24},
			{Packets: 50, Heap: 10 * mib, Resident: 30 * mib, Goroutines: 40},
			{Packets: 100, Heap: 20 * mib, Resident: 60 * mib, Goroutines: 60},
			{Packets: 1000, Heap: 60 * mib, Resident: 140 * mib, Goroutines: 90},
		}}
		if got := o.grown(); got != test.want {
			t.Errorf("%+v: %q, want %q", test.after, got, test.want)
		}
	}
	if got := (&Outcome{After: Sample{Heap: 1 << 40}}).grown(); got != "" {
		t.Errorf("nobody looked before: %q", got)
	}
}
