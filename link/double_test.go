package link_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"netstackd/link"
	"netstackd/link/linktest"
)

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

// delivered is a packet as a dispatcher got it.
type delivered struct {
	protocol  tcpip.NetworkProtocolNumber
	bytes     string
	validated bool // RXChecksumValidated
	gso       stack.GSO
}

// collector is a dispatcher that keeps copies of what it gets.
type collector struct {
	got chan delivered
	// then, if set, is called for each packet before it is put in got.
	then func()
}

func newCollector() *collector { return &collector{got: make(chan delivered, 4096)} }

func (c *collector) DeliverNetworkPacket(p tcpip.NetworkProtocolNumber, pkt *stack.PacketBuffer) {
	if c.then != nil {
		c.then()
	}
	v := pkt.ToView()
	defer v.Release()
	c.got <- delivered{p, string(v.AsSlice()), pkt.RXChecksumValidated, pkt.GSOOptions}
}

func (c *collector) DeliverLinkPacket(tcpip.NetworkProtocolNumber, *stack.PacketBuffer) {
	panic("a TUN has no link packets")
}

// next is the next packet delivered.
func (c *collector) next(t *testing.T) delivered {
	t.Helper()
	select {
	case d := <-c.got:
		return d
	case <-time.After(patience):
		t.Fatal("no packet was delivered")
		panic("unreachable")
	}
}

// packet4 is an IPv4 header and enough bytes to be n long.
func packet4(n int) []byte {
	b := make([]byte, n)
	b[0] = 0x45
	for i := 1; i < n; i++ {
		b[i] = byte(i * 7)
	}
	return b
}

// packet6 is the same for IPv6.
func packet6(n int) []byte {
	b := packet4(n)
	b[0] = 0x60
	return b
}

// write sends packets through the endpoint as netstack does.
func write(e *link.Endpoint, packets ...[]byte) (int, tcpip.Error) {
	var list stack.PacketBufferList
	for _, p := range packets {
		list.PushBack(stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(p)}))
	}
	defer list.DecRef()
	return e.WritePackets(list)
}

// fake makes a fake device and its endpoint, both closed at the end of the test,
// and what they logged.
func fake(t *testing.T, o linktest.DeviceOptions) (*linktest.Device, *link.Endpoint, *logtest.Hook) {
	t.Helper()
	dev, err := linktest.NewDevice(o)
	if err != nil {
		t.Fatal(err)
	}
	log, logged := newLog()
	e, err := link.NewEndpoint(link.Wrap(dev), link.Options{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		e.Close()
		e.Wait()
	})
	return dev, e, logged
}

func newLog() (*logrus.Logger, *logtest.Hook) {
	log, logged := logtest.NewNullLogger()
	log.SetLevel(logrus.DebugLevel)
	return log, logged
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not happen", what)
		}
	}
}

// waitLog waits for a log line and returns its n-th occurrence, from 1.
func waitLog(t *testing.T, logged *logtest.Hook, message string, n int) *logrus.Entry {
	t.Helper()
	var found *logrus.Entry
	eventually(t, "log line "+message, func() bool {
		matching := linesWith(logged, message)
		if len(matching) >= n {
			found = matching[n-1]
		}
		return found != nil
	})
	return found
}

func linesWith(logged *logtest.Hook, message string) []*logrus.Entry {
	var matching []*logrus.Entry
	for _, entry := range logged.AllEntries() {
		if strings.Contains(entry.Message, message) {
			matching = append(matching, entry)
		}
	}
	return matching
}

// within runs f and fails when it blocks.
func within(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("%s blocked", what)
	}
}

// together runs all of them at once and waits.
func together(fs ...func()) {
	var wg sync.WaitGroup
	for _, f := range fs {
		wg.Go(f)
	}
	wg.Wait()
}
