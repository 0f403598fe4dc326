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

// echoHashed sends size bytes of noise to the echo service and reads them back
// at the same time; what went in and what came out is hashed apart.
func echoHashed(t *testing.T, host string, size int64, limit time.Duration) {
	t.Helper()
	conn := dialed(t, "tcp", host, "7").(*net.TCPConn)
	if err := conn.SetDeadline(time.Now().Add(limit)); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	sent, sendErr := sha256.New(), make(chan error, 1)
	go func() {
		noise := io.LimitReader(rand.NewChaCha8([32]byte{1}), size)
		// Hiding ReadFrom makes the copy use the large buffer.
		_, err := io.CopyBuffer(io.MultiWriter(sent, struct{ io.Writer }{conn}), noise, make([]byte, 1<<18))
		sendErr <- errors.Join(err, conn.CloseWrite())
	}()
	got := sha256.New()
	n, err := io.CopyBuffer(got, struct{ io.Reader }{conn}, make([]byte, 1<<18))
	took := time.Since(begin)
	if err != nil {
		conn.Close()
	}
	if err := errors.Join(<-sendErr, err); err != nil {
		t.Fatalf("after %d of %d bytes: %v", n, size, err)
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
	echoHashed(t, netstack4, 1<<30, 90*time.Second)
	echoHashed(t, netstack6, 64<<20, 30*time.Second)
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
	echoHashed(t, netstack4, 16<<20, 30*time.Second)
	echoHashed(t, netstack6, 16<<20, 30*time.Second)
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
