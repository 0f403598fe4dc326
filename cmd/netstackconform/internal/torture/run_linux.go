package torture

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"netstackd/hooks/guard"
	"netstackd/stack"
)

// A Config says what to run.
type Config struct {
	// Seed makes the packets what they are; Part tells those of one run from those of
	// another with the same seed.
	Seed uint64 `json:"seed"`
	Part uint64 `json:"part"`
	// Packets are how many are sent, and Time how long at most, if it is not 0.
	Packets uint64        `json:"packets"`
	Time    time.Duration `json:"time"`
	// Guard is the guard's mode.
	Guard   string `json:"guard"`
	Offload bool   `json:"offload"`
	// Limit has netstack limit the rate of its errors, as netstackd does. Without, each
	// is there to be judged.
	Limit bool `json:"limit"`
	// Watch says that memory and goroutines are to be watched, of which nobody else
	// in the process may need more or less meanwhile.
	Watch bool `json:"watch"`
	// Settle is how long a netstackd at a TUN device may take in the end until it holds
	// no more than early on; if it is 0 nobody looks.
	Settle time.Duration `json:"settle,omitempty"`
}

// Name says which way it is.
func (c *Config) Name() string {
	offload := "off"
	if c.Offload {
		offload = "on"
	}
	limit := ", errors not limited"
	if c.Limit {
		limit = ""
	}
	return fmt.Sprintf("-guard %s -offload %s%s", c.Guard, offload, limit)
}

// outcome begins that of a run.
func (c *Config) outcome() *Outcome {
	return &Outcome{Name: c.Name(), Seed: c.Seed, Part: c.Part, Kinds: map[string]uint64{}}
}

// goneWithin is how long what a host held may take to be gone when it is closed, and
// goneWithinLong that after so many packets that netstack's timers hold much:
// fragments, that wait 30 s for others.
const (
	goneWithin     = 5 * time.Second
	goneWithinLong = time.Minute
)

// Run sends packets through a path in this process. The outcome is there with an
// error, too.
func Run(ctx context.Context, c Config, log logrus.FieldLogger) (*Outcome, error) {
	o := c.outcome()
	mode, err := guard.ParseMode(c.Guard)
	if err != nil {
		return o, err
	}
	var sample func() (Sample, error)
	if c.Watch {
		sample = ownSample
		first, err := sample()
		if err != nil {
			return o, err
		}
		o.Samples = append(o.Samples, first)
	}
	judge := NewJudge()
	path, err := NewPath(&c, mode, judge, log)
	if err != nil {
		return o, err
	}
	f := newFeed(path.device.send)
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	var watcher sync.WaitGroup
	watcher.Go(func() {
		select {
		case what := <-path.panicked:
			end(panicError(what))
			// Whoever waits for room, or for a reply, waits no longer.
			_ = path.device.Close()
		case <-ctx.Done():
		}
	})
	reader := path.hear(f.heard)
	err = f.feed(ctx, c, o, sample)
	if cause := context.Cause(ctx); cause != nil {
		err = cause // what else went wrong came of that
	}
	end(nil)
	watcher.Wait()
	err = errors.Join(err, path.Close())
	reader.Wait()
	err = errors.Join(err, path.device.free())
	o.Counts = path.counts()
	judge.tell(o)
	if err != nil {
		return o, err // it ended somewhere on its way
	}
	o.settle()
	o.accountFor()
	if c.Watch {
		path, f = nil, nil // so that what they hold is gone
		o.After = o.gone()
		o.flat()
	}
	return o, nil
}

// panicError tells of netstack's panic on a goroutine of ours.
func panicError(p stack.Panic) error {
	packet := ""
	if n := len(p.Packets); n > 0 {
		packet = hexOf(p.Packets[n-1])
	}
	return fmt.Errorf("netstack panicked (%s): %s\nof %d packets, the last %s\n%s", p.Where, p.Value, len(p.Packets), packet, p.Stack[:min(len(p.Stack), mostCrash)])
}

// inboundLosses are the reasons of the link's for packets that it does not hand on.
var inboundLosses = []string{"link-empty", "link-malformed", "link-unknown-segmentation", "link-detached", "link-read-error"}

// accountFor wants each packet sent to have come out of the link, or to be counted
// there.
func (o *Outcome) accountFor() {
	c := &o.Counts
	if passed := c.In - c.Kept + c.Ahead; passed != c.Netstack {
		o.wrong("the hooks let %d packets pass, netstack counts %d", passed, c.Netstack)
	}
	if c.In != c.LinkIn {
		o.wrong("the link handed %d packets on, the hooks saw %d", c.LinkIn, c.In)
	}
	arrived, sent := c.In, o.Sent+o.Pings
	for _, reason := range inboundLosses {
		arrived += c.Link[reason]
	}
	// Of a super-datagram the link makes as many as it holds.
	if arrived < sent || o.Supers == 0 && arrived != sent {
		o.wrong("%d packets sent, %d accounted for", sent, arrived)
	}
}

// gone waits until the goroutines are as few as before, and what is in the heap is as
// little as it has to be, and looks.
func (o *Outcome) gone() (s Sample) {
	within := goneWithin
	if o.Sent >= plateau {
		within = goneWithinLong
	}
	first := o.Samples[0]
	for begin := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		debug.FreeOSMemory()
		s, _ = ownSample()
		if runtime.NumGoroutine() <= first.Goroutines && s.Heap <= first.Heap+heapSlack || time.Since(begin) > within {
			return s
		}
	}
}

// ownSample is of this process.
func ownSample() (Sample, error) {
	runtime.GC()
	read := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(read)
	s := Sample{Heap: read[0].Value.Uint64(), Goroutines: runtime.NumGoroutine()}
	var err error
	s.Resident, err = resident("/proc/self/status")
	return s, err
}

// resident reads what memory a process has, in bytes.
func resident(status string) (uint64, error) {
	b, err := os.ReadFile(status)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		var kib uint64
		if _, err := fmt.Sscanf(line, "VmRSS: %d kB", &kib); err == nil {
			return kib << 10, nil
		}
	}
	return 0, fmt.Errorf("%s has no VmRSS", status)
}
