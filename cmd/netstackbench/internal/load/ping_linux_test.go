package load

import (
	"encoding/binary"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"netstackd/hooks/wire"
)

// TestInternetChecksum holds the generator's sum against the project's own.
func TestInternetChecksum(t *testing.T) {
	for n := 0; n <= 128; n += 2 {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(200 + 7*i)
		}
		if got, want := internetChecksum(b), wire.Checksum(b); got != want {
			t.Errorf("%d bytes: 0x%04x, want 0x%04x", n, got, want)
		}
	}
}

func TestTimestamp(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)
	good := make([]byte, unix.SizeofCmsghdr+16)
	binary.NativeEndian.PutUint64(good, uint64(len(good)))
	binary.NativeEndian.PutUint32(good[8:], unix.SOL_SOCKET)
	binary.NativeEndian.PutUint32(good[12:], unix.SCM_TIMESTAMPNS)
	binary.NativeEndian.PutUint64(good[16:], uint64(at.Unix()))
	binary.NativeEndian.PutUint64(good[24:], uint64(at.Nanosecond()))
	if got, ok := timestamp(good); !ok || got != at.UnixNano() {
		t.Errorf("timestamp %d, %v, want %d", got, ok, at.UnixNano())
	}
	other := append([]byte(nil), good...)
	other[12]++
	for name, control := range map[string][]byte{"none": nil, "short": good[:20], "another message": other} {
		if got, ok := timestamp(control); ok {
			t.Errorf("%s: timestamp %d, want none", name, got)
		}
	}
}
