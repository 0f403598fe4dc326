package torture

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"netstackd/cmd/netstackconform/internal/host"
)

// A Kernel is the account of the kernel's side of a device.
type Kernel struct {
	// Refused are packets that it did not take from the sender, by the error.
	Refused map[string]uint64 `json:"refused,omitempty"`
	// Own are those that it sent itself, Twice those that it could not cut up and
	// counts as dropped twice (validate_xmit_skb and __dev_direct_xmit in
	// net/core/dev.c).
	Own   uint64 `json:"own"`
	Twice uint64 `json:"twice"`
	// Passed are those that were read from the device, Dropped those that never were
	// (tx_dropped).
	Passed  uint64 `json:"passed"`
	Dropped uint64 `json:"dropped"`
}

// accountForKernel wants each packet sent to have been dropped by the kernel, and
// counted there, or to have come out of its queue, and to be in netstackd's account.
// extra is how many the link may have made of super-datagrams, and late how many the
// kernel has sent itself since it was looked at.
func (o *Outcome) accountForKernel(sent, extra, late uint64) {
	k := o.Kernel
	if sent+k.Own != k.Passed+k.Dropped-k.Twice {
		o.wrong("%d packets sent and %d the kernel's own, but %d read from the device and %d dropped before, %d of them counted twice",
			sent, k.Own, k.Passed, k.Dropped, k.Twice)
	}
	arrived := o.Counts.In
	for _, reason := range inboundLosses {
		arrived += o.Counts.Link[reason]
	}
	if most := k.Passed + extra + late; arrived < k.Passed || arrived > most {
		o.wrong("%d packets read from the device, %d accounted for; at most %d can have come of them", k.Passed, arrived, most)
	}
}

// A kernel looks at the kernel's side of the device in the namespace of the thread that
// opened it, by which alone it may be used.
type kernel struct {
	// fd is a socket that counts what the kernel sends by itself. What a packet socket
	// sends past the queueing discipline it is not shown (packet(7)).
	fd      int
	counted uint64
	// last are the counts of the device when they were read last, atRest those of
	// when nothing moved.
	last, atRest counts
}

// counts are those of the device.
type counts struct{ Passed, Dropped, own uint64 }

// openKernel begins to look, before there is any device but lo.
func openKernel() (*kernel, error) {
	// All outgoing packets of other devices; of their bytes none are kept.
	program, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtInterfaceIndex},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: loIndex, SkipTrue: 3},
		bpf.LoadExtension{Num: bpf.ExtType},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.PACKET_OUTGOING, SkipTrue: 1},
		bpf.RetConstant{Val: 1},
		bpf.RetConstant{Val: 0},
	})
	if err != nil {
		return nil, fmt.Errorf("watch what the kernel sends: %w", err)
	}
	filter := make([]unix.SockFilter, len(program))
	for i, in := range program {
		filter[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	// It hears nothing before it is bound.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("watch what the kernel sends: %w", err)
	}
	err = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: bigEndian(unix.ETH_P_ALL)})
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("watch what the kernel sends: %w", err), unix.Close(fd))
	}
	return &kernel{fd: fd}, nil
}

// muffle has the kernel say nothing about packets of the host's to nobody. Over IPv6
// it reports what it has no route for, whether it forwards or not; what it has one
// for, and does not forward, it drops in silence.
func muffle() error {
	l, err := netlink.LinkByName(host.Device)
	if err == nil {
		err = netlink.RouteAdd(&netlink.Route{LinkIndex: l.Attrs().Index, Dst: &net.IPNet{IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)}})
	}
	if err != nil {
		return fmt.Errorf("route to %s: %w", host.Device, err)
	}
	return nil
}

// loIndex is that of lo in each namespace.
const loIndex = 1

// bigEndian is a 16-bit number in network byte order.
func bigEndian(n uint16) uint16 { return n<<8 | n>>8 }

// own returns how many packets the kernel has sent by itself so far.
func (k *kernel) own() (uint64, error) {
	// Reading begins the count anew. It counts those, too, for which the socket had no
	// room: nobody reads it.
	s, err := unix.GetsockoptTpacketStats(k.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return 0, fmt.Errorf("count what the kernel sends: %w", err)
	}
	k.counted += uint64(s.Packets)
	return k.counted, nil
}

// counts reads the device's.
func (k *kernel) counts() (counts, error) {
	text, err := os.ReadFile("/proc/thread-self/net/dev")
	if err != nil {
		return k.last, fmt.Errorf("count packets: %w", err)
	}
	for line := range bytes.Lines(text) {
		// proc_pid_net(5): eight figures of what is received, eight of what is sent.
		name, rest, _ := strings.Cut(strings.TrimSpace(string(line)), ":")
		fields := strings.Fields(rest)
		if name != host.Device || len(fields) < 16 {
			continue
		}
		passed, err := strconv.ParseUint(fields[9], 10, 64)
		if err != nil {
			return k.last, fmt.Errorf("count packets: %w", err)
		}
		dropped, err := strconv.ParseUint(fields[11], 10, 64)
		if err != nil {
			return k.last, fmt.Errorf("count packets: %w", err)
		}
		k.last = counts{Passed: passed, Dropped: dropped}
		return k.last, nil
	}
	return k.last, fmt.Errorf("count packets: no device %s", host.Device)
}

// drops returns how many more packets the kernel counts as dropped than when it was
// looked at last.
func (k *kernel) drops() (uint64, error) {
	before := k.last.Dropped
	n, err := k.counts()
	return n.Dropped - before, err
}

// rest waits until nothing moves, and notes all counts of that moment.
func (k *kernel) rest() error {
	var last counts
	for begin := time.Now(); time.Since(begin) < patience; time.Sleep(10 * time.Millisecond) {
		n, err := k.counts()
		if err == nil {
			n.own, err = k.own()
		}
		if err != nil {
			return err
		}
		if n == last {
			k.atRest = n
			return nil
		}
		last = n
	}
	return fmt.Errorf("the kernel sends packets for %v, and nobody asked", patience)
}

func (k *kernel) close() error { return unix.Close(k.fd) }
