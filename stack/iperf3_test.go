package stack

import (
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"

	"netstackd/stack/iperf3"
)

// speedTest is an iperf3 client's side of a test. The states are numbers of the
// protocol: package iperf3 tests that; here is what netstack has to do with it.
type speedTest struct {
	*pair
	to      netip.Addr
	cookie  []byte
	control *gonet.TCPConn
}

// speedTestOf begins a test and hands over its parameters.
func (p *pair) speedTestOf(to netip.Addr, parameters string) *speedTest {
	p.t.Helper()
	c := &speedTest{pair: p, to: to, cookie: []byte(strings.Repeat("c", 36) + "\x00")}
	c.control = p.dial(to, iperf3.Port)
	c.say(c.control, c.cookie)
	c.hear(9) // PARAM_EXCHANGE
	c.say(c.control, append(binary.BigEndian.AppendUint32(nil, uint32(len(parameters))), parameters...))
	c.hear(10) // CREATE_STREAMS
	return c
}

func (c *speedTest) say(to net.Conn, b []byte) {
	c.t.Helper()
	if _, err := to.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

func (c *speedTest) hear(want ...byte) {
	c.t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c.control, got); err != nil || string(got) != string(want) {
		c.t.Fatalf("states %v and %v, want %v", got, err, want)
	}
}

// stream opens a TCP stream.
func (c *speedTest) stream() *gonet.TCPConn {
	c.t.Helper()
	s := c.dial(c.to, iperf3.Port)
	c.say(s, c.cookie)
	return s
}

// speedResults are the server's.
type speedResults struct {
	Congestion string `json:"congestion_used"`
	Streams    []struct {
		Bytes, Packets, Errors uint64
		Retransmits            int64
	}
}

// end ends the test.
func (c *speedTest) end() speedResults {
	c.t.Helper()
	c.say(c.control, []byte{4}) // TEST_END
	c.hear(13)                  // EXCHANGE_RESULTS
	c.say(c.control, []byte("\x00\x00\x00\x02{}"))
	var size [4]byte
	if _, err := io.ReadFull(c.control, size[:]); err != nil {
		c.t.Fatal(err)
	}
	message := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(c.control, message); err != nil {
		c.t.Fatal(err)
	}
	var r speedResults
	if err := json.Unmarshal(message, &r); err != nil {
		c.t.Fatal(err)
	}
	c.hear(14)                   // DISPLAY_RESULTS
	c.say(c.control, []byte{16}) // IPERF_DONE
	c.control.Close()
	return r
}

func TestIperf3TCP(t *testing.T) {
	t.Parallel()
	for _, f := range families {
		p := newBulkPair(t)
		const size = 20 << 20
		c := p.speedTestOf(f.host, `{"tcp":true,"bidirectional":true,"len":100000,"num":3000000,"TOS":16,"window":500000,"congestion":"reno"}`)
		to, from := c.stream(), c.stream()
		c.hear(1, 2)
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := to.Write(make([]byte, size)); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if _, err := io.ReadFull(from, make([]byte, 3_000_000)); err != nil {
				t.Error(err)
			}
		})
		// The server may end the test before it has taken what is under way.
		wg.Wait()
		r := c.end()
		if n, err := io.Copy(io.Discard, from); n != 0 {
			t.Errorf("%s: %d bytes more than were wanted, %v", f.name, n, err)
		}
		if len(r.Streams) != 2 || r.Congestion != "reno" || r.Streams[0].Bytes < size/4 || r.Streams[0].Bytes > size || r.Streams[1].Bytes != 3_000_000 ||
			r.Streams[0].Retransmits != -1 || r.Streams[1].Retransmits < 0 {
			t.Errorf("%s: %+v", f.name, r)
		}
		to.Close()
		from.Close()
		eventually(t, "connections over", func() bool { return p.counters("iperf3").Open == 0 })
		if n := p.counters("iperf3").Connections; n != 3 {
			t.Errorf("%s: %d connections", f.name, n)
		}
	}
}

func TestIperf3UDP(t *testing.T) {
	t.Parallel()
	for _, f := range families {
		p := newPair(t, defaultLimits())
		c := p.speedTestOf(f.host, `{"udp":true,"bidirectional":true,"len":3000,"bandwidth":8000000,"TOS":16,"dont_fragment":0}`)
		up := p.datagrams(f.client, 0, f.host, iperf3.Port)
		down := p.datagrams(f.client, 0, f.host, iperf3.Port)
		for _, u := range []net.Conn{up, down} {
			if b, err := ask(u, []byte("9876")); err != nil || string(b) != "6789" {
				t.Fatalf("%s: %q, %v", f.name, b, err)
			}
		}
		c.hear(1, 2)
		const sent = 1000
		for i := range sent {
			b := make([]byte, 3000) // in fragments
			now := time.Now()
			binary.BigEndian.PutUint32(b, uint32(now.Unix()))
			binary.BigEndian.PutUint32(b[4:], uint32(now.Nanosecond()/1000))
			binary.BigEndian.PutUint32(b[8:], uint32(i+1))
			c.say(up, b)
		}
		c.say(up, []byte("too short"))
		// That of the question may be over.
		if err := down.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			b, err := readDatagram(down)
			if err != nil || len(b) != 3000 || binary.BigEndian.Uint32(b[8:]) != uint32(i+1) {
				t.Fatalf("%s: datagram %d: %d bytes, %v", f.name, i, len(b), err)
			}
		}
		r := c.end()
		if len(r.Streams) != 2 || r.Streams[0].Bytes != 3000*sent || r.Streams[0].Packets != sent || r.Streams[0].Errors != 0 || r.Streams[1].Packets < 20 {
			t.Errorf("%s: %+v", f.name, r)
		}
		c.say(up, make([]byte, 100)) // the test is over
		eventually(t, "all datagrams", func() bool { return p.counters("iperf3").Datagrams == 2+sent+2 })
		counters := p.counters("iperf3")
		if counters.Replies != 2 || counters.Ignored != 2 {
			t.Errorf("%s: %+v", f.name, counters)
		}
		wantDrops(t, p, DropIperf3Short, 1)
		wantDrops(t, p, DropIperf3NoStream, 1)
	}
}

