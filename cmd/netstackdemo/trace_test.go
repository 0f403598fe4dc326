package main

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// traced is a trace of a ping among other packets.
const traced = `12:00:00.000001 in  IP6 fe80::1 > ff02::2: ICMP6, router solicitation, length 8 [#1 dropped]
    icmpv6 checksum at 42: 0x1234, by hand 0x1234: ok
    compare [#2]: match, netstack kept silent about #1, as is due: not ours (RFC 1122)
12:00:00.000002 in  IP 172.16.0.1 > 172.16.0.2: ICMP echo request, id 13, seq 1, length 64 [#3 answered]
    ipv4   checksum at 10: 0x615d, by hand 0x615d: ok
    icmpv4 checksum at 22: 0x54f5, by hand 0x54f5: ok
12:00:00.000003 out IP 172.16.0.2 > 172.16.0.1: ICMP echo reply, id 13, seq 1, length 64 [#4 sent]
    icmpv4 checksum at 22: 0x5cf5, by hand 0x5cf5: ok
    compare [#5]: match, netstack answered #3 after 41 µs as by hand
12:00:00.000004 in  IP 172.16.0.1.1 > 172.16.0.2.7: UDP, length 3 [#6 delivered]
`

// TestTraceReader feeds a trace in pieces and wants the echoes alone, each
// with its indented lines, and the rest drained.
func TestTraceReader(t *testing.T) {
	reader, writer := io.Pipe()
	tr := newTraceReader()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tr.read(reader)
	}()
	for piece := range strings.SplitAfterSeq(traced, "0x") {
		if _, err := io.WriteString(writer, piece); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	blocks, err := tr.finish(ctx)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(traced, "\n")
	want := strings.TrimSuffix(strings.Join(lines[3:9], ""), "\n")
	if diff := cmp.Diff(want, strings.Join(blocks, "\n")); diff != "" {
		t.Errorf("echoes (-want +got):\n%s", diff)
	}
	if len(blocks) != 2 || isMatch(blocks[0]) || !isMatch(blocks[1]) {
		t.Errorf("%d blocks, want two of which the second tells of a match", len(blocks))
	}

	// What comes later must be read, or the daemon would lose it.
	if _, err := io.Copy(writer, strings.NewReader(strings.Repeat(traced, 1000))); err != nil {
		t.Fatal(err)
	}
	writer.Close()
	<-ended
	if len(tr.blocks) != 2 {
		t.Errorf("%d blocks are kept after finish, want 2", len(tr.blocks))
	}
}

// TestTraceReaderIsBusy wants finish to end with its context while the trace
// goes on and on.
func TestTraceReaderIsBusy(t *testing.T) {
	tr := newTraceReader()
	ctx, cancel := context.WithTimeout(t.Context(), 2*settle)
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			tr.add("12:00:00.000001 in  IP6 …")
			time.Sleep(settle / 20)
		}
	}()
	if _, err := tr.finish(ctx); err == nil {
		t.Error("finish found the trace silent while it was not")
	}
	<-ended
}
