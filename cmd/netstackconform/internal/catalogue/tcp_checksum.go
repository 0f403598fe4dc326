package catalogue

import (
	"netstackd/cmd/netstackconform/internal/suite"
	"netstackd/hooks/byhand/byhandtest"
)

// zeroSegment is a SYN to a closed port whose checksum is computed to be 0, with
// either zero of one's complement in the field.
func zeroSegment(field uint16) send {
	return one(func(x *suite.Exchange) []byte {
		s := byhandtest.TCP{DstPort: suite.ClosedPort, Flags: syn}
		b := x.TCP4(s)
		s.Seq = uint32(b[36])<<8 | uint32(b[37])
		b = x.TCP4(s)
		put16(b, 36, field)
		return b
	})
}

func tcpChecksum() []suite.Case {
	refused := suite.Reply(suite.Segment(rst | ack))
	return []suite.Case{
		{
			// A sum that includes the checksum field is all ones with either zero
			// there. Other than in UDP, neither says that there is none.
			ID: "tcp-checksum-either-zero", Title: "either zero of one's complement is a right checksum",
			Requirement: suite.Must, RFC: "RFC 1071 §1",
			Steps: []suite.Step{{Send: zeroSegment(0), Want: refused}, {Send: zeroSegment(0xffff), Want: refused}},
		},
	}
}
