package link_test

import (
	"os"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/tun"

	"netstackd/link"
	"netstackd/link/linktest"
)

// openTUN opens a TUN device as somebody else might, with flags beside IFF_TUN,
// and gives it up at the end of the test.
func openTUN(t *testing.T, flags uint16, change func(fd int) error) *link.Device {
	t.Helper()
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ifr, err := unix.NewIfreq("foreign0")
	if err != nil {
		t.Fatal(err)
	}
	ifr.SetUint16(flags)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		if err := change(fd); err != nil {
			t.Fatal(err)
		}
	}
	dev, _, err := tun.CreateUnmonitoredTUNFromFD(fd)
	if err != nil {
		t.Fatal(err)
	}
	d := link.Wrap(dev)
	t.Cleanup(func() { d.Close() }) //nolint:errcheck // nothing to lose
	return d
}

// TestWrapVirtio: a device that is none of the kernel's passes super-segments, if it is
// wrapped as one that can, and no other does.
func TestWrapVirtio(t *testing.T) {
	for _, can := range []bool{true, false} {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fds[1]) //nolint:errcheck // nothing to lose
		dev, err := linktest.NewDevice(linktest.DeviceOptions{})
		if err != nil {
			t.Fatal(err)
		}
		on := &onFile{Device: dev, file: os.NewFile(uintptr(fds[0]), "device")}
		defer on.file.Close() //nolint:errcheck // likewise
		wrap := link.Wrap
		if can {
			wrap = link.WrapVirtio
		}
		e, err := link.NewEndpoint(wrap(on), link.Options{Offload: link.OffloadOn})
		if (err == nil) != can {
			t.Fatalf("can %v: %v", can, err)
		}
		if !can {
			dev.Close() //nolint:errcheck // likewise
			continue
		}
		c := newCollector()
		e.Attach(c)
		segment := packet4(60)
		if _, err := unix.Write(fds[1], append(make([]byte, 10), segment...)); err != nil {
			t.Fatal(err)
		}
		if got := c.next(t); got.bytes != string(segment) || !e.Offloads() {
			t.Errorf("delivered %x, offloads %v", got.bytes, e.Offloads())
		}
		e.Close()
		e.Wait()
	}
}

// onFile is a fake device with another file.
type onFile struct {
	*linktest.Device
	file *os.File
}

func (d *onFile) File() *os.File { return d.file }

// TestIntegrationOffloadRefused: each device that cannot, and why.
func TestIntegrationOffloadRefused(t *testing.T) {
	for _, tc := range []struct {
		name   string
		flags  uint16
		change func(fd int) error
		why    string // none if it can
	}{
		{"virtio-net header", unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_VNET_HDR, nil, ""},
		{"no virtio-net header", unix.IFF_TUN | unix.IFF_NO_PI, nil, "the device was made without a virtio-net header (vnet_hdr)"},
		{"TAP", unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR, nil, "the device is a TAP, not a TUN"},
		{"long header", unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_VNET_HDR,
			func(fd int) error { return unix.IoctlSetPointerInt(fd, unix.TUNSETVNETHDRSZ, 12) }, "the device's virtio-net header has 12 bytes, not 10"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if !inNamespace(t) {
				return
			}
			dev := openTUN(t, tc.flags, tc.change)
			e, err := link.NewEndpoint(dev, link.Options{Offload: link.OffloadOn})
			if tc.why == "" {
				if err != nil || !e.Offloads() {
					t.Fatalf("refused: %v", err)
				}
				e.Close()
				return
			}
			if want := "offload to device foreign0: " + tc.why; err == nil || err.Error() != want {
				t.Errorf("error %v, want %s", err, want)
			}
			log, logged := newLog()
			e, err = link.NewEndpoint(dev, link.Options{Log: log, Offload: link.OffloadAuto})
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			if e.Offloads() {
				t.Error("auto offloads")
			}
			entry := waitLog(t, logged, "no offload", 1)
			if got, _ := entry.Data[logrus.ErrorKey].(error); got == nil || got.Error() != tc.why {
				t.Errorf("auto says %v, want %s", got, tc.why)
			}
		})
	}
}

// TestIntegrationBusyPollIdle: polling costs little on a link where nothing comes,
// or something now and then.
func TestIntegrationBusyPollIdle(t *testing.T) {
	for _, poll := range []time.Duration{0, 50 * time.Microsecond} {
		t.Run(poll.String(), func(t *testing.T) {
			if !inNamespace(t) {
				return
			}
			r := newRig(t, link.Options{Offload: link.OffloadOn, BusyPoll: poll}, nil)
			for range 10 {
				r.bothFamilies(t) // packets that come close together
			}
			for _, tc := range []struct {
				name string
				do   func()
			}{
				{"nothing comes", func() {}},
				{"packets now and then", func() { r.bothFamilies(t) }},
			} {
				before, start := cpuTime(t), time.Now()
				for time.Since(start) < 2*time.Second {
					tc.do()
					time.Sleep(100 * time.Millisecond)
				}
				used, passed := cpuTime(t)-before, time.Since(start)
				t.Logf("%s: %v of CPU time in %v", tc.name, used.Round(time.Microsecond), passed.Round(time.Millisecond))
				if used > passed/10 {
					t.Errorf("%s: %v of CPU time in %v, want at most a tenth", tc.name, used, passed)
				}
			}
		})
	}
}

// cpuTime is what this process has used.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
