package stack

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
)

// transfer sends size bytes to an echo service, half closes, and checks what
// comes back by hash, to the end.
func transfer(c *gonet.TCPConn, size int) error {
	const chunk = 1 << 20
	sent, got := sha256.New(), sha256.New()
	var writeErr error
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; i < size; i += chunk {
			b := noise(min(chunk, size-i), uint32(i))
			sent.Write(b)
			if _, writeErr = c.Write(b); writeErr != nil {
				return
			}
		}
		writeErr = c.CloseWrite()
	})
	n, err := io.Copy(got, c)
	wg.Wait()
	switch {
	case writeErr != nil || err != nil:
		return errors.Join(writeErr, err)
	case n != int64(size):
		return fmt.Errorf("got %d bytes back, want %d", n, size)
	case !bytes.Equal(sent.Sum(nil), got.Sum(nil)):
		return errors.New("other bytes came back than were sent")
	}
	return nil
}

func TestEchoStream(t *testing.T) {
	t.Parallel()
	for _, f := range families {
		for _, size := range []int{0, 1, 1459, 64 << 10, 3<<20 + 17, 32 << 20} {
			t.Run(fmt.Sprintf("%s/%d", f.name, size), func(t *testing.T) {
				t.Parallel()
				p := newPair(t, defaultLimits())
				if size > 10<<20 {
					p = newBulkPair(t)
				}
				if err := transfer(p.dial(f.host, 7), size); err != nil {
					t.Fatal(err)
				}
				eventually(t, "connection over", func() bool { return p.counters("echo").Open == 0 })
			})
		}
	}
}

// TestEchoStallsAndGoesOn: a client that sends much more than all buffers hold
// before it reads at all stops, and gets everything once it reads.
func TestEchoStallsAndGoesOn(t *testing.T) {
	t.Parallel()
	p := newBulkPair(t)
	c := p.dial(families[1].host, 7)
	var wg sync.WaitGroup
	want := noise(40<<20, 5)
	wg.Go(func() {
		if _, err := c.Write(want); err != nil {
			t.Error(err)
		}
		if err := c.CloseWrite(); err != nil {
			t.Error(err)
		}
	})
	time.Sleep(300 * time.Millisecond)
	got, err := io.ReadAll(c)
	wg.Wait()
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %d of %d bytes, %v", len(got), len(want), err)
	}
}

func TestDiscardStream(t *testing.T) {
	t.Parallel()
	for _, f := range families {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, defaultLimits())
			c := p.dial(f.host, 9)
			if _, err := c.Write(noise(8<<20, 1)); err != nil {
				t.Fatal(err)
			}
			if err := c.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(c); err != nil || len(b) != 0 {
				t.Errorf("got %d bytes, %v; want none and the end", len(b), err)
			}
			eventually(t, "connection over", func() bool { return p.counters("discard").Open == 0 })
		})
	}
}

// TestConnectionLimit fills a service to its limit over both families, has one
// more refused by a reset, and finds room again after one left.
func TestConnectionLimit(t *testing.T) {
	t.Parallel()
	const limit = 128
	p := newPair(t, patient(limit, 0))
	conns := make([]*gonet.TCPConn, limit)
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := worker; i < limit; i += 8 {
				c, err := p.tryDial(families[i%2].host, 7)
				if err == nil {
					conns[i] = c
					_, err = roundTrip(c, "here")
				}
				if err != nil {
					t.Errorf("connection %d: %v", i, err)
					return
				}
			}
		})
	}
	wg.Wait()
	defer func() {
		for _, c := range conns {
			if c != nil {
				c.Close()
			}
		}
	}()
	if t.Failed() {
		return
	}
	if got := p.counters("echo"); got.Open != uint64(limit) || got.Refused != 0 {
		t.Fatalf("counters %+v, want %d open and none refused", got, limit)
	}
	for i := range 3 {
		// The reset may come before or after dialing is done.
		if c, err := p.tryDial(families[i%2].host, 7); err == nil {
			if got, err := roundTrip(c, "me too"); err == nil {
				t.Errorf("connection over the limit echoed %q", got)
			}
			c.Close()
		}
		wantDrops(t, p, DropConnectionLimit, uint64(i)+1)
	}
	// Another service has a limit of its own.
	if _, err := readDatagram(p.dial(families[0].host, 19)); err != nil {
		t.Errorf("chargen while echo is full: %v", err)
	}
	conns[0].Close()
	eventually(t, "a slot free again", func() bool { return p.counters("echo").Open < uint64(limit) })
	if _, err := roundTrip(p.dial(families[0].host, 7), "now?"); err != nil {
		t.Errorf("after one left: %v", err)
	}
}

