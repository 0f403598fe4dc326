package link

// Beat shows that packets still come in: it wakes the reader, and returns true when
// the reader has gone round once since, from the device through the dispatcher, if it
// was there, to the device again. No packet is made, lost or held up for it. It returns
// false when stop is closed before that, as it is for good if what a packet was handed
// to does not return, and when nothing is read: the endpoint is detached or closed, or
// its device is gone.
//
// Of a device whose reads cannot be interrupted it waits for what is being delivered.
func (e *Endpoint) Beat(stop <-chan struct{}) bool {
	e.mu.Lock()
	if e.dispatcher == nil || !e.reading || e.closed || e.dead != nil {
		e.mu.Unlock()
		return false
	}
	if !e.mover.interruptible() && !e.delivering {
		e.mu.Unlock()
		return true
	}
	if e.beat == nil {
		e.beat = make(chan struct{})
	}
	beat := e.beat
	e.mover.interrupt()
	e.mu.Unlock()
	select {
	case <-beat:
		return true
	case <-stop:
		return false
	}
}
