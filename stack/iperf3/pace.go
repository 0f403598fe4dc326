package iperf3

import "time"

// A pace keeps one stream that the server sends over to the rate that the client
// wants, on the average since it began, as iperf3 does. It is not safe for
// concurrent use.
type pace struct {
	rate  float64 // bits a second, 0: as fast as it goes
	burst int     // blocks between two looks at the clock
	least time.Duration
	begin time.Time
	stop  <-chan struct{}

	bits   float64
	blocks int
	timer  *time.Timer // nil until it is needed
}

func newPace(p *parameters, begin time.Time, stop <-chan struct{}) *pace {
	return &pace{rate: float64(p.rate), burst: max(p.burst, 1), least: p.pacing, begin: begin, stop: stop}
}

// next is called after each block and waits until the next may go. It is false
// once the stream is to end.
func (p *pace) next(bytes int) bool {
	if p.rate == 0 {
		return true
	}
	p.bits += 8 * float64(bytes)
	if p.blocks++; p.blocks < p.burst {
		return true
	}
	p.blocks = 0
	due := p.bits/p.rate - time.Since(p.begin).Seconds()
	if due <= 0 {
		return true
	}
	// Not shorter than the pacing timer, whatever is due: what is late then goes
	// out together.
	return p.wait(max(p.least, time.Duration(min(due, maxSeconds)*float64(time.Second))))
}

// wait waits so long. It is false once the stream is to end.
func (p *pace) wait(d time.Duration) bool {
	if p.timer == nil {
		p.timer = time.NewTimer(d)
	} else {
		p.timer.Reset(d)
	}
	select {
	case <-p.timer.C:
		return true
	case <-p.stop:
		return false
	}
}

func (p *pace) close() {
	if p.timer != nil {
		p.timer.Stop()
	}
}
