//go:build linux

package serve

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/sirupsen/logrus/hooks/test"
)

// newServer opens a server and closes it with the test.
func newServer(t *testing.T, c Config) *Server {
	t.Helper()
	c.Log, _ = test.NewNullLogger()
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// refusal tries to open a server in vain.
func refusal(t *testing.T, c Config) string {
	t.Helper()
	c.Log, _ = test.NewNullLogger()
	s, err := New(c)
	if err == nil {
		s.Close()
		t.Fatalf("%s is served", c.Address)
	}
	return err.Error()
}

func TestRefusedAddresses(t *testing.T) {
	dir := t.TempDir()
	occupied, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer occupied.Close()
	inUse := filepath.Join(dir, "in-use.sock")
	l, err := net.Listen("unix", inUse)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	datagram := filepath.Join(dir, "datagram.sock")
	d, err := net.ListenPacket("unixgram", datagram)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	file := filepath.Join(dir, "file")
	link := filepath.Join(dir, "link")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(inUse, link); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name    string
		address Address
		want    string
	}{
		{"port in use", Address{"tcp", occupied.Addr().String()},
			"listen on " + occupied.Addr().String() + ": address already in use: another program listens there: give -http another port"},
		{"no address of ours", Address{"tcp", "127.0.0.1:0"}, ""},
		{"socket in use", Address{"unix", inUse}, "listen on unix:" + inUse + ": another program listens there: give -http another path"},
		{"socket of another kind", Address{"unix", datagram}, "listen on unix:" + datagram + ": a socket is there that may be in use: protocol wrong type for socket"},
		{"file", Address{"unix", file}, "listen on unix:" + file + ": the path exists and is no socket: remove it, or give another"},
		{"directory", Address{"unix", dir}, "listen on unix:" + dir + ": the path exists and is no socket: remove it, or give another"},
		{"link", Address{"unix", link}, "listen on unix:" + link + ": the path exists and is no socket: remove it, or give another"},
		{"no directory", Address{"unix", dir + "/none/x.sock"}, "listen on unix:" + dir + "/none/x.sock: no such file or directory: make its directory first"},
		{"below a file", Address{"unix", file + "/x.sock"}, "listen on unix:" + file + "/x.sock: not a directory"},
		{"reached from elsewhere", Address{"tcp", "0.0.0.0:0"}, "listen on 0.0.0.0:0: other machines can reach it: give -http-token-file too"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.want == "" {
				newServer(t, Config{Address: test.address}) // the control
				return
			}
			if got := refusal(t, Config{Address: test.address}); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "precious" {
		t.Errorf("the file in the way holds %q, %v", b, err)
	}
	if c, err := net.Dial("unix", inUse); err != nil {
		t.Errorf("the socket in use: %v", err)
	} else {
		c.Close()
	}
}

// TestSocket: it is the owner's alone, takes the place of one that nobody
// listens on any more, and is gone at the end.
func TestSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.sock")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	log, _ := test.NewNullLogger()
	s, err := New(Config{Address: Address{"unix", path}, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := os.ModeSocket | 0o600; info.Mode() != want {
		t.Errorf("mode %v, want %v", info.Mode(), want)
	}
	if s.Addr() != "unix:"+path {
		t.Errorf("address %s", s.Addr())
	}
	s.Start()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
}
