package stack

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPorts: the ports of the services are the catalogue's, and none is in a
// list that has no service.
func TestPorts(t *testing.T) {
	type ports struct{ TCP, UDP []uint16 }
	for _, test := range []struct {
		services []string
		want     ports
	}{
		{nil, ports{[]uint16{}, []uint16{}}},
		{[]string{"nothing of the kind"}, ports{[]uint16{}, []uint16{}}},
		{[]string{"iperf3"}, ports{[]uint16{5201}, []uint16{5201}}},
		{[]string{"http", "discard"}, ports{[]uint16{9, 80}, []uint16{9}}},
		{ServiceNames(), ports{[]uint16{7, 9, 19, 80, 5201}, []uint16{7, 9, 19, 5201}}},
	} {
		tcp, udp := Ports(test.services)
		if diff := cmp.Diff(test.want, ports{tcp, udp}); diff != "" {
			t.Errorf("%v: %s", test.services, diff)
		}
	}
}
