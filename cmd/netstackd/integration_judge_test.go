//go:build linux

package main_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// capture is a running tcpdump on the daemon's device.
type capture struct {
	cmd  *exec.Cmd
	path string
	log  logText
}

// startCapture starts tcpdump and waits until it listens.
func startCapture(t *testing.T) *capture {
	t.Helper()
	c := &capture{path: filepath.Join(t.TempDir(), "capture.pcap")}
	c.cmd = exec.Command("tcpdump", "-i", device, "-Z", "root", "-U", "--immediate-mode",
		"-s", "0", "-B", "32768", "-w", c.path)
	c.cmd.Stderr = &c.log
	if err := c.cmd.Start(); err != nil {
		t.Fatalf("start tcpdump: %v", err)
	}
	t.Cleanup(func() { _ = c.cmd.Process.Kill() })
	waitFor(t, "tcpdump to listen", func() bool { return strings.Contains(c.log.String(), "listening on") })
	return c
}

// stop ends tcpdump, which must not have missed a packet. A last packet with a
// mark shows that all those before it are in the file.
func (c *capture) stop(t *testing.T) {
	t.Helper()
	mark := []byte("the end of the capture")
	if _, err := dialed(t, "udp", netstack4, "9").Write(mark); err != nil {
		t.Fatalf("send the mark: %v", err)
	}
	waitFor(t, "the capture to be complete", func() bool {
		file, err := os.ReadFile(c.path)
		return err == nil && bytes.Contains(file, mark)
	})
	if err := c.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatalf("stop tcpdump: %v", err)
	}
	if err := c.cmd.Wait(); err != nil {
		t.Fatalf("tcpdump: %v\n%s", err, &c.log)
	}
	if !strings.Contains(c.log.String(), "\n0 packets dropped by kernel") {
		t.Errorf("tcpdump missed packets:\n%s", &c.log)
	}
}

// judged is one packet as tshark sees it. The numbers are -1 where a layer is
// not there; status is 0 bad, 1 good, 2 not verified.
type judged struct {
	number int
	status map[string]int
	line   string
}

// layers are the checksums that tshark judges.
var layers = []string{"ip", "tcp", "udp", "icmp", "icmpv6"}

// judge has tshark verify every checksum of every packet from netstackd.
func (c *capture) judge(t *testing.T) []judged {
	t.Helper()
	args := []string{"-r", c.path, "-n",
		"-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE",
		"-Y", fmt.Sprintf("ip.src == %s || ipv6.src == %s", netstack4, netstack6),
		// The first occurrence is the packet's own; an ICMP error quotes another.
		"-T", "fields", "-E", "occurrence=f", "-E", "separator=/t", "-e", "frame.number"}
	for _, layer := range layers {
		args = append(args, "-e", layer+".checksum.status")
	}
	out, err := exec.Command("tshark", args...).Output()
	if err != nil {
		t.Fatalf("tshark: %v", err)
	}
	var all []judged
	for line := range strings.Lines(string(out)) {
		cells := strings.Split(strings.TrimRight(line, "\n"), "\t")
		if len(cells) != 1+len(layers) {
			t.Fatalf("tshark printed %q", line)
		}
		j := judged{line: line, status: map[string]int{}}
		if j.number, err = strconv.Atoi(cells[0]); err != nil {
			t.Fatalf("tshark printed %q", line)
		}
		for i, cell := range cells[1:] {
			if cell == "" {
				continue
			}
			if j.status[layers[i]], err = strconv.Atoi(cell); err != nil {
				t.Fatalf("tshark printed %q", line)
			}
		}
		all = append(all, j)
	}
	return all
}

// frames are the captured packets, the first one at index 1 as tshark counts.
func (c *capture) frames(t *testing.T) [][]byte {
	t.Helper()
	file, err := os.ReadFile(c.path)
	if err != nil {
		t.Fatalf("read capture: %v", err)
	}
	if len(file) < 24 || binary.LittleEndian.Uint32(file) != 0xa1b2c3d4 {
		t.Fatalf("%s is no capture of this machine's byte order", c.path)
	}
	frames := [][]byte{nil}
	for file = file[24:]; len(file) >= 16; {
		length := int(binary.LittleEndian.Uint32(file[8:]))
		frames = append(frames, file[16:16+length])
		file = file[16+length:]
	}
	return frames
}