func roundTrip(c io.ReadWriter, text string) (string, error) {
	if _, err := io.WriteString(c, text); err != nil {
		return "", err
	}
	b := make([]byte, len(text))
	n, err := io.ReadFull(c, b)
	return string(b[:n]), err
}

// TestStalledClient: whoever makes no progress is reset after the idle time,
// and holds up nobody until then.
func TestStalledClient(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		service string
		port    uint16
		stall   func(*gonet.TCPConn)
	}{
		{"echo", 7, func(*gonet.TCPConn) {}},
		// Sends until nothing more fits, reads nothing.
		{"echo", 7, func(c *gonet.TCPConn) { _, _ = c.Write(make([]byte, 64<<20)) }},
		{"discard", 9, func(*gonet.TCPConn) {}},
		{"chargen", 19, func(*gonet.TCPConn) {}},
		// Sending to a service that only sends is no progress.
		{"chargen", 19, func(c *gonet.TCPConn) {
			for {
				if _, err := c.Write([]byte("x")); err != nil {
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
		}},
	} {
		t.Run(tc.service, func(t *testing.T) {
			t.Parallel()
			lim := defaultLimits()
			lim.idle = 1500 * time.Millisecond
			p := newPair(t, lim)
			c := p.dial(families[0].host, tc.port)
			var wg sync.WaitGroup
			wg.Go(func() { tc.stall(c) })
			eventually(t, "connection accepted", func() bool { return p.counters(tc.service).Connections == 1 })
			// It has its idle time. The others are not to be stalled when the machine is.
			if err := p.host.SetLimits(Limits{}); err != nil {
				t.Fatal(err)
			}
			for range 5 {
				if err := transfer(p.dial(families[1].host, 7), 1<<20); err != nil {
					t.Errorf("beside a stalled client: %v", err)
				}
			}
			eventually(t, "idle connection closed", func() bool { return p.drops(DropIdle) == 1 && p.counters(tc.service).Open == 0 })
			wg.Wait()
		})
	}
}

// TestSlowButSteady: an idle time is no limit on how long a connection lasts.
func TestSlowButSteady(t *testing.T) {
	t.Parallel()
	lim := defaultLimits()
	lim.idle = 2 * time.Second
	p := newPair(t, lim)
	// steady reports whether the machine was never that slow that the connection was
	// idle for half the time, or more.
	steady := func() bool {
		c := p.dial(families[0].host, 7)
		for begun := time.Now(); time.Since(begun) < lim.idle+lim.idle/4; {
			at := time.Now()
			_, err := roundTrip(c, "still here")
			time.Sleep(lim.idle / 10)
			if time.Since(at) > lim.idle/2 {
				return false
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		return true
	}
	for range 20 {
		if steady() {
			return
		}
	}
	t.Fatal("the machine is never fast enough to be slow")
}

// TestClientVanishes: connections that are reset or closed by force end.
func TestClientVanishes(t *testing.T) {
	t.Parallel()
	p := newPair(t, defaultLimits())
	var dialed uint64
	for _, port := range []uint16{7, 9, 19} {
		for range 20 {
			c, err := p.tryDial(families[0].host, port)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Write([]byte("goodbye")); err != nil {
				t.Fatal(err)
			}
			c.Close() // what it did not read makes it a reset
			dialed++
		}
	}
	eventually(t, "all connections over", func() bool {
		var open, accepted uint64
		for _, s := range p.host.Counters().Services {
			open, accepted = open+s.Open, accepted+s.Connections
		}
		return accepted == dialed && open == 0
	})
}

func BenchmarkEchoStream(b *testing.B) {
	for _, f := range families {
		b.Run(f.name, func(b *testing.B) {
			p := newBulkPair(b)
			const size = 64 << 20
			b.SetBytes(size)
			for b.Loop() {
				if err := transfer(p.dial(f.host, 7), size); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEchoDatagram(b *testing.B) {
	for _, size := range []int{0, 1400, 60000} {
		b.Run(sizeName(size), func(b *testing.B) {
			p := newPair(b, defaultLimits())
			c := p.datagrams(netip.Addr{}, 0, families[0].host, 7)
			request, reply := make([]byte, size), make([]byte, size+1)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Write(request); err != nil {
					b.Fatal(err)
				}
				if _, err := c.Read(reply); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// transferTo is a short transfer to an address that may need its NIC named.
func transferTo(p *pair, to tcpip.FullAddress) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := gonet.DialContextTCP(ctx, p.client, to, protocolOf(toAddr(to.Addr)))
	if err != nil {
		return err
	}
	defer c.Close()
	return transfer(c, 100_000)
}
