package catalogue

import (
	"slices"

	"netstackd/cmd/netstackconform/internal/suite"
	"netstackd/hooks/byhand"
	"netstackd/hooks/byhand/byhandtest"
	"netstackd/hooks/wire"
)

// family is one of the two ways to a host's TCP.
type family struct {
	suffix, in string
	segment    func(f func(x *suite.Exchange) byhandtest.TCP) send
	// mss is the default of RFC 9293 §3.7.1.
	mss int
	// place is where that is decided otherwise.
	place string
}

func families() []family {
	return []family{
		{"", "", func(f func(x *suite.Exchange) byhandtest.TCP) send {
			return one(func(x *suite.Exchange) []byte { return x.TCP4(f(x)) })
		}, 536, ""},
		{"6", ", over IPv6", func(f func(x *suite.Exchange) byhandtest.TCP) send {
			return one(func(x *suite.Exchange) []byte { return x.TCP6(f(x)) })
		}, 1220, "header/tcp.go ParseSynOptions"},
	}
}

// open opens a connection to a port with these options.
func (f family) open(port uint16, options ...byte) []suite.Step {
	return []suite.Step{
		{Send: f.segment(func(*suite.Exchange) byhandtest.TCP {
			return byhandtest.TCP{DstPort: port, Flags: syn, Seq: isn, Options: options}
		}), Want: synAck()},
		{Send: f.segment(func(x *suite.Exchange) byhandtest.TCP {
			return to(port, ack, isn+1, x.Got[0].TCP.Seq+1)
		}), Want: suite.Silence()},
	}
}

// say sends data in the connection, from an offset, in segments of 500 bytes.
func (f family) say(port uint16, at int, data []byte) send {
	return func(x *suite.Exchange) (all [][]byte) {
		for i := 0; i < len(data); i += 500 {
			piece := data[i:min(i+500, len(data))]
			all = append(all, f.segment(func(x *suite.Exchange) byhandtest.TCP { return on(x, port, ack, at+i, piece) })(x)...)
		}
		return all
	}
}

// acks acknowledges the host's data, of which there is no gap, but no FIN, once so
// many bytes have been sent.
func (f family) acks(port uint16, sent int) func(x *suite.Exchange, got []*wire.Packet) []byte {
	return func(x *suite.Exchange, got []*wire.Packet) []byte {
		if len(x.Got) == 0 || len(got) == 0 || suite.DataLen(got[len(got)-1]) == 0 {
			return nil
		}
		next := x.Got[0].TCP.Seq + 1
		for _, p := range append(slices.Clone(x.Got), got...) {
			if end := p.TCP.Seq + uint32(suite.DataLen(p)); int32(p.TCP.Seq-next) <= 0 && int32(end-next) > 0 {
				next = end
			}
		}
		return f.segment(func(*suite.Exchange) byhandtest.TCP { return to(port, ack, isn+1+uint32(sent), next) })(x)[0]
	}
}

func tcpStream() (cases []suite.Case) {
	const echo = suite.EchoPort
	mss := func(n int) []byte { return []byte{byhand.TCPOptionMSS, 4, byte(n >> 8), byte(n)} }
	for _, f := range families() {
		data := byhandtest.Data(4000)
		// What a service reads it writes, and that may be little. Where the first
		// segment comes last there is more than a segment to be read at once.
		echoed := func(most int) suite.Step {
			return suite.Step{Send: func(x *suite.Exchange) [][]byte {
				all := f.say(echo, 0, data)(x)
				return append(all[1:], all[0])
			}, Acks: f.acks(echo, len(data)), Want: suite.Stream{Data: data, Most: most}.Want()}
		}
		cases = append(cases,
			suite.Case{
				// The echo is larger than a segment, and there is no telling how
				// the host puts it together: it is cut where it must be, into
				// segments that follow each other.
				ID: "tcp" + f.suffix + "-stream", Title: "a stream comes without gaps, in segments that fit into the MTU" + f.in,
				Requirement: suite.Must, RFC: "RFC 9293 §3.7.1",
				Steps: append(f.open(echo, mss(1400)...), suite.Step{
					Send: f.say(echo, 0, data), Acks: f.acks(echo, len(data)), Want: suite.Stream{Data: data}.Want()}),
			},
			suite.Case{
				// "If an MSS Option is not received at connection setup, TCP
				// implementations MUST assume a default send MSS of 536 (576 - 40)
				// for IPv4 or 1220 (1280 - 60) for IPv6 (MUST-15)."
				ID: "tcp" + f.suffix + "-mss-default", Title: "without the option, segments have at most 536 bytes of data over IPv4, 1220 over IPv6" + f.in,
				Requirement: suite.Must, RFC: "RFC 9293 §3.7.1", Place: f.place,
				Steps: append(f.open(echo), echoed(f.mss)),
			},
			suite.Case{
				// "The maximum size of a segment that a TCP endpoint really sends,
				// the 'effective send MSS', MUST be the smaller (MUST-16) of the
				// send MSS ... and the largest transmission size permitted by the
				// IP layer".
				ID: "tcp" + f.suffix + "-mss-offered", Title: "segments have at most as much data as the peer offers" + f.in,
				Requirement: suite.Must, RFC: "RFC 9293 §3.7.1",
				Steps: append(f.open(echo, mss(700)...), echoed(700)),
			},
			suite.Case{
				// "... the new parts are processed" of a segment whose "contents
				// straddle the boundary between old and new".
				ID: "tcp" + f.suffix + "-straddle", Title: "of data that come again in part, the new part is taken" + f.in,
				Requirement: suite.Must, RFC: "RFC 9293 §3.10.7.4",
				Steps: append(f.open(echo),
					suite.Step{Send: f.say(echo, 0, data[:100]), Acks: f.acks(echo, 100), Want: suite.Stream{Data: data[:100]}.Want()},
					suite.Step{Send: f.say(echo, 50, data[50:250]), Acks: f.acks(echo, 250), Want: suite.Stream{At: 100, Data: data[100:250]}.Want()}),
			},
			suite.Case{
				// "Segments with higher beginning sequence numbers SHOULD be held
				// for later processing (SHLD-31)."
				ID: "tcp" + f.suffix + "-backwards", Title: "segments that come backwards are put in order" + f.in,
				Requirement: suite.Must, RFC: "RFC 9293 §3.10.7.4",
				Steps: append(f.open(echo), suite.Step{Send: func(x *suite.Exchange) [][]byte {
					all := f.say(echo, 0, data[:2000])(x)
					for i := range len(all) / 2 {
						all[i], all[len(all)-1-i] = all[len(all)-1-i], all[i]
					}
					return all
				}, Acks: f.acks(echo, 2000), Want: suite.Stream{Data: data[:2000]}.Want()}),
			},
			suite.Case{
				// The text is processed before the FIN (seventh and eighth), and
				// so is the echo sent before the host's own FIN.
				ID: "tcp" + f.suffix + "-data-fin", Title: "data that come with a FIN are taken, and the host's FIN is behind its own" + f.in,
				Requirement: suite.Must, RFC: "RFC 9293 §3.10.7.4",
				Steps: append(f.open(echo), suite.Step{Send: f.segment(func(x *suite.Exchange) byhandtest.TCP {
					return on(x, echo, ack|fin, 0, data[:300])
				}), Acks: f.acks(echo, 301), Want: suite.Stream{Data: data[:300], Fin: true}.Want()}),
			})
	}
	return cases
}
