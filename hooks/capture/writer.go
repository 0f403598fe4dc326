package capture

import (
	"bytes"
	"errors"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/sirupsen/logrus"

	"netstackd/hooks"
	"netstackd/hooks/trace/ring"
)

const (
	// chunk is how much the writer gathers before it writes, in bytes.
	chunk = 256 << 10
	// retryAfter is how long the next file is not tried again after it could
	// not be opened.
	retryAfter = time.Second
)

// A writer is the state of the writing goroutine.
type writer struct {
	ring  *ring.Ring[event]
	log   logrus.FieldLogger
	files *files

	// held are the packets that wait for what may be said of them.
	held held

	// ng renders blocks into buf. blocks says where each of them ends there
	// and how many events it stands for.
	ng     *pcapgo.NgWriter
	buf    *bytes.Buffer
	blocks []block
	// scratch is for copies with completed checksums.
	scratch []byte

	// begun is when the capture was.
	begun time.Time
	// snap is how many bytes of a packet are written at most.
	snap int
	// last is the result of the last write.
	last   error
	report ring.Report
	// end is why the end of the capture is missing.
	end error
}

// A block is a rendered one.
type block struct {
	end    int
	events uint64
}

// run is the writing goroutine.
func (w *writer) run() {
	defer func() {
		if err := w.files.close(); err != nil && w.end == nil {
			w.end = err
		}
	}()
	timer := time.NewTimer(holdFor)
	defer timer.Stop()
	for {
		gather := false
		select {
		case e := <-w.ring.Events:
			if !w.add(e) || !w.drain() {
				return
			}
			gather = true
		case <-timer.C:
		case <-w.ring.Quit:
			if w.drain() {
				w.finish()
			}
			return
		}
		now := time.Now()
		for w.held.due(now) {
			if !w.release() {
				return
			}
		}
		if !w.flush() {
			return
		}
		if at, some := w.held.next(); some {
			timer.Reset(at.Sub(now))
		} else {
			timer.Stop()
		}
		if gather {
			w.ring.Gather()
		}
	}
}

// drain takes what is queued, and writes it whenever a chunk is full. It
// reports whether the writer is to go on.
func (w *writer) drain() (goOn bool) {
	for {
		select {
		case e := <-w.ring.Events:
			if !w.add(e) {
				return false
			}
		default:
			return true
		}
	}
}

// add takes an event. It reports whether the writer is to go on.
func (w *writer) add(e event) (goOn bool) {
	if !w.ring.Take(e) {
		return false
	}
	if e.compare != nil {
		if !w.held.compare(e.compare) {
			return w.ring.Settle(0, 1)
		}
		return true
	}
	goOn = true
	if w.held.full() {
		goOn = w.release()
	}
	w.held.add(e.packet, time.Now())
	return goOn
}

// release renders the packet that is held longest, and writes what has become
// a chunk or a whole file by it. It reports whether the writer is to go on.
func (w *writer) release() (goOn bool) {
	w.render(w.held.release())
	switch {
	case w.files.due(int64(w.buf.Len())):
		if !w.flush() {
			return false
		}
		w.rotate()
	case w.buf.Len() >= chunk:
		return w.flush()
	}
	return true
}

// render makes a packet's block.
func (w *writer) render(p heldPacket) {
	data, completed := complete(&w.scratch, p.packet)
	length := max(p.packet.Len, len(data))
	data = data[:min(len(data), w.snap)]
	direction := pcapgo.NgEpbFlagDirectionInbound
	if p.packet.Direction == hooks.Outbound {
		direction = pcapgo.NgEpbFlagDirectionOutbound
	}
	// None of this can fail: memory takes it all, and the lengths agree. If it
	// did, the block would be missing, and its events lost.
	err := errors.Join(w.ng.WritePacketWithOptions(gopacket.CaptureInfo{
		Timestamp:     p.packet.Time,
		CaptureLength: len(data),
		Length:        length,
	}, data, pcapgo.NgPacketOptions{
		Comments: []string{string(appendComment(nil, p.packet, completed, p.compared))},
		Flags:    &pcapgo.NgEpbFlags{Direction: direction},
	}), w.ng.Flush())
	if err != nil {
		w.report.Err = err
		w.ring.Settle(0, p.events)
		return
	}
	w.blocks = append(w.blocks, block{w.buf.Len(), p.events})
}

// flush writes the blocks. It reports whether the writer is to go on.
func (w *writer) flush() (goOn bool) {
	if len(w.blocks) == 0 {
		w.report.Tell(w.ring.Lost(), false)
		return true
	}
	whole, err := w.files.write(w.buf.Bytes(), w.blocks)
	w.last = err
	if err != nil {
		w.report.Err = err
	}
	var written, lost uint64
	for i, b := range w.blocks {
		if i < whole {
			written += b.events
		} else {
			lost += b.events
		}
	}
	w.blocks = w.blocks[:0]
	w.buf.Reset()
	if !w.ring.Settle(written, lost) {
		return false
	}
	// Here, not when there is nothing more to do: while more comes than the
	// output takes, that is never.
	w.report.Tell(w.ring.Lost(), false)
	return true
}

// statistics renders the block that says, at a file's end, what was lost so
// far. It stands for no event.
func (w *writer) statistics() {
	now := time.Now()
	err := errors.Join(w.ng.WriteInterfaceStats(0, pcapgo.NgInterfaceStatistics{
		LastUpdate: now, StartTime: w.begun, EndTime: now,
		PacketsReceived: pcapgo.NgNoValue64, PacketsDropped: w.ring.Lost(),
	}), w.ng.Flush())
	if err == nil { // as it is: memory takes it
		w.blocks = append(w.blocks, block{end: w.buf.Len()})
	}
}

// rotate ends the file and begins the next, if the disk took what made it too
// long. The buffer is empty before and after. If the next file cannot be
// opened, the present one goes on: a capture too long is better than none.
func (w *writer) rotate() {
	if !w.files.due(0) {
		return
	}
	w.statistics()
	if err := w.files.rotate(w.buf.Bytes()); err != nil {
		w.log.WithError(err).Warn("the capture goes on, but its files do not rotate as they should")
	}
	w.blocks = w.blocks[:0]
	w.buf.Reset()
}

// finish writes what is left.
func (w *writer) finish() {
	for !w.held.empty() {
		if !w.release() {
			return
		}
	}
	w.statistics()
	if !w.flush() {
		return
	}
	w.end = w.last
	w.report.Tell(w.ring.Lost(), true)
}
