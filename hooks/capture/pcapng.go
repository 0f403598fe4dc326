package capture

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"time"
)

// Block types (draft-ietf-opsawg-pcapng, §4 and §11.1).
const (
	blockSection   = 0x0a0d0d0a
	blockInterface = 1
	blockPacket    = 2 // obsolete
	blockSimple    = 3
	blockEnhanced  = 6
)

const (
	// maxBlock bounds a block, in bytes: a packet and what is said of it, or
	// all the secrets of a capture.
	maxBlock = 16 << 20

	byteOrderMagic  = 0x1a2b3c4d
	optionEnd       = 0
	optionTSResol   = 9
	optionTSOffset  = 14
	defaultTSResol  = 6
	maxInterfaces   = 1 << 16
	blockHeaderLen  = 8
	blockTrailerLen = 4
)

// An ngReader reads pcapng. It takes no length for granted, and so is not
// gopacket's, which reads as much as a packet claims to be, and on into the
// next block where an option claims to be long. The tests compare the two.
type ngReader struct {
	r *bufio.Reader
	// at is where the next block begins, in bytes from the file's start.
	at         int64
	order      binary.ByteOrder // of the section
	interfaces []ngInterface    // of the section
	block      []byte           // the present one, whole
}

var _ frameReader = (*ngReader)(nil)

// An ngInterface is what packets need to know of theirs.
type ngInterface struct {
	linkType uint16
	snapLen  uint32 // 0: no limit
	// A time stamp counts units of 1/perSecond from offset seconds on.
	perSecond *big.Int
	offset    int64
}

func (r *ngReader) next() (frame, error) {
	for {
		at := r.at
		kind, body, err := r.readBlock()
		if err != nil {
			if errors.Is(err, io.EOF) {
				return frame{}, err
			}
			return frame{}, fmt.Errorf("block at byte %d: %w", at, err)
		}
		var f frame
		isPacket := false
		switch kind {
		case blockSection:
			err = r.section(body)
		case blockInterface:
			err = r.addInterface(body)
		case blockEnhanced, blockPacket, blockSimple:
			isPacket = true
			f, err = r.packet(kind, body)
		}
		if err != nil {
			return frame{}, fmt.Errorf("block at byte %d: %w", at, err)
		}
		if isPacket {
			return f, nil
		}
	}
}

// readBlock reads the next block whole. Its body stands between the two total
// lengths.
func (r *ngReader) readBlock() (kind uint32, body []byte, err error) {
	head, err := r.r.Peek(blockHeaderLen + 4)
	if len(head) == 0 && errors.Is(err, io.EOF) {
		return 0, nil, io.EOF
	}
	if len(head) < blockHeaderLen+4 {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, err
	}
	if binary.BigEndian.Uint32(head) == blockSection {
		// The one block that reads alike in both byte orders says which it is.
		switch uint32(byteOrderMagic) {
		case binary.BigEndian.Uint32(head[blockHeaderLen:]):
			r.order = binary.BigEndian
		case binary.LittleEndian.Uint32(head[blockHeaderLen:]):
			r.order = binary.LittleEndian
		default:
			return 0, nil, fmt.Errorf("the byte-order magic is 0x%x", head[blockHeaderLen:])
		}
	}
	kind, length := r.order.Uint32(head), r.order.Uint32(head[4:])
	if length < blockHeaderLen+blockTrailerLen || length%4 != 0 || length > maxBlock {
		return 0, nil, fmt.Errorf("a block cannot be %d bytes long", length)
	}
	if cap(r.block) < int(length) {
		r.block = nil // no two at a time
	}
	if r.block, err = readGrowing(r.r, r.block[:0], int(length)); err != nil {
		return 0, nil, err
	}
	end := int(length) - blockTrailerLen
	if again := r.order.Uint32(r.block[end:]); again != length {
		return 0, nil, fmt.Errorf("it says at its end that it is %d bytes long, but %d at its beginning", again, length)
	}
	r.at += int64(length)
	return kind, r.block[blockHeaderLen:end], nil
}

