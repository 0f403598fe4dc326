package torture

import "fmt"

// Bounds of what a process may have grown by that lives on, in bytes, beyond a quarter
// of what it had.
const (
	livingHeapSlack     = 8 << 20
	livingResidentSlack = 16 << 20
)

// grown says what a process that lives on has more of, when it has had time to give up
// what it held, than when it had seen a tenth of the packets; goroutines it may not
// have more of than before them all. It is "" if that is nothing.
func (o *Outcome) grown() string {
	if len(o.Samples) == 0 {
		return ""
	}
	first, tenth := o.Samples[0], o.Samples[0]
	for _, s := range o.Samples {
		if tenth = s; s.Packets >= o.Sent/10 {
			break
		}
	}
	for _, of := range []struct {
		what               string
		before, now, slack uint64
	}{
		{"MiB of heap", tenth.Heap, o.After.Heap, livingHeapSlack},
		{"MiB in memory", tenth.Resident, o.After.Resident, livingResidentSlack},
	} {
		if of.now > of.before+of.before/4+of.slack {
			return fmt.Sprintf("%d %s after a tenth of the packets, %d in the end", of.before>>20, of.what, of.now>>20)
		}
	}
	if o.After.Goroutines > first.Goroutines+goroutineSlack {
		return fmt.Sprintf("%d goroutines before, %d in the end", first.Goroutines, o.After.Goroutines)
	}
	return ""
}
