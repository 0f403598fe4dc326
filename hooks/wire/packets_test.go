package wire

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// readHex returns the bytes of a file of hexadecimal digits, in which lines
// that begin with # are comments.
func readHex(t testing.TB, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("read packet: %v", err)
	}
	var digits strings.Builder
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "#") {
			digits.WriteString(strings.TrimSpace(line))
		}
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatalf("decode %s: %v", path, err)
	}
	return b
}

// samples returns every packet of testdata by its name.
func samples(t testing.TB) map[string][]byte {
	t.Helper()
	out := map[string][]byte{"echo-request": readHex(t, "testdata/echo-request.hex")}
	paths, err := filepath.Glob("testdata/packets/*.hex")
	if err != nil || len(paths) < 40 {
		t.Fatalf("list packets: %d found, %v", len(paths), err)
	}
	for _, path := range paths {
		out[strings.TrimSuffix(filepath.Base(path), ".hex")] = readHex(t, path)
	}
	return out
}

// sample returns one packet of testdata.
func sample(t testing.TB, name string) []byte {
	t.Helper()
	if name == "echo-request" {
		return readHex(t, "testdata/echo-request.hex")
	}
	return readHex(t, "testdata/packets/"+name+".hex")
}

// decoded decodes a packet whose shape is sound.
func decoded(t testing.TB, b []byte) *Packet {
	t.Helper()
	p := new(Packet)
	if !p.Decode(b) {
		t.Fatalf("Decode: %v", p.Problem)
	}
	return p
}
