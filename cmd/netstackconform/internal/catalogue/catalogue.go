package catalogue

import (
	"slices"

	"netstackd/cmd/netstackconform/internal/suite"
)

// groups are the groups in the order of the table.
func groups() []struct {
	name  string
	cases [][]suite.Case
} {
	return []struct {
		name  string
		cases [][]suite.Case
	}{
		{"IPv4 header", [][]suite.Case{header4()}},
		{"IPv4 options", [][]suite.Case{options4(), options4Edges(), options4Routes()}},
		{"Fragments", [][]suite.Case{fragments(), fragments4(), fragments6(), ecn(), timeouts()}},
		{"ICMP echo", [][]suite.Case{echo()}},
		{"ICMP errors", [][]suite.Case{icmpErrors(), icmpErrors4()}},
		{"ICMP queries", [][]suite.Case{queries(), queries4()}},
		{"UDP", [][]suite.Case{udp(), udpEdges(), udpTrim()}},
		{"TCP", [][]suite.Case{tcp(), tcpChecksum(), tcpOptions(), tcpConnected(), tcpStream(), tcpClose(), tcpWindow(), tcpShut(), tcpSACK(), tcpErrors()}},
		{"Offload", [][]suite.Case{offload()}},
		{"IPv6", [][]suite.Case{ipv6(), extensions(), errors6()}},
		{"Neighbour Discovery", [][]suite.Case{neighbour(), neighbourChecks(), neighbourOthers()}},
		{"Addresses", [][]suite.Case{addresses()}},
	}
}

// All returns all cases, in the order of the table. They are the caller's.
func All() []*suite.Case {
	var all []*suite.Case
	for _, g := range groups() {
		for _, c := range slices.Concat(g.cases...) {
			c.Group = g.name
			all = append(all, &c)
		}
	}
	return all
}
