package stack

import (
	"bytes"
	"io"
	"testing"
)

// rfc864Line is line n of the pattern as RFC 864 draws it: 72 characters of the
// ordered ring of printing ASCII, starting with the one in place n.
func rfc864Line(n int) []byte {
	const ring = " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"
	at := n % len(ring)
	return []byte((ring + ring)[at:at+72] + "\r\n")
}

// checkChargen fails the test unless b is the pattern from the beginning of
// line first on, the last line perhaps cut.
func checkChargen(t *testing.T, b []byte, first int) {
	t.Helper()
	for line := first; len(b) > 0; line++ {
		want := rfc864Line(line)
		want = want[:min(len(want), len(b))]
		if !bytes.Equal(b[:len(want)], want) {
			t.Fatalf("line %d: got %q, want %q", line, b[:len(want)], want)
		}
		b = b[len(want):]
	}
}

func TestChargenStream(t *testing.T) {
	t.Parallel()
	for _, f := range families {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, defaultLimits())
			c := p.dial(f.host, 19)
			// Over several of the host's writes, in reads of odd size, while
			// sending what the service has to ignore.
			b := make([]byte, 20*len(chargenText)+777)
			for at := 0; at < len(b); {
				n, err := c.Read(b[at:min(at+4999, len(b))])
				if err != nil {
					t.Fatal(err)
				}
				at += n
				if _, err := c.Write([]byte("be quiet")); err != nil {
					t.Fatal(err)
				}
			}
			checkChargen(t, b, 0)
		})
	}
}

// TestChargenEndsWithTheClient: after the client's FIN comes the rest of what
// was sent, and then the host's.
func TestChargenEndsWithTheClient(t *testing.T) {
	t.Parallel()
	p := newPair(t, defaultLimits())
	c := p.dial(families[0].host, 19)
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	checkChargen(t, b, 0)
	eventually(t, "connection over", func() bool { return p.counters("chargen").Open == 0 })
}

func TestChargenText(t *testing.T) {
	t.Parallel()
	checkChargen(t, chargenText, 0)
	if len(chargenText)%chargenPeriod != 0 {
		t.Errorf("%d bytes are no whole number of periods of %d: the seam would show", len(chargenText), chargenPeriod)
	}
}
