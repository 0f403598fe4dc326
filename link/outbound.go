package link

import (
	"errors"
	"os"
	"syscall"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// WritePackets writes the packets to the device, one by one, and borrows them
// until it returns. Each that cannot be written is dropped and counted by its
// own reason, and does not keep the next from being tried. It returns how many
// were written, and the first failure. It waits for nothing but the device.
//
// A datagram that is gathered counts as written here. If that turns out wrong,
// netstack is not told, and each is counted as any other.
func (e *Endpoint) WritePackets(pkts stack.PacketBufferList) (int, tcpip.Error) {
	var (
		written int
		failure tcpip.Error
	)
	for _, pkt := range pkts.AsSlice() {
		if e.gather != nil && e.gather.take(pkt) {
			written++
			continue
		}
		n, err := e.mover.send(pkt)
		if err == nil {
			written++
			e.counters.out(n)
			continue
		}
		if tcpipErr := e.failed(1, n, err); failure == nil {
			failure = tcpipErr
		}
	}
	return written, failure
}

// wroteGathered counts what the gatherer wrote, or did not.
func (e *Endpoint) wroteGathered(datagrams, each, last int, err error) {
	if err == nil {
		e.counters.outAll(datagrams, each, last)
		return
	}
	e.failed(datagrams, (datagrams-1)*each+last, err)
}

// failed counts packets, of so many bytes together, that could not be written,
// and returns what netstack is told.
func (e *Endpoint) failed(packets, bytes int, err error) tcpip.Error {
	why, tcpipErr := judgeWrite(err)
	// That the device is down or gone is told by who follows it.
	if first := e.counters.dropAll(why, packets); first && why != dropLinkDown && why != dropClosed {
		e.log.WithError(err).WithField("len", bytes).Warn("writing to the device failed; further failures are only counted")
	}
	return tcpipErr
}

// judgeWrite names the reason of a failed write and what netstack is told.
func judgeWrite(err error) (reason, tcpip.Error) {
	switch {
	case errors.Is(err, os.ErrClosed):
		return dropClosed, &tcpip.ErrClosedForSend{}
	case errors.Is(err, syscall.EIO):
		// tun_get_user in drivers/net/tun.c: the device is not up.
		return dropLinkDown, &tcpip.ErrNetworkUnreachable{}
	case errors.Is(err, syscall.ENOBUFS), errors.Is(err, syscall.ENOMEM), errors.Is(err, syscall.EAGAIN):
		return dropNoBuffers, &tcpip.ErrNoBufferSpace{}
	}
	return dropWriteError, &tcpip.ErrInvalidEndpointState{}
}