// leftToKernel reports whether a TCP packet carries the sum of the
// pseudo-header alone in its checksum field. That is the contract of checksum
// offload: such a packet never left for a wire, and there is no checksum in it
// for an outside judge to verify.
func leftToKernel(packet []byte) bool {
	var header, pseudo []byte
	if packet[0]>>4 == 4 {
		header = packet[int(packet[0]&15)*4:]
		pseudo = append(pseudo, packet[12:20]...)
	} else {
		header = packet[40:]
		pseudo = append(pseudo, packet[8:40]...)
	}
	pseudo = binary.BigEndian.AppendUint32(pseudo, uint32(len(header)))
	pseudo = append(pseudo, 0, 0, 0, syscall.IPPROTO_TCP)
	return binary.BigEndian.Uint16(header[16:]) == onesSum(pseudo)
}

// TestIntegrationJudge captures traffic of every kind and has tshark verify
// the checksums of every packet that netstackd sent.
//
// Without offload, for with it the capture shows sums that are left to whoever
// puts the packet on a wire; the capture of -pcapng completes those, and has a
// test of its own. The device still takes several TCP segments as one
// super-segment, so those are counted apart and only the pseudo-header sum in
// them is checked; all others must be good.
func TestIntegrationJudge(t *testing.T) {
	if !inNamespace(t, "tcpdump", "tshark", "ping") {
		return
	}
	d := startDaemon(t, "-offload", "off")
	c := startCapture(t)
	for _, host := range []string{netstack4, netstack6} {
		for _, size := range []string{"0", "1", "56", "57", "1000", "1473", "4001", "65000"} {
			pinged(t, tool(t, patience, "ping", "-c", "2", "-i", "0.2", "-s", size, host), 2)
		}
		t.Run("services "+host, func(t *testing.T) {
			tcpEcho(t, host)
			tcpDiscard(t, host)
			tcpChargen(t, host)
			udpEcho(t, host)
			udpChargen(t, host)
			httpPage(t, host)
			closedPort(t, host)
			smallTalk(t, host)
			closedUDP(t, host)
		})
	}
	c.stop(t)
	d.stop(t)

	frames := c.frames(t)
	good, offloaded := map[string]int{}, 0
	for _, j := range c.judge(t) {
		for layer, status := range j.status {
			switch {
			case status == 1:
				good[layer]++
			case layer == "tcp" && leftToKernel(frames[j.number]):
				offloaded++
			default:
				t.Errorf("tshark calls the %s checksum of packet %d %s: % x", layer, j.number,
					map[int]string{0: "bad", 2: "not verified", 3: "absent", 4: "illegal"}[status], head(frames[j.number]))
			}
		}
	}
	t.Logf("checksums that tshark calls good: %v; TCP super-segments left to the kernel: %d", good, offloaded)
	for layer, least := range map[string]int{"ip": 200, "tcp": 100, "udp": 30, "icmp": 17, "icmpv6": 17} {
		if good[layer] < least {
			t.Errorf("tshark verified only %d checksums of %s, want at least %d: the traffic or the capture is wrong", good[layer], layer, least)
		}
	}
}

// smallTalk exchanges short messages, one at a time, so that no two segments
// can be merged on their way to the kernel.
func smallTalk(t *testing.T, host string) {
	t.Helper()
	conn := dialed(t, "tcp", host, "7")
	for size := 1; size <= 50; size++ {
		sent, got := bytesOf(size), make([]byte, size)
		if _, err := conn.Write(sent); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(got); err != nil || !bytes.Equal(sent, got) {
			t.Fatalf("echo of %d bytes: %x, %v", size, got, err)
		}
	}
}

// closedUDP wants the ICMP error for a port where nobody listens.
func closedUDP(t *testing.T, host string) {
	t.Helper()
	conn := dialed(t, "udp", host, "81")
	if _, err := conn.Write([]byte("nobody")); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 10)); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("UDP port 81: %v, want connection refused", err)
	}
}

// head is enough of a packet to see what it is.
func head(packet []byte) []byte {
	return packet[:min(len(packet), 80)]
}
