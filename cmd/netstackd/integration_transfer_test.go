//go:build linux

package main_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"
)

// standstill is how long a transfer may make no progress at all.
const standstill = 10 * time.Second

// echoHashed sends size bytes of noise to the echo service and reads them back
// at the same time; what went in and what came out is hashed apart.
//
// The client sends as fast as it can, whatever has come back, which closes the
// windows of both directions again and again. Each must open again: while
// netstack's own window is zero it must still take the ACK that frees its send
// buffer (RFC 9293 section 3.10.7.4).
func echoHashed(t *testing.T, host string, size int64) {
	t.Helper()
	conn := dialed(t, "tcp", host, "7").(*net.TCPConn)
	begin := time.Now()
	sent, sendErr := sha256.New(), make(chan error, 1)
	go func() {
		noise := io.LimitReader(rand.NewChaCha8([32]byte{1}), size)
		// Hiding ReadFrom makes the copy use the large buffer.
		_, err := io.CopyBuffer(io.MultiWriter(sent, struct{ io.Writer }{conn}), noise, make([]byte, 1<<18))
		sendErr <- errors.Join(err, conn.CloseWrite())
	}()
	got, n, buf := sha256.New(), int64(0), make([]byte, 1<<18)
	var err error
	for err == nil {
		if err = conn.SetDeadline(time.Now().Add(standstill)); err != nil {
			break
		}
		var k int
		k, err = conn.Read(buf)
		got.Write(buf[:k])
		n += int64(k)
	}
	took := time.Since(begin)
	if !errors.Is(err, io.EOF) {
		conn.Close()
		<-sendErr
		t.Fatalf("%d of %d bytes came back from %s, then: %v", n, size, host, err)
	}
	if err := <-sendErr; err != nil {
		t.Fatalf("send to %s: %v", host, err)
	}
	if n != size || !bytes.Equal(sent.Sum(nil), got.Sum(nil)) {
		t.Errorf("%d of %d bytes came back with SHA-256 %x, sent %x", n, size, got.Sum(nil), sent.Sum(nil))
	}
	t.Logf("%d MiB over %s there and back in %v, %.2f Gbit/s each way",
		size>>20, host, took.Round(time.Millisecond), float64(size)*8/took.Seconds()/1e9)
}

// TestIntegrationTransfer moves 1 GiB through netstack and back.
func TestIntegrationTransfer(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	d := startDaemon(t)
	echoHashed(t, netstack4, 1<<30)
	echoHashed(t, netstack6, 64<<20)
	d.stop(t)
}

// TestIntegrationTransferTraced moves less with every packet verified: no
// checksum may be bad in either direction, and tracing must not break TCP.
func TestIntegrationTransferTraced(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	path, flags := traceFile(t, "compare")
	d := startDaemon(t, flags...)
	echoHashed(t, netstack4, 64<<20)
	echoHashed(t, netstack6, 64<<20)
	d.stop(t)
	tr := readTrace(t, path)
	s := tr.summary
	if s.Verdicts["bad"] != 0 {
		t.Errorf("%d bad checksums in a clean transfer", s.Verdicts["bad"])
	}
	// The trace may lose lines here, the counters may not: what is in the
	// summary covers what is in the trace.
	in, out := 0, 0
	for _, p := range tr.packets {
		if p.Dir == "in" {
			in++
		} else {
			out++
		}
	}
	if in > s.Packets.In || out > s.Packets.Out {
		t.Errorf("the trace holds %d packets in and %d out, the summary only %d and %d", in, out, s.Packets.In, s.Packets.Out)
	}
	t.Logf("%d packets in, %d out, %d trace events lost", s.Packets.In, s.Packets.Out, s.TraceLost)
}
