package stack

import (
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// errPanicked is what comes of a call into netstack that panicked.
var errPanicked = errors.New("netstack panicked")

// Where is what a goroutine of ours was doing in netstack when it panicked.
type Where int

const (
	WhereInbound Where = iota // delivering a packet from the link
	WhereService              // serving, or accepting, a connection
	WhereCount                // reading what netstack counts
	WhereBuild                // building a host
	WhereClose                // taking one down
	wheres
)

// wherever names each Where, as it stands in metrics and logs.
var wherever = [wheres]string{"inbound", "service", "count", "build", "close"}

func (w Where) String() string { return wherever[w] }

// maxTrace bounds a Panic's Stack, in bytes.
const maxTrace = 16 << 10

// A Panic is one of netstack's, on a goroutine of ours. Who is told of it owns it.
type Panic struct {
	Time  time.Time
	Where Where
	// Value is what panic was called with, in one line or more.
	Value string
	// Stack is the goroutine's stack trace, cut to 16 KiB.
	Stack string
	// Packets holds the packet that was being delivered, last, as far as netstack
	// has left it as it came. If it is a fragment it is whole, and those that came
	// before it of its datagram stand before it, in their order. Empty if none was.
	Packets [][]byte
	// Connections is how many TCP connections are lost with this panic: those that
	// the services had. It is 0 where an earlier panic has ended them.
	Connections uint64
}

// cover runs f, which calls into netstack, and is false if that panicked. Then the
// instance is damaged, and whoever called f must not call again.
func (i *instance) cover(where Where, f func()) (whole bool) {
	defer i.caught(where)
	f()
	return true
}

// ask is cover for f that may wait for netstack's locks, on a goroutine of its own: it is
// false as well if somebody else panics meanwhile, and f then may go on for ever.
func (i *instance) ask(where Where, f func()) (whole bool) {
	done := make(chan bool, 1)
	go func() { done <- i.cover(where, f) }()
	select {
	case whole = <-done:
		return whole
	case <-i.broken:
		return false
	}
}

// caught ends a panic. It is to be deferred itself.
func (i *instance) caught(where Where) {
	if v := recover(); v != nil {
		i.damage(where, v, nil)
	}
}

// damage makes of a panic the end of the instance, and tells of it.
func (i *instance) damage(where Where, v any, packets [][]byte) {
	trace := debug.Stack()
	p := Panic{
		Time: time.Now(), Where: where, Value: fmt.Sprint(v), Packets: packets,
		Stack: string(trace[:min(len(trace), maxTrace)]),
	}
	if i.damaged.CompareAndSwap(false, true) {
		p.Connections = i.held()
		i.link.cut()
		close(i.broken)
	}
	i.panicked(i, p)
}
