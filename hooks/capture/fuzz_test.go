package capture_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"netstackd/hooks/capture"
)

// The seeds of these targets stand in testdata/fuzz, named for what they are.

// FuzzParseHex: what is parsed is the digits, whatever stands between them,
// and can be written and parsed again; an error is one line.
func FuzzParseHex(f *testing.F) {
	f.Fuzz(func(t *testing.T, s string) {
		b, err := capture.ParseHex(s)
		if err != nil {
			if b != nil || strings.ContainsAny(err.Error(), "\r\n") || !strings.HasPrefix(err.Error(), "parse hex: ") {
				t.Errorf("%x, %q", b, err)
			}
			if _, ok := hex.DecodeString(s); ok == nil && s != "" && len(s) <= 2*capture.MaxPacket {
				t.Errorf("plain digits are refused: %v", err)
			}
			return
		}
		if plain, err := hex.DecodeString(s); err == nil && !bytes.Equal(plain, b) {
			t.Errorf("%x, want %x", b, plain)
		}
		for _, again := range []string{hex.EncodeToString(b), strings.ToUpper(hex.EncodeToString(b)), "0x" + hex.EncodeToString(b)} {
			if got, err := capture.ParseHex(again); err != nil || !bytes.Equal(got, b) {
				t.Errorf("%x parsed again: %x, %v", b, got, err)
			}
		}
	})
}

// FuzzPackets: whatever a file holds, its packets come numbered and bounded,
// then at most one error, of one line; and of a pcapng file that both
// gopacket's reader and ours find whole, both read the same.
func FuzzPackets(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		last, size, failed := 0, 0, false
		for p, err := range capture.ReadPackets(bytes.NewReader(b)) {
			if failed {
				t.Fatal("something came behind an error")
			}
			if err != nil {
				failed = true
				if strings.ContainsAny(err.Error(), "\r\n") {
					t.Errorf("an error of two lines: %q", err)
				}
				continue
			}
			size += len(p.Bytes)
			if p.Number <= last || len(p.Bytes) > capture.MaxPacket || p.Cut < 0 {
				t.Errorf("behind packet %d: number %d, %d bytes, %d cut", last, p.Number, len(p.Bytes), p.Cut)
			}
			last = p.Number
		}
		if size > len(b) {
			t.Errorf("%d bytes of packets from %d", size, len(b))
		}
		agree(t, b)
	})
}

// agree compares with gopacket's reader.
func agree(t *testing.T, b []byte) {
	t.Helper()
	if !bytes.HasPrefix(b, []byte("\n\r\r\n")) {
		return
	}
	ours, err := capture.ReadFrames(bytes.NewReader(b))
	if !errors.Is(err, io.EOF) {
		return
	}
	// It knows no version but 1.0, and refuses the rest.
	theirs, err := pcapgo.NewNgReader(bytes.NewReader(b), pcapgo.NgReaderOptions{WantMixedLinkType: true})
	if err != nil {
		return
	}
	var frames []capture.Frame
	for {
		data, info, err := theirs.ReadPacketData()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return
		}
		i, err := theirs.Interface(info.InterfaceIndex)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(frames); n < len(ours) && (i.TimestampResolution.Binary() || i.TimestampResolution.Exponent() > 9) {
			// gopacket reckons those in 64 bits, and not exactly.
			info.Timestamp = ours[n].Time
		}
		frames = append(frames, capture.Frame{
			Time: info.Timestamp, LinkType: uint16(info.AncillaryData[0].(layers.LinkType)), Data: string(data), Length: info.Length,
		})
	}
	if len(frames) != len(ours) {
		t.Fatalf("%d frames, gopacket reads %d", len(ours), len(frames))
	}
	for i := range frames {
		if frames[i] != ours[i] {
			t.Fatalf("frame %d is %+v, gopacket reads %+v", i+1, ours[i], frames[i])
		}
	}
}
