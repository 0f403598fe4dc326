package trace

import (
	"io"

	"netstackd/hooks/trace/ring"
)

// A writer is the state of the writing goroutine.
type writer struct {
	recorder *Recorder
	// buf holds rendered events, ends where each of them ends.
	buf  []byte
	ends []int
	// begun says that the output has the beginning of the first event in buf.
	begun bool
	// last is the result of the last write.
	last   error
	report ring.Report
}

// run is the writing goroutine.
func (w *writer) run() {
	r := w.recorder.ring
	for {
		select {
		case e := <-r.Events:
			if !w.add(e) || !w.drain() || !w.flush() {
				return
			}
			r.Gather()
		case <-r.Quit:
			if w.drain() {
				w.end()
				w.report.Tell(r.Lost(), true)
			}
			return
		}
	}
}

// add renders an event. It reports whether the writer is to go on.
func (w *writer) add(e event) (goOn bool) {
	r := w.recorder
	if !r.ring.Take(e) {
		return false
	}
	if e.packet != nil {
		w.buf = r.render.packet(w.buf, e.packet)
		e.packet.Packet.Bytes = nil // may be long
		r.packets.Put(e.packet)
	} else {
		w.buf = r.render.compare(w.buf, e.compare)
		*e.compare = Comparison{}
		r.comparisons.Put(e.compare)
	}
	w.ends = append(w.ends, len(w.buf))
	return true
}

// drain renders what is queued, and writes it whenever a chunk is full. It
// reports whether the writer is to go on.
func (w *writer) drain() (goOn bool) {
	for {
		select {
		case e := <-w.recorder.ring.Events:
			if !w.add(e) || len(w.buf) >= chunk && !w.flush() {
				return false
			}
		default:
			return true
		}
	}
}

// flush writes the buffer. The events that a failed write did not take are
// lost, but for the rest of one of which it took the beginning: that stays in
// the buffer and is written first when the output works again, so that no
// line is ever torn. It reports whether the writer is to go on.
func (w *writer) flush() (goOn bool) {
	if len(w.buf) == 0 {
		return true
	}
	n, err := w.recorder.out.Write(w.buf)
	if err == nil && n < len(w.buf) {
		err = io.ErrShortWrite
	}
	w.last = err
	defer func() { w.report.Tell(w.recorder.Lost(), false) }()
	if err == nil {
		written := len(w.ends)
		w.keep(nil)
		return w.recorder.ring.Settle(uint64(written), 0)
	}
	w.report.Err = err
	written, begin := 0, 0 // how many events were written, and where the next begins
	for written < len(w.ends) && w.ends[written] <= n {
		begin = w.ends[written]
		written++
	}
	lost := len(w.ends) - written
	if lost > 0 && (n > begin || written == 0 && w.begun) {
		lost--
		w.keep(w.buf[max(n, 0):w.ends[written]])
	} else {
		w.keep(nil)
	}
	return w.recorder.ring.Settle(uint64(written), uint64(lost))
}

// keep makes the rest of an event, which may be none, all that is in the buffer.
func (w *writer) keep(rest []byte) {
	// A packet explained is long: do not keep room for it.
	if cap(w.buf) > 16*chunk {
		w.buf = nil
	}
	w.buf = append(w.buf[:0], rest...)
	w.ends, w.begun = w.ends[:0], len(rest) > 0
	if w.begun {
		w.ends = append(w.ends, len(rest))
	}
}

// end writes what is left, and the summary.
func (w *writer) end() {
	r := w.recorder
	if !w.flush() {
		return
	}
	if r.summary != nil {
		r.summary.TraceLost += r.Lost()
		w.buf = r.render.summary(w.buf, r.summary)
		if !w.flush() {
			return
		}
	}
	r.err = w.last
	// The rest of an event of which the output has only the beginning.
	r.ring.Settle(0, uint64(len(w.ends)))
}
