package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/pcapgo"
)

// Bounds of a Quarantine: of its file, in bytes, whoever has written to it, and of the
// entries of one run.
const (
	MaxQuarantine        = 8 << 20
	MaxQuarantineEntries = 256
)

// ErrQuarantineFull is why an entry is not kept.
var ErrQuarantineFull = errors.New("the quarantine is full")

// A Quarantine is a capture of few packets, which did harm: each entry is on the disk
// when Add returns. What earlier runs left in the file stays: the capture of each run
// is a section of its own. It is for one goroutine.
type Quarantine struct {
	path   string
	output *output
	// header is what the section begins with, nil once it has.
	header  []byte
	ng      *pcapgo.NgWriter
	buf     *bytes.Buffer
	entries int
}

// OpenQuarantine opens the file, or makes it, with the mode 0600, so that nothing has
// to be opened later, and locks it until Close or the process's end: two who write to
// one would overwrite each other. Where files cannot be locked, as on some network file
// systems, it goes unlocked. device and version are those of Config.
func OpenQuarantine(path, device, version string) (*Quarantine, error) {
	header, ng, buf, err := newBlocks(Config{Device: device, Version: version}, Stream{Comment: "packets that did harm"})
	if err != nil {
		return nil, fmt.Errorf("open quarantine: %w", err)
	}
	// O_NONBLOCK, for to wait for a named pipe's other end would be to hang.
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open quarantine: %w", err)
	}
	q := &Quarantine{path: path, output: &output{store: file, regular: true}, header: header, ng: ng, buf: buf}
	if err := q.join(file); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("open quarantine: %s %w", path, err)
	}
	return q, nil
}

// join finds the end of what is in the file.
func (q *Quarantine) join(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("is not a file: give one that can be written, or a new name")
	}
	if heldElsewhere(file) {
		return errors.New("is held by another process, which writes to it: give each a file of its own")
	}
	var magic [4]byte
	if n, err := file.ReadAt(magic[:], 0); n > 0 && (err != nil || binary.BigEndian.Uint32(magic[:]) != blockSection) {
		return errors.New("is something else than a pcapng capture: give a new name")
	}
	if err := file.Chmod(0o600); err != nil {
		return err
	}
	q.output.size, err = file.Seek(0, io.SeekEnd)
	return err
}

// Path is the file's name, as it was given.
func (q *Quarantine) Path() string { return q.path }

// Add writes an entry: the packet that did harm, last, and what belonged to it before.
// comment is that packet's, in lines; without a packet it stands on one of no bytes.
// An error, which may be ErrQuarantineFull, says that nothing was kept.
func (q *Quarantine) Add(at time.Time, packets [][]byte, comment string) error {
	if q.entries >= MaxQuarantineEntries {
		return ErrQuarantineFull
	}
	if len(packets) == 0 {
		packets = [][]byte{nil}
	}
	q.buf.Reset()
	q.buf.Write(q.header)
	comment = comment[:cut([]byte(comment), 4*maxComment)]
	for i, b := range packets {
		b = b[:min(len(b), maxPacket)]
		said := comment
		if i < len(packets)-1 {
			said = "part " + strconv.Itoa(i+1) + " of " + strconv.Itoa(len(packets)) + " of what the last one completes"
		}
		// Memory takes it all, and the lengths agree.
		err := errors.Join(q.ng.WritePacketWithOptions(gopacket.CaptureInfo{
			Timestamp: at, CaptureLength: len(b), Length: len(b),
		}, b, pcapgo.NgPacketOptions{
			Comments: []string{said}, Flags: &pcapgo.NgEpbFlags{Direction: pcapgo.NgEpbFlagDirectionInbound},
		}), q.ng.Flush())
		if err != nil {
			return fmt.Errorf("write to quarantine: %w", err)
		}
	}
	b := q.buf.Bytes()
	if q.output.size+int64(len(b)) > MaxQuarantine {
		return ErrQuarantineFull
	}
	if _, err := q.output.write(b, []block{{end: len(b)}}); err != nil {
		return fmt.Errorf("write to quarantine: %w", err)
	}
	q.header = nil
	q.entries++
	return nil
}

// Close closes the file.
func (q *Quarantine) Close() error {
	if err := q.output.close(); err != nil {
		return fmt.Errorf("close quarantine: %w", err)
	}
	return nil
}
