package capture

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"time"

	"github.com/gopacket/gopacket/pcapgo"
)

// maxPacket bounds a captured packet, in bytes, written or read: the most that
// libpcap and Wireshark take.
const maxPacket = 1 << 18

// A Captured is one IP packet read from a capture.
type Captured struct {
	// Number is the packet's place in the capture, counted from 1 as
	// Wireshark counts, with those that are not IP.
	Number int
	// Time is the zero Time where the capture does not tell it.
	Time time.Time
	// Bytes begin with the IP header, and are the receiver's to keep. There
	// may be padding behind the packet.
	Bytes []byte
	// Cut is how many bytes the capture left out at the end.
	Cut int
}

// Packets reads the IP packets of the capture in a file, pcap or pcapng of
// either byte order; "-" is standard input. Packets that are not IP, such as
// ARP, are left out.
//
// An error is the last that comes, after all that could be read before it; it
// is one line and names the file. Frames of a link type that this package does
// not know are passed over, and an error at the end says so.
func Packets(path string) iter.Seq2[Captured, error] {
	return func(yield func(Captured, error) bool) {
		if path == "-" {
			readPackets(os.Stdin, "standard input", yield)
			return
		}
		file, err := os.Open(path)
		if err != nil {
			yield(Captured{}, fmt.Errorf("read capture: %w", err))
			return
		}
		defer file.Close()
		readPackets(file, path, yield)
	}
}

// A frame is a packet as the link brought it.
type frame struct {
	time     time.Time
	linkType uint16
	// data is the reader's until the next frame is read, length that of the
	// frame on the link.
	data   []byte
	length int
}

// A frameReader reads a capture's frames. At its end next returns io.EOF, and
// at an end within a frame io.ErrUnexpectedEOF or what wraps it.
type frameReader interface {
	next() (frame, error)
}

// readPackets yields the packets of a capture, whose name is for errors.
func readPackets(r io.Reader, name string, yield func(Captured, error) bool) {
	frames, err := newFrameReader(bufio.NewReader(r))
	if err != nil {
		yield(Captured{}, fmt.Errorf("read capture %s: %w", name, err))
		return
	}
	var unknown struct {
		count, first int
		linkType     uint16
	}
	for number := 1; ; number++ {
		f, err := frames.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = fmt.Errorf("the file ends within it: %w", err)
		}
		if err != nil {
			yield(Captured{}, fmt.Errorf("read capture %s: packet %d: %w", name, number, err))
			return
		}
		header, ip, known := linkHeader(f.linkType, f.data)
		if !known {
			if unknown.count == 0 {
				unknown.first, unknown.linkType = number, f.linkType
			}
			unknown.count++
		}
		if !ip {
			continue
		}
		p := Captured{Number: number, Time: f.time, Bytes: append([]byte{}, f.data[header:]...), Cut: max(f.length-len(f.data), 0)}
		if !yield(p, nil) {
			return
		}
	}
	if unknown.count > 0 {
		yield(Captured{}, fmt.Errorf("read capture %s: %d packets passed over: no IP packet is known in link type %d (the first is packet %d)",
			name, unknown.count, unknown.linkType, unknown.first))
	}
}

// newFrameReader finds out which format it is.
func newFrameReader(r *bufio.Reader) (frameReader, error) {
	magic, err := r.Peek(4)
	switch {
	case len(magic) == 0 && errors.Is(err, io.EOF):
		return nil, errors.New("the file is empty")
	case errors.Is(err, io.EOF):
		return nil, fmt.Errorf("%d bytes are too few for a pcap or pcapng file", len(magic))
	case err != nil:
		return nil, err
	}
	switch v := binary.BigEndian.Uint32(magic); {
	case v == blockSection:
		return &ngReader{r: r}, nil
	case v == 0xa1b2c3d4, v == 0xd4c3b2a1, v == 0xa1b23c4d, v == 0x4d3cb2a1:
		reader, err := pcapgo.NewReader(r)
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, errors.New("the file ends within its header")
		}
		if err != nil {
			return nil, err
		}
		// Whatever the file says: some programs write longer packets.
		reader.SetSnaplen(maxPacket)
		return &pcapReader{reader}, nil
	case v>>16 == 0x1f8b:
		return nil, errors.New("the file is compressed: gunzip it first")
	default:
		return nil, fmt.Errorf("neither pcap nor pcapng: the file begins with 0x%08x", v)
	}
}

// A pcapReader reads the older format.
type pcapReader struct{ *pcapgo.Reader }

var _ frameReader = (*pcapReader)(nil)

func (r *pcapReader) next() (frame, error) {
	data, info, err := r.ZeroCopyReadPacketData()
	if errors.Is(err, io.EOF) && info.CaptureLength > 0 {
		err = io.ErrUnexpectedEOF // right behind the packet's header
	}
	return frame{time: info.Timestamp, linkType: uint16(r.LinkType()), data: data, length: info.Length}, err
}