// TestIperf3Refuses: what is refused is counted under its name.
func TestIperf3Refuses(t *testing.T) {
	t.Parallel()
	p := newPair(t, defaultLimits())
	to := families[0].host
	first := p.speedTestOf(to, `{"tcp":true,"len":1000}`)
	second := p.dial(to, iperf3.Port)
	first.say(second, []byte(strings.Repeat("d", 36)+"\x00"))
	if b, err := io.ReadAll(second); err != nil || string(b) != "\xff" {
		t.Errorf("the second client read %q and %v, want ACCESS_DENIED and the end", b, err)
	}
	garbage := p.dial(to, iperf3.Port)
	first.say(garbage, []byte("GET / HTTP/1.1\r\nHost: 172.16.0.2:5201\r\n\r\n"))
	if b, err := io.ReadAll(garbage); len(b) != 0 || err == nil {
		t.Errorf("garbage drew %q and %v, want a reset", b, err)
	}
	silent(t, p.datagrams(families[0].client, 0, to, iperf3.Port))
	wantDrops(t, p, DropIperf3Busy, 1)
	wantDrops(t, p, DropIperf3NoCookie, 1)
}

// TestIperf3Close: Close ends a test in the middle, at once, and leaves nothing
// behind; TestMain looks.
func TestIperf3Close(t *testing.T) {
	t.Parallel()
	for _, parameters := range []string{
		`{"tcp":true,"len":1000}`,
		`{"tcp":true,"len":100000,"reverse":true}`,
		`{"tcp":true,"len":100000,"reverse":true,"bandwidth":1}`,
		`{"udp":true,"reverse":true,"bandwidth":1000}`,
		`{"udp":true,"reverse":true}`,
	} {
		p := newPair(t, defaultLimits())
		to := families[1].host
		c := p.speedTestOf(to, parameters)
		if strings.Contains(parameters, "tcp") {
			c.stream()
		} else if _, err := ask(p.datagrams(families[1].client, 0, to, iperf3.Port), []byte("9876")); err != nil {
			t.Fatal(err)
		}
		c.hear(1, 2)
		time.Sleep(20 * time.Millisecond)
		begin := time.Now()
		if err := p.host.Close(); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("%s: Close took %v", parameters, took)
		}
		c.hear(11) // SERVER_TERMINATE
	}
}

// TestIperf3TextIsText: what a stream sends is the text, whatever its blocks.
func TestIperf3TextIsText(t *testing.T) {
	t.Parallel()
	p := newPair(t, defaultLimits())
	c := p.speedTestOf(families[0].host, `{"tcp":true,"len":500,"reverse":true,"num":1000}`)
	s := c.stream()
	c.hear(1, 2)
	got := make([]byte, 1000)
	if _, err := io.ReadFull(s, got); err != nil {
		t.Fatal(err)
	}
	if want := string(chargenText[:500]) + string(chargenText[:500]); string(got) != want {
		t.Errorf("got %q", got)
	}
	c.end()
}

// BenchmarkBulk holds the iperf3 service against discard and chargen: the same
// client, the same link.
func BenchmarkBulk(b *testing.B) {
	const chunk = 128 << 10
	to := families[0].host
	for _, bench := range []struct {
		name string
		open func(*pair) *gonet.TCPConn
		move func(net.Conn, []byte) (int, error)
	}{
		{"in/discard", func(p *pair) *gonet.TCPConn { return p.dial(to, 9) }, net.Conn.Write},
		{"in/iperf3", func(p *pair) *gonet.TCPConn {
			c := p.speedTestOf(to, `{"tcp":true,"len":131072}`)
			s := c.stream()
			c.hear(1, 2)
			return s
		}, net.Conn.Write},
		{"out/chargen", func(p *pair) *gonet.TCPConn { return p.dial(to, 19) }, net.Conn.Read},
		{"out/iperf3", func(p *pair) *gonet.TCPConn {
			c := p.speedTestOf(to, `{"tcp":true,"len":131072,"reverse":true}`)
			s := c.stream()
			c.hear(1, 2)
			return s
		}, net.Conn.Read},
	} {
		b.Run(bench.name, func(b *testing.B) {
			p := newBulkPair(b)
			c := bench.open(p)
			buf := make([]byte, chunk)
			b.SetBytes(chunk)
			b.ReportAllocs()
			for b.Loop() {
				for n := 0; n < chunk; {
					k, err := bench.move(c, buf[n:])
					if err != nil {
						b.Fatal(err)
					}
					n += k
				}
			}
		})
	}
}
