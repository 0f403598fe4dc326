package serve

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestParseAddress: what -http may name. What it may not is in the golden file
// of the configuration's refusals.
func TestParseAddress(t *testing.T) {
	for _, test := range []struct {
		text  string
		want  Address
		local bool
	}{
		{"127.0.0.1:8080", Address{"tcp", "127.0.0.1:8080"}, true},
		{"127.9.9.9:0", Address{"tcp", "127.9.9.9:0"}, true},
		{"localhost:8080", Address{"tcp", "127.0.0.1:8080"}, true},
		{"[::1]:8080", Address{"tcp", "[::1]:8080"}, true},
		{"[::ffff:127.0.0.1]:8080", Address{"tcp", "[::ffff:127.0.0.1]:8080"}, true},
		{"unix:/run/netstackd.sock", Address{"unix", "/run/netstackd.sock"}, true},
		{"unix:here", Address{"unix", "here"}, true},
		{":8080", Address{"tcp", ":8080"}, false},
		{"0.0.0.0:8080", Address{"tcp", "0.0.0.0:8080"}, false},
		{"[::]:8080", Address{"tcp", "[::]:8080"}, false},
		{"192.0.2.1:65535", Address{"tcp", "192.0.2.1:65535"}, false},
		{"[fe80::1%eth0]:80", Address{"tcp", "[fe80::1%eth0]:80"}, false},
	} {
		got, err := ParseAddress(test.text)
		if err != nil {
			t.Errorf("%s: %v", test.text, err)
			continue
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.text, diff)
		}
		if got.Local() != test.local {
			t.Errorf("%s: Local() = %v", test.text, got.Local())
		}
		if again, err := ParseAddress(got.String()); err != nil || again != got {
			t.Errorf("%s: written as %q, which reads as %+v, %v", test.text, got, again, err)
		}
	}
	longest := "unix:" + strings.Repeat("x", maxSocketPath)
	if _, err := ParseAddress(longest); err != nil {
		t.Errorf("the longest path: %v", err)
	}
	if _, err := ParseAddress(longest + "x"); err == nil {
		t.Error("a path that is too long is accepted")
	}
}

// FuzzParseAddress: what is accepted reads the same when it is written again.
func FuzzParseAddress(f *testing.F) {
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseAddress(s)
		if err != nil {
			return
		}
		again, err := ParseAddress(a.String())
		if err != nil || again != a {
			t.Errorf("%q is %+v, written as %q, which reads as %+v, %v", s, a, a, again, err)
		}
	})
}
