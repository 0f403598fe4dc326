// Package capture writes what the hooks saw as pcapng, for Wireshark, with
// what they found out about it as a comment on each packet; and it reads
// packets back from captures and from hex, for netstackd explain.
//
// # Tour, writing
//
//   - recorder.go: [Open] and the [Recorder], a trace.Tracer.
//   - writer.go: the one goroutine that writes. held.go: packets wait there a
//     moment for what the comparison says of them.
//   - comment.go: a packet's comment. complete.go: checksums left to the
//     hardware.
//   - stream.go: [OpenStream], a capture that somebody follows.
//   - output.go: the file or stream, never torn. rotate.go: the next file.
//     size.go: [ParseSize].
//   - quarantine.go: the [Quarantine], of packets that did harm. lock_unix.go,
//     lock_other.go: one process has it at a time.
//
// Each packet that passes the hooks becomes one Enhanced Packet Block on one
// interface, which bears the device's name and the link type RAW: the bytes
// begin with the IP header. The time stamp, in nanoseconds, is that of the
// packet's sight; the direction stands in epb_flags (inbound is TUN to
// netstack, outbound the other way). Packets stand in the order in which their
// fates were settled, which is that of the trace: a request comes right before
// its reply. reordercap puts them in order of time.
//
// # The comment
//
// One line of key=value pairs, with the names and values of the JSON trace, a
// space between two; a value that has a space in it is quoted.
//
//	seq=1 dir=in fate=answered reason= ipv4=ok icmpv4=ok verdict=ok
//
// The verdict of each checksum stands under the name of its layer; for a bad
// one also what was seen and what is right: icmpv4.seen=0xdead
// icmpv4.hand=0x6629. verdict is the worst of them, in the order bad, partial,
// absent, ok; it is none if the packet has no checksum that can be judged.
// reassembled names the layer of the checksum that was judged on the datagram
// which this fragment completed; completed names the layer whose checksum was
// left to the hardware and is completed in the captured copy, over the whole of a
// super-segment; gso, gso.size and gso.segments say of a super-segment its type,
// the data in bytes that a segment would have at most, and how many it would be;
// vouched names the layer whose sum is bad but which the kernel vouches for; problem and
// problem.offset say what is wrong with the packet's shape and where; trailing
// counts bytes received behind the packet, which are not captured. A packet
// with any bad sum is thus found by
//
//	frame.comment contains "verdict=bad"
//
// What the comparison found is added to the comments of both the request and
// the reply, so that either is found by compare=differ; who sent no reply, or
// had to keep silent, has it on the request alone:
//
//	compare=match compare.seq=3 request=1 reply=2 responder=netstack live=true
//	due=reply rfc="RFC 1122 §3.2.2.6" latency_us=41
//	diffs="identification@4:7/33064:may"
//
// (in one line), where compare.seq is the comparison's own number, and a
// difference is field@offset:netstack/hand:class, with commas between them.
// When the packet's event is there its comparison is not yet: the comparer
// reports the request, the reply, then the comparison. So the writer holds
// back the last packets for a tenth of a second at most.
//
// # Losing
//
// A packet never waits for its capture. What the ring has no room for, or the
// output does not take, is lost, counted by [Recorder.Lost], logged once a
// second at most, and said in the Interface Statistics Block at the end
// (isb_ifdrop). An event is a packet or a comparison. A comparison whose
// packets were lost is lost with them.
//
// No file is ever torn: what a failed write left of a block is cut off again,
// so that the file can be read up to its last whole block and goes on there
// when the disk has room. A stream, which cannot be cut, is over once it broke
// off within a block; all from then on is lost and counted.
//
// # Tour, reading
//
//   - reader.go: [Packets], pcap and pcapng alike. pcapng.go: the blocks.
//   - linktype.go: what stands before the IP header.
//   - hex.go: [ParseHex].
package capture
