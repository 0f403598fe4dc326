package link

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// offloading is the packetMover for a TUN device with a virtio-net header: it
// reads and writes the device's own file, one packet with its header at a time,
// so that a super-segment of 64 KiB passes whole and its checksum is computed
// by nobody who need not.
//
// A super-datagram of UDP passes whole too, where the kernel has them, but only to
// here: netstack could not take it, so it is split.
type offloading struct {
	counters *counters
	file     *os.File
	raw      syscall.RawConn

	// stopped is set by interrupt, so that polling ends too.
	stopped atomic.Bool
	// datagrams says that UDP's super-datagrams were agreed on.
	datagrams bool

	// Used by receive only.
	header  [virtioHeaderLen]byte
	buffer  receiveBuffer
	pieces  [2]unix.Iovec // header and buffer
	poll    poller
	tryRead func(fd uintptr) bool // readOnce, made once
	tryMore func(fd uintptr)      // readMore, made once
	n       int                   // what readOnce read, in bytes, header and packet
	err     error                 // or why not

	senders sync.Pool // of *sender
}

var _ packetMover = (*offloading)(nil)

// startOffloading turns a device's offloads on and returns the mover that uses
// them. The error says why the device cannot; then nothing was changed.
func startOffloading(dev *Device, c *counters, busyPoll time.Duration) (packetMover, error) {
	f := dev.tun.File()
	if f == nil {
		return nil, errors.New("the device has no file")
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("use the device's file: %w", err)
	}
	if err := f.SetReadDeadline(time.Time{}); err != nil {
		return nil, fmt.Errorf("interrupt reads of the device: %w", err)
	}
	datagrams := dev.virtio
	var refused error
	if !dev.virtio {
		err = raw.Control(func(fd uintptr) { datagrams, refused = turnOffloadsOn(int(fd)) })
	}
	if err != nil {
		return nil, fmt.Errorf("use the device's file: %w", err)
	}
	if refused != nil {
		return nil, refused
	}
	o := newOffloading(f, raw, c, busyPoll)
	o.datagrams = datagrams
	return o, nil
}

func newOffloading(f *os.File, raw syscall.RawConn, c *counters, busyPoll time.Duration) *offloading {
	o := &offloading{counters: c, file: f, raw: raw, poll: poller{most: busyPoll}}
	o.tryRead, o.tryMore = o.readOnce, o.readMore
	o.pieces[0] = unix.Iovec{Base: &o.header[0], Len: virtioHeaderLen}
	o.senders.New = func() any {
		s := &sender{}
		s.tryWrite = s.writeOnce
		return s
	}
	return o
}

// turnOffloadsOn asks for super-segments of TCP and unfinished checksums, and for
// super-datagrams of UDP, which Linux has since 6.2 and not everybody has.
func turnOffloadsOn(fd int) (datagrams bool, err error) {
	ifr, err := unix.NewIfreq("")
	if err != nil {
		return false, err
	}
	if err := unix.IoctlIfreq(fd, unix.TUNGETIFF, ifr); err != nil {
		return false, fmt.Errorf("read the device's flags: %w", err)
	}
	switch flags := ifr.Uint16(); {
	case flags&unix.IFF_VNET_HDR == 0:
		return false, errors.New("the device was made without a virtio-net header (vnet_hdr)")
	case flags&unix.IFF_TAP != 0:
		return false, errors.New("the device is a TAP, not a TUN")
	}
	// Whether there is packet information before each packet cannot be seen here:
	// the bit of IFF_NO_PI means IFF_NOFILTER in the answer (__tun_chr_ioctl in
	// drivers/net/tun.c). Who opens a device sees to it that there is none.
	n, err := unix.IoctlGetInt(fd, unix.TUNGETVNETHDRSZ)
	if err != nil {
		return false, fmt.Errorf("read the length of the virtio-net header: %w", err)
	}
	if n != virtioHeaderLen {
		return false, fmt.Errorf("the device's virtio-net header has %d bytes, not %d", n, virtioHeaderLen)
	}
	const segments = unix.TUN_F_CSUM | unix.TUN_F_TSO4 | unix.TUN_F_TSO6
	if unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, segments|unix.TUN_F_USO4|unix.TUN_F_USO6) == nil {
		return true, nil
	}
	if err := unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, segments); err != nil {
		return false, fmt.Errorf("turn offloads on: %w", err)
	}
	return false, nil
}

