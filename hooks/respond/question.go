package respond

import (
	"time"

	"netstackd/hooks/byhand"
	"netstackd/hooks/wire"
)

// A Question is an echo request as it is put to a Desk, with what is known of its
// reply.
type Question struct {
	// Packet is the whole request, and Hand the whole reply made by hand. The
	// Desk keeps both.
	Packet, Hand []byte
	// Received is when the request was complete.
	Received time.Time
	// Seq is the number in traces of the packet that completed the request.
	Seq uint64
	// AnySource says that the request went to a broadcast or multicast address,
	// and may be answered from any address of the host.
	AnySource bool
	// Optional says that silence is allowed too.
	Optional bool
	// RFC is the rule that asks for the reply.
	RFC string
}

// NewQuestion makes a question of one whole packet, which it keeps. It reports
// whether the packet is an echo request that host, whose calls the caller
// serialises, has to answer or may.
func NewQuestion(host *byhand.Host, packet []byte, now time.Time) (Question, bool) {
	var p wire.Packet
	p.Decode(packet)
	if p.Fragment.IsFragment() {
		return Question{}, false
	}
	var checks [2]wire.Check
	prediction := host.Inbound(&p, p.Checksums(checks[:0]), now)
	return questionOf(host, &prediction, now)
}

// questionOf makes a question of a prediction, whose bytes it keeps.
func questionOf(host *byhand.Host, pr *byhand.Prediction, now time.Time) (Question, bool) {
	if pr.Form != byhand.EchoReply || pr.Expect != byhand.MustReply && pr.Expect != byhand.MayReply {
		return Question{}, false
	}
	return Question{
		Packet: pr.Request.Bytes, Hand: pr.Reply, Received: now,
		AnySource: !host.Owns(pr.Request.Dst), Optional: pr.Expect == byhand.MayReply, RFC: pr.RFC,
	}, true
}
