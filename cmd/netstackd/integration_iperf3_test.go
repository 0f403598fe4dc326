//go:build linux

package main_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// iperf3Limit bounds one run of the client. The longest test is of 2 s.
const iperf3Limit = 20 * time.Second

// iperf3 runs the client against the daemon and returns what it printed.
func iperf3(t *testing.T, host string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), iperf3Limit)
	defer cancel()
	client := exec.CommandContext(ctx, "iperf3", append([]string{"-c", host}, args...)...)
	client.WaitDelay = time.Second
	out, err := client.CombinedOutput()
	return string(out), err
}

// iperf3End is the "end" of the client's JSON, what of it is looked at.
type iperf3End struct {
	Streams []struct {
		Sender, Receiver iperf3Sum
		UDP              iperf3Sum
	}
	SumSent               iperf3Sum `json:"sum_sent"`
	SumReceived           iperf3Sum `json:"sum_received"`
	SumSentBidir          iperf3Sum `json:"sum_sent_bidir_reverse"`
	SumReceivedBidir      iperf3Sum `json:"sum_received_bidir_reverse"`
	Sum                   iperf3Sum
	SenderCongestion      string `json:"sender_tcp_congestion"`
	ReceiverCongestion    string `json:"receiver_tcp_congestion"`
	CPUUtilizationPercent struct {
		RemoteTotal float64 `json:"remote_total"`
	} `json:"cpu_utilization_percent"`
}

type iperf3Sum struct {
	Bytes       int64
	Seconds     float64
	Retransmits *int64
	Packets     int64
	LostPackets int64   `json:"lost_packets"`
	JitterMS    float64 `json:"jitter_ms"`
}

// iperf3JSON runs the client with -J, which must succeed.
func iperf3JSON(t *testing.T, host string, args ...string) (end iperf3End, text string) {
	t.Helper()
	out, err := iperf3(t, host, append(args, "-J")...)
	if err != nil {
		t.Fatalf("iperf3 %v: %v\n%s", args, err, out)
	}
	var all struct {
		Error        string
		End          iperf3End
		ServerOutput string `json:"server_output_text"`
	}
	if err := json.Unmarshal([]byte(out), &all); err != nil || all.Error != "" {
		t.Fatalf("iperf3 %v: %v, error %q\n%s", args, err, all.Error, out)
	}
	return all.End, all.ServerOutput
}

// carried wants both sides to have counted about the same, and enough.
func carried(t *testing.T, what string, sent, received iperf3Sum, least int64) {
	t.Helper()
	if received.Bytes < least || received.Bytes > sent.Bytes || sent.Bytes-received.Bytes > 64<<20 {
		t.Errorf("%s: %d bytes sent and %d received, want at least %d and about as many", what, sent.Bytes, received.Bytes, least)
	}
}