func (o *offloading) interruptible() bool { return true }

func (o *offloading) interrupt() {
	o.stopped.Store(true)
	o.setDeadline(time.Unix(1, 0))
}

func (o *offloading) resume() {
	o.stopped.Store(false)
	o.setDeadline(time.Time{})
}

func (o *offloading) setDeadline(t time.Time) {
	_ = o.file.SetReadDeadline(t) // fails only on a closed device, whose reads fail anyway
}

func (o *offloading) fit(int) {} // there is always room for the longest packet

func (o *offloading) rest() { o.buffer.rest() }

// mostReads is how many frames receive reads at most. 64 won 1 % of the rate of
// echoes more, and the first reply waits for the last.
const mostReads = 16

// receive reads one frame, and while they carry UDP and are there already, more:
// so that there is something to gather of what is replied.
func (o *offloading) receive(pkts []*stack.PacketBuffer) ([]*stack.PacketBuffer, error) {
	if err := o.raw.Read(o.tryRead); err != nil {
		// What ended the wait says more than that no packet came.
		return pkts, rawError(err)
	}
	pkts, udp, err := o.take(pkts)
	for reads := 1; udp && err == nil && o.datagrams && reads < mostReads; reads++ {
		if o.raw.Control(o.tryMore) != nil || o.n == 0 {
			break // the next receive will find out
		}
		pkts, udp, err = o.take(pkts)
	}
	return pkts, err
}

// take makes packets of what was read and appends them to pkts. udp tells whether
// it carries UDP.
func (o *offloading) take(pkts []*stack.PacketBuffer) (_ []*stack.PacketBuffer, udp bool, err error) {
	if o.err != nil {
		return pkts, false, o.err
	}
	if o.n == 0 {
		return pkts, false, io.EOF // a TUN has no end; to try again would keep a core busy
	}
	n := o.n - virtioHeaderLen
	if n <= 0 {
		o.counters.drop(dropEmpty)
		return pkts, false, nil
	}
	var h virtioHeader
	h.decode(o.header[:])
	packet := o.buffer.room()[:n]
	a, err := h.admit(packet)
	if err != nil {
		if errors.Is(err, errUnknownSegmentation) {
			o.counters.drop(dropUnknownSegmentation)
			return pkts, false, nil
		}
		return pkts, false, err // counted as link-malformed
	}
	if a.gso.Type != stack.GSONone {
		o.counters.bulk.add(packet[a.gso.L3HdrLen:])
	}
	if a.datagram > 0 {
		return split(pkts, packet, a), true, nil
	}
	udp = carriesUDP(packet)
	protocol := protocolOf(packet)
	pkt := o.buffer.packet(n)
	pkt.NetworkProtocolNumber = protocol
	pkt.RXChecksumValidated = a.validated
	pkt.GSOOptions = a.gso
	return append(pkts, pkt), udp, nil
}

// readOnce reads a packet into header and buffer, polling if that is worth while.
// It is false if there is none.
func (o *offloading) readOnce(fd uintptr) bool {
	o.makeRoom()
	for {
		n, errno := readNow(fd, o.pieces[:])
		switch {
		case errno == 0:
			o.n, o.err = n, nil
			o.poll.end()
			return true
		case errno == unix.EINTR:
			continue
		case errno != unix.EAGAIN:
			o.n, o.err = 0, fileError("read", errno)
			return true
		}
		if o.stopped.Load() || !o.poll.again() {
			return false
		}
		// Whoever has something to do on this core goes first, of this process
		// and of others: the sender that is polled for may be one.
		runtime.Gosched()
		_, _, _ = syscall.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
	}
}

// readMore is readOnce that takes what is there. o.n is 0 if nothing is.
func (o *offloading) readMore(fd uintptr) {
	o.makeRoom()
	n, errno := readNow(fd, o.pieces[:])
	if o.n, o.err = n, nil; errno != 0 {
		o.n = 0
	}
}

