// Package compare holds what netstack did against what the reference host of
// hooks/byhand says it had to do, and tells a tracer about both.
//
// # Tour
//
//   - compare.go: [Comparer], the hook: it predicts on the way in and looks for
//     replies on the way out. judge.go: what a reply or its absence means, and
//     the tracer is told of each packet once its fate is settled.
//   - delivery.go: which requests netstack is done with.
//   - pause.go: where its events go while it runs, and how it stops seeing.
//   - ports.go: what goes unjudged while ports open and close.
//   - pending.go: the requests that wait for their reply, in bounded number.
//   - answers.go: the replies that another than netstack gives.
//   - latency.go: [Latencies], how long replies took.
//   - late.go: datagrams whose fragments never all came, and the error about them.
//   - key.go: what reply is this, and to what: an echo reply to an echo, an
//     ICMP error to what it quotes, a segment to its connection's.
//   - diff.go, diff_error.go, diff_segment.go: [Diff], two replies field by field, with the
//     freedoms that the RFCs give told apart from what they require.
//
// A request's fate is settled by its reply, or by the deadline. The comparison
// runs inline, in the order in which packets pass, and loses nothing. Only what
// is certain is reported: a reply that hangs on fragments which netstack may
// have forgotten, or kept longer, is counted and not judged, and so is an error
// that quotes a packet of which nothing is known. While netstack limits the rate
// of its errors, or has no room for segments, an absent reply is no fault.
package compare