// TestIntegrationIPerf3 runs the client that everyone has against the server
// inside netstack.
func TestIntegrationIPerf3(t *testing.T) {
	if !inNamespace(t, "iperf3") {
		return
	}
	d := startDaemon(t)
	const enough = 1 << 20
	for _, host := range []string{netstack4, netstack6} {
		t.Run("TCP "+host, func(t *testing.T) {
			end, _ := iperf3JSON(t, host, "-t", "1")
			carried(t, "to netstack", end.SumSent, end.SumReceived, enough)
			if end.ReceiverCongestion != "cubic" {
				t.Errorf("netstack's congestion control is %q", end.ReceiverCongestion)
			}
			if end.CPUUtilizationPercent.RemoteTotal <= 0 {
				t.Errorf("netstackd used %v %% of a processor", end.CPUUtilizationPercent.RemoteTotal)
			}
		})
		t.Run("TCP reverse "+host, func(t *testing.T) {
			end, _ := iperf3JSON(t, host, "-t", "1", "-R")
			carried(t, "from netstack", end.SumSent, end.SumReceived, enough)
			if end.SumSent.Retransmits == nil {
				t.Error("netstack does not say what it sent again")
			}
		})
		t.Run("UDP "+host, func(t *testing.T) {
			end, _ := iperf3JSON(t, host, "-t", "1", "-u", "-b", "50M")
			if end.Sum.Bytes < 5_500_000 || end.Sum.Packets < 3000 || end.Sum.LostPackets > end.Sum.Packets/2 {
				t.Errorf("50 Mbit/s for 1 s came out as %+v", end.Sum)
			}
		})
		t.Run("UDP reverse "+host, func(t *testing.T) {
			end, _ := iperf3JSON(t, host, "-t", "1", "-u", "-R", "-b", "50M")
			if end.Sum.Packets < 3000 || end.Sum.Packets > 6000 || end.Sum.LostPackets > end.Sum.Packets/2 {
				t.Errorf("50 Mbit/s for 1 s came out as %+v", end.Sum)
			}
		})
	}
	t.Run("8 streams", func(t *testing.T) {
		end, _ := iperf3JSON(t, netstack4, "-t", "1", "-P", "8")
		carried(t, "to netstack", end.SumSent, end.SumReceived, enough)
		if len(end.Streams) != 8 {
			t.Fatalf("%d streams, want 8", len(end.Streams))
		}
		// The two sides number the streams by the order in which they open. Two
		// that the client opens within microseconds, netstack accepts now and then
		// the other way round, as it processes them on two cores: so the figures
		// are held against each other by size.
		var sent, received []iperf3Sum
		for _, s := range end.Streams {
			sent, received = append(sent, s.Sender), append(received, s.Receiver)
		}
		bySize := func(a, b iperf3Sum) int { return cmp.Compare(a.Bytes, b.Bytes) }
		slices.SortFunc(sent, bySize)
		slices.SortFunc(received, bySize)
		for i := range sent {
			carried(t, "one stream", sent[i], received[i], 1)
		}
	})
	t.Run("both ways", func(t *testing.T) {
		end, _ := iperf3JSON(t, netstack4, "-t", "1", "--bidir")
		carried(t, "to netstack", end.SumSent, end.SumReceived, enough)
		carried(t, "from netstack", end.SumSentBidir, end.SumReceivedBidir, enough)
	})
	t.Run("bytes", func(t *testing.T) {
		end, _ := iperf3JSON(t, netstack4, "-n", "10M")
		carried(t, "to netstack", end.SumSent, end.SumReceived, 1)
		end, _ = iperf3JSON(t, netstack4, "-n", "10M", "-R")
		if end.SumSent.Bytes != 10<<20 || end.SumReceived.Bytes != 10<<20 {
			t.Errorf("10 MiB from netstack: sent %d, received %d", end.SumSent.Bytes, end.SumReceived.Bytes)
		}
	})
	t.Run("omit", func(t *testing.T) {
		end, _ := iperf3JSON(t, netstack4, "-t", "1", "-O", "1")
		carried(t, "to netstack", end.SumSent, iperf3Sum{Bytes: min(end.SumReceived.Bytes, end.SumSent.Bytes)}, enough)
		if s := end.SumReceived.Seconds; s < 0.9 || s > 1.9 {
			t.Errorf("netstack counted for %v s, want 1 s without the omitted one", s)
		}
	})
	t.Run("server output", func(t *testing.T) {
		_, text := iperf3JSON(t, netstack4, "-t", "1", "--get-server-output")
		if !regexp.MustCompile(`(?m)^\[  1\] +0\.00-1\.\d\d +sec +[0-9.]+ .Bytes +[0-9.]+ .bits/sec +receiver$`).MatchString(text) {
			t.Errorf("server output has no summary:\n%s", text)
		}
		out, err := iperf3(t, netstack4, "-t", "1", "--get-server-output")
		if err != nil || !strings.Contains(out, "Server output:") {
			t.Errorf("%v\n%s", err, out)
		}
	})
	t.Run("refused parameters", func(t *testing.T) {
		// The client checks most of its own parameters; not this one.
		out, err := iperf3(t, netstack4, "-t", "1", "-w", "16M")
		if err == nil || !strings.Contains(out, "socket buffer size") {
			t.Errorf("a window of 16 MiB: %v\n%s", err, out)
		}
	})
	t.Run("two clients", func(t *testing.T) { iperf3Twice(t) })
	t.Run("killed client", func(t *testing.T) { iperf3Killed(t) })
	t.Run("garbage", func(t *testing.T) { iperf3Garbage(t) })
	t.Run("still there", func(t *testing.T) { iperf3JSON(t, netstack4, "-n", "1M") })
	t.Run("daemon ends", func(t *testing.T) {
		done := make(chan string, 1)
		go func() {
			out, _ := iperf3(t, netstack4, "-t", "60", "-R")
			done <- out
		}()
		time.Sleep(500 * time.Millisecond)
		begin := time.Now()
		d.stop(t)
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("netstackd took %v to end in the middle of a test", took)
		}
		if out := <-done; !strings.Contains(out, "the server has terminated") {
			t.Errorf("the client was told\n%s", out)
		}
	})
}