// makeRoom points the second piece at where the next packet goes.
func (o *offloading) makeRoom() {
	room := o.buffer.room()
	o.pieces[1].Base = &room[0]
	o.pieces[1].SetLen(len(room))
}

// readNow reads without telling the scheduler: the file is not blocking, and the
// read over in a few microseconds.
func readNow(fd uintptr, pieces []unix.Iovec) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall(unix.SYS_READV, fd, uintptr(unsafe.Pointer(unsafe.SliceData(pieces))), uintptr(len(pieces)))
	return int(n), errno
}

// rawError is an error of the device's file itself as Endpoint wants it: all but
// the deadline's say that there is no device any more. They are internal/poll's
// own: ErrFileClosing when the file is closed here, ErrNotPollable while the
// kernel deletes the device (EPOLLERR of tun_chr_poll in drivers/net/tun.c).
func rawError(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return os.ErrClosed
}

// fileError is what the kernel said, as Endpoint wants it.
func fileError(op string, errno syscall.Errno) error {
	if errno == unix.EBADFD {
		return os.ErrClosed // the device was deleted: tun_get in drivers/net/tun.c finds none
	}
	return &os.PathError{Op: op, Path: "/dev/net/tun", Err: errno}
}

// mostPieces is how many pieces a write may have, UIO_MAXIOV in
// include/uapi/linux/uio.h.
const mostPieces = 1024

// sender writes one packet. It is pooled.
type sender struct {
	header   [virtioHeaderLen]byte
	pieces   []unix.Iovec
	tryWrite func(fd uintptr) // writeOnce, made once
	errno    syscall.Errno
}

func (o *offloading) send(pkt *stack.PacketBuffer) (int, error) {
	s := o.senders.Get().(*sender)
	defer o.senders.Put(s)
	var h virtioHeader
	h.describe(pkt)
	s.begin(h)
	total := 0
	views, skip := pkt.AsViewList()
	for v := views.Front(); v != nil; v = v.Next() {
		b := v.AsSlice()
		if skip >= len(b) {
			skip -= len(b)
			continue
		}
		b, skip = b[skip:], 0
		s.add(b)
		total += len(b)
	}
	if len(s.pieces) > mostPieces {
		// What somebody wrote in little pieces, and TCP joined.
		clear(s.pieces)
		whole := pkt.ToView()
		defer whole.Release()
		s.begin(h)
		s.add(whole.AsSlice())
	}
	return total, o.write(s)
}

func (o *offloading) writeSuper() func(virtioHeader, []byte) error {
	if !o.datagrams {
		return nil
	}
	return func(h virtioHeader, packet []byte) error {
		s := o.senders.Get().(*sender)
		defer o.senders.Put(s)
		s.begin(h)
		s.add(packet)
		return o.write(s)
	}
}

// begin makes the header the first piece.
func (s *sender) begin(h virtioHeader) {
	h.encode(s.header[:])
	s.pieces = s.pieces[:0]
	s.add(s.header[:])
}

// add makes b, which is not empty and borrowed until the write, the next piece.
func (s *sender) add(b []byte) {
	piece := unix.Iovec{Base: unsafe.SliceData(b)}
	piece.SetLen(len(b))
	s.pieces = append(s.pieces, piece)
}

// write writes the pieces of s, and forgets them.
func (o *offloading) write(s *sender) error {
	err := o.raw.Control(s.tryWrite)
	clear(s.pieces) // the pool must not keep the packet's memory
	switch {
	case err != nil:
		return rawError(err)
	case s.errno != 0:
		return fileError("write", s.errno)
	}
	return nil
}

// writeOnce hands the pieces to the kernel, which puts them through its own
// stack before it returns: so the scheduler is told.
func (s *sender) writeOnce(fd uintptr) {
	for {
		_, _, s.errno = unix.Syscall(unix.SYS_WRITEV, fd, uintptr(unsafe.Pointer(unsafe.SliceData(s.pieces))), uintptr(len(s.pieces)))
		if s.errno != unix.EINTR {
			return
		}
	}
}
