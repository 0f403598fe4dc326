package catalogue

import (
	"netstackd/cmd/netstackconform/internal/suite"
	"netstackd/hooks/byhand"
	"netstackd/hooks/byhand/byhandtest"
)

// partial leaves the checksums of segments and datagrams to hardware.
func partial(s send) send {
	return func(x *suite.Exchange) [][]byte {
		packets := s(x)
		for i, b := range packets {
			packets[i] = byhandtest.Partial(b)
		}
		return packets
	}
}

// offload are cases of packets that never saw a wire (virtio 1.2 §5.1.6): with
// the checksum completed, and cut, they are what the RFCs speak of, and no host
// may tell the difference. Of a sum that is not the pseudo-header's there is none:
// whoever leaves a checksum to be completed vouches for it.
func offload() (cases []suite.Case) {
	const echo = suite.EchoPort
	data := byhandtest.Data(4000)
	for _, f := range families() {
		udp := func(n int) send {
			return one(func(x *suite.Exchange) []byte {
				if f.suffix == "" {
					return x.UDP4(echo, n)
				}
				return x.UDP6(echo, n)
			})
		}
		// super is a segment with all the data.
		super := func(flags byte) send {
			return partial(f.segment(func(x *suite.Exchange) byhandtest.TCP { return on(x, echo, flags, 0, data) }))
		}
		opened := f.open(echo, byhand.TCPOptionMSS, 4, 5, 120)
		cases = append(cases,
			suite.Case{
				ID: "offload" + f.suffix + "-udp", Title: "a datagram whose checksum is to be completed is one like others" + f.in,
				Requirement: suite.Must, RFC: "RFC 768",
				Steps: []suite.Step{{Send: partial(udp(33)), Unfinished: true,
					Want: suite.Reply(suite.Datagram(echo, byhandtest.Data(33)))}},
			},
			suite.Case{
				ID: "offload" + f.suffix + "-tcp", Title: "a segment whose checksum is to be completed is one like others" + f.in,
				Requirement: suite.Must, RFC: "RFC 9293 §3.1",
				Steps: append(opened[:2:2], suite.Step{
					Send:       partial(f.segment(func(x *suite.Exchange) byhandtest.TCP { return on(x, echo, ack, 0, data[:1000]) })),
					Unfinished: true, Acks: f.acks(echo, 1000), Want: suite.Stream{Data: data[:1000]}.Want(),
				}),
			},
			suite.Case{
				ID: "offload" + f.suffix + "-super-segment", Title: "a super-segment is all the segments that it is to be cut into" + f.in,
				Requirement: suite.Must, RFC: "RFC 9293 §3.10.7.4",
				Steps: append(opened[:2:2], suite.Step{Send: super(ack | byhandtest.Psh), Unfinished: true, Segment: 1000,
					Acks: f.acks(echo, len(data)), Want: suite.Stream{Data: data}.Want()}),
			},
			suite.Case{
				// FIN is the last segment's.
				ID: "offload" + f.suffix + "-super-segment-fin", Title: "the FIN of a super-segment is behind all its data" + f.in,
				Requirement: suite.Must, RFC: "RFC 9293 §3.10.7.4",
				Steps: append(opened[:2:2], suite.Step{Send: super(ack | fin), Unfinished: true, Segment: 1000,
					Acks: f.acks(echo, len(data)+1), Want: suite.Stream{Data: data, Fin: true}.Want()}),
			},
			suite.Case{
				// CWR is the first segment's: nothing that this host asked for.
				ID: "offload" + f.suffix + "-super-segment-cwr", Title: "a super-segment with CWR is taken like one without" + f.in,
				Requirement: suite.Must, RFC: "RFC 9293 §3.10.7.4",
				Steps: append(opened[:2:2], suite.Step{Send: super(ack | cwr), Unfinished: true, Segment: 1000,
					Acks: f.acks(echo, len(data)), Want: suite.Stream{Data: data}.Want()}),
			})
	}
	return cases
}

// cwr is the flag by which a sender says that it has heard of congestion.
const cwr = 0x80