// iperf3Twice runs a client while another one's test runs.
func iperf3Twice(t *testing.T) {
	first := make(chan error, 1)
	go func() {
		_, err := iperf3(t, netstack4, "-t", "2")
		first <- err
	}()
	time.Sleep(700 * time.Millisecond)
	out, err := iperf3(t, netstack4, "-t", "1")
	if err == nil || !strings.Contains(out, "the server is busy running a test") {
		t.Errorf("the second client: %v\n%s", err, out)
	}
	if err := <-first; err != nil {
		t.Errorf("the first client: %v", err)
	}
}

// iperf3Killed kills a client in the middle; the next one is served at once.
func iperf3Killed(t *testing.T) {
	for _, how := range []string{"-t", "-R", "--bidir", "-u"} {
		args := []string{"-c", netstack4, "-t", "30"}
		if how != "-t" {
			args = append(args, how)
		}
		var out bytes.Buffer
		client := exec.Command("iperf3", args...)
		client.Stdout, client.Stderr = &out, &out
		client.WaitDelay = time.Second
		if err := client.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(400 * time.Millisecond)
		err := client.Process.Kill()
		_ = client.Wait() // killed
		if err != nil {
			t.Fatalf("kill iperf3 %s: %v\n%s", how, err, &out)
		}
		if out, err := iperf3(t, netstack4, "-n", "1M"); err != nil {
			t.Errorf("the client after the killed %s: %v\n%s", how, err, out)
		}
	}
}

// iperf3Garbage sends what no client sends.
func iperf3Garbage(t *testing.T) {
	for _, garbage := range []string{
		"GET / HTTP/1.1\r\nHost: 172.16.0.2:5201\r\nUser-Agent: curl\r\n\r\n",
		strings.Repeat("\x00", 100),
		strings.Repeat("a", 37),
	} {
		conn := dialed(t, "tcp", netstack4, "5201")
		if _, err := conn.Write([]byte(garbage)); err != nil {
			t.Fatal(err)
		}
		var netErr net.Error
		n, err := conn.Read(make([]byte, 1))
		if n != 0 || errors.As(err, &netErr) && netErr.Timeout() {
			t.Errorf("%q: %d bytes and %v, want the end", garbage[:10], n, err)
		}
	}
	udpSilence(t, netstack4, "5201", nil)
	// A gibibyte of parameters is announced, and refused with 114, "unable to
	// receive parameters from client".
	conn := dialed(t, "tcp", netstack4, "5201")
	if _, err := conn.Write([]byte(strings.Repeat("a", 36) + "\x00\x40\x00\x00\x00")); err != nil {
		t.Fatal(err)
	}
	want := []byte{9, 0xfe, 0, 0, 0, 114, 0, 0, 0, 0}
	got := make([]byte, 0, 2*len(want))
	for buf := make([]byte, len(want)); len(got) < len(want); {
		n, err := conn.Read(buf)
		if got = append(got, buf[:n]...); err != nil {
			t.Fatalf("after %v: %v", got, err)
		}
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got %s, want %s", strconv.Quote(string(got)), strconv.Quote(string(want)))
	}
	conn.Close()
}
