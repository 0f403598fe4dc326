// Package trace writes down what the hooks saw: each packet, each comparison
// and at the end a summary, as text in tcpdump's habit or as JSON, one object
// a line.
//
// # Tour
//
//   - event.go: [Packet], [Comparison], [Diff], [Summary]: what is written.
//   - scorecard.go: [Scorecard], how an answerer has done, in the summary.
//   - select.go: [Selector], the hook that says which packets are written down.
//     tee.go: [Tee], several tracers at once.
//   - sight.go: how the event of a packet is made.
//   - recorder.go: [Recorder], the bounded ring between the packets' way and
//     the writer. writer.go: the one goroutine that writes.
//   - text.go, tcpdump.go: the text form. json.go, json_packet.go: the JSON
//     form. append.go: numbers and names for both.
//
// A packet never waits for its trace. What the ring has no room for, or the
// output does not take, is lost and counted. Nothing that came from a packet is
// written as it came: addresses, numbers and names stand for it.
package trace