// readGrowing appends n bytes to b. It makes room as they arrive, so that a
// short file cannot ask for much.
func readGrowing(r io.Reader, b []byte, n int) ([]byte, error) {
	const step = maxPacket
	for len(b) < n {
		part := min(n-len(b), step)
		at := len(b)
		b = append(b, make([]byte, part)...)
		if _, err := io.ReadFull(r, b[at:]); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return b[:at], err
		}
	}
	return b, nil
}

// section begins a section, which forgets the interfaces.
func (r *ngReader) section(body []byte) error {
	if len(body) < 16 {
		return errors.New("a section header is too short")
	}
	if major, minor := r.order.Uint16(body[4:]), r.order.Uint16(body[6:]); major != 1 {
		return fmt.Errorf("pcapng version %d.%d is not known", major, minor)
	}
	r.interfaces = r.interfaces[:0]
	return nil
}

// addInterface reads an interface description.
func (r *ngReader) addInterface(body []byte) error {
	if len(body) < 8 {
		return errors.New("an interface description is too short")
	}
	if len(r.interfaces) == maxInterfaces {
		return fmt.Errorf("more than %d interfaces", maxInterfaces)
	}
	i := ngInterface{linkType: r.order.Uint16(body), snapLen: r.order.Uint32(body[4:])}
	resolution := byte(defaultTSResol)
	for options := body[8:]; len(options) >= 4; {
		code, length := r.order.Uint16(options), int(r.order.Uint16(options[2:]))
		options = options[4:]
		if code == optionEnd {
			break
		}
		padded := (length + 3) &^ 3
		if padded > len(options) {
			return fmt.Errorf("option %d of an interface is %d bytes long, %d are there", code, length, len(options))
		}
		switch {
		case code == optionTSResol && length >= 1:
			resolution = options[0]
		case code == optionTSOffset && length >= 8:
			i.offset = int64(r.order.Uint64(options))
		}
		options = options[padded:]
	}
	base := int64(10)
	if resolution&0x80 != 0 {
		base, resolution = 2, resolution&0x7f
	}
	i.perSecond = new(big.Int).Exp(big.NewInt(base), big.NewInt(int64(resolution)), nil)
	r.interfaces = append(r.interfaces, i)
	return nil
}

// packet reads a packet of one of the three kinds.
func (r *ngReader) packet(kind uint32, body []byte) (frame, error) {
	header := 20
	if kind == blockSimple {
		header = 4
	}
	if len(body) < header {
		return frame{}, errors.New("a packet is shorter than its header")
	}
	number := 0
	switch kind {
	case blockEnhanced:
		number = int(r.order.Uint32(body))
	case blockPacket:
		number = int(r.order.Uint16(body)) // then a count of drops
	}
	if number < 0 || number >= len(r.interfaces) {
		return frame{}, fmt.Errorf("a packet of interface %d, but %d are described", number, len(r.interfaces))
	}
	i := &r.interfaces[number]
	f := frame{linkType: i.linkType}
	var captured uint32
	if kind == blockSimple {
		length := r.order.Uint32(body)
		captured = length
		if i.snapLen > 0 {
			captured = min(captured, i.snapLen)
		}
		f.length = int(length)
	} else {
		f.time = i.time(uint64(r.order.Uint32(body[4:]))<<32 | uint64(r.order.Uint32(body[8:])))
		captured = r.order.Uint32(body[12:])
		f.length = int(r.order.Uint32(body[16:]))
	}
	if captured > maxPacket {
		return frame{}, fmt.Errorf("a packet cannot be %d bytes long: %d at most", captured, maxPacket)
	}
	data := body[header:]
	if int64(captured) > int64(len(data)) {
		return frame{}, fmt.Errorf("a packet of %d bytes, but %d are there", captured, len(data))
	}
	f.data = data[:captured]
	return f, nil
}

// time returns what a time stamp means.
func (i *ngInterface) time(stamp uint64) time.Time {
	v := new(big.Int).SetUint64(stamp)
	seconds, rest := v.QuoRem(v, i.perSecond, new(big.Int))
	rest.Mul(rest, big.NewInt(int64(time.Second)))
	rest.Quo(rest, i.perSecond)
	return time.Unix(int64(seconds.Uint64())+i.offset, rest.Int64()).UTC()
}
