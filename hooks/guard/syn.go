package guard

import (
	"encoding/binary"

	"netstackd/hooks"
	"netstackd/hooks/wire"
)

// mendSyn mends a segment with SYN. Behind extension headers it may not be what
// netstack answers: an error about one of them would quote what was mended.
func (g *mender) mendSyn(p *hooks.Packet) {
	if p.IPv6.Count > 0 {
		return
	}
	switch flags := p.TCP.Flags; {
	case flags&wire.TCPRst != 0:
		if g.mends.has(mendResetWithSyn) {
			resetAlone(p)
		}
	case flags&wire.TCPAck == 0 && p.Version == 4:
		if g.mends.has(mendSegmentRoute) {
			g.noteRoute(p)
		}
	case flags&wire.TCPAck == 0 && p.Version == 6 && g.mends.has(mendDefaultMSS):
		giveMSS(p)
	}
}

// Places in a TCP header, in bytes (RFC 9293 §3.1).
const (
	tcpSeq      = 4
	tcpFlags    = 12 // the word with the data offset and the flags
	tcpChecksum = 16
	tcpUrgent   = 18
	tcpHeader   = 20
	maxTCP      = 60
)

// resetAlone has netstack see a reset without SYN: it would answer one with SYN and
// ACK to a port that listens, where every reset is to be ignored (RFC 9293
// §3.10.7.2).
func resetAlone(p *hooks.Packet) {
	tcp := p.Edit(nameOf(mendResetWithSyn))[p.Payload:]
	before := binary.BigEndian.Uint16(tcp[tcpFlags:])
	after := before &^ wire.TCPSyn
	binary.BigEndian.PutUint16(tcp[tcpFlags:], after)
	if !p.Offload.Partial { // a partial sum is that of the pseudo-header alone
		adjust(tcp[tcpChecksum:], before, after)
	}
}

// defaultMSS6 is the option of the maximum segment size that a SYN without one
// means over IPv6: 1,220 bytes (RFC 9293 §3.7.1), as an option.
var defaultMSS6 = [4]byte{optionMSS, 4, 1220 >> 8, 1220 & 0xff}

// TCP options (RFC 9293 §3.1).
const (
	tcpOptionEnd = 0
	tcpOptionNop = 1
	optionMSS    = 2
)

// giveMSS gives a SYN the option that it means, if it has none and room for one:
// netstack would take 536 bytes for the default.
func giveMSS(p *hooks.Packet) {
	all := p.All()
	if mssAt(all[p.Payload+tcpHeader:p.Payload+p.TCP.DataOffset]) >= 0 || p.TCP.DataOffset+len(defaultMSS6) > maxTCP {
		return
	}
	at := p.Payload + tcpHeader
	b := make([]byte, 0, len(all)+len(defaultMSS6))
	b = append(append(append(b, all[:at]...), defaultMSS6[:]...), all[at:]...)
	length := binary.BigEndian.Uint16(b[4:]) + uint16(len(defaultMSS6))
	binary.BigEndian.PutUint16(b[4:], length)

	tcp := b[p.Payload:]
	before := binary.BigEndian.Uint16(tcp[tcpFlags:])
	after := before + 1<<12 // a word more
	binary.BigEndian.PutUint16(tcp[tcpFlags:], after)
	if sum := tcp[tcpChecksum:]; p.Offload.Partial {
		// Not a complement: that of the pseudo-header, and its length.
		n := uint32(binary.BigEndian.Uint16(sum)) + uint32(len(defaultMSS6))
		binary.BigEndian.PutUint16(sum, uint16(n>>16+n&0xffff))
	} else {
		adjust(sum, before, after)
		adjust(sum, 0, uint16(len(defaultMSS6))) // the pseudo-header's length
		adjust(sum, 0, binary.BigEndian.Uint16(defaultMSS6[0:]))
		adjust(sum, 0, binary.BigEndian.Uint16(defaultMSS6[2:]))
	}
	p.Replace(nameOf(mendDefaultMSS), b)
}

// mssAt returns where among TCP options that of the maximum segment size stands, or
// -1.
func mssAt(options []byte) int {
	for at := 0; at < len(options); {
		switch options[at] {
		case tcpOptionEnd:
			return -1
		case tcpOptionNop:
			at++
			continue
		}
		if at+1 >= len(options) || options[at+1] < 2 || at+int(options[at+1]) > len(options) {
			return -1
		}
		if options[at] == optionMSS && options[at+1] == 4 {
			return at
		}
		at += int(options[at+1])
	}
	return -1
}
