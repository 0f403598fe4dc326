package main

import (
	"testing"

	"netstackd/link"
)

func TestLook(t *testing.T) {
	idle := link.Bulk{}
	one := link.Bulk{SuperSegments: 5000, Flows: 1}
	two := link.Bulk{SuperSegments: 5000, Flows: 2}
	four := link.Bulk{SuperSegments: 5000, Flows: 4}
	slow := link.Bulk{SuperSegments: 100, Flows: 40}
	for _, test := range []struct {
		name  string
		looks []link.Bulk
		want  int
	}{
		{"idle", []link.Bulk{idle}, 1},
		{"one stream", []link.Bulk{one, one, one}, 1},
		{"two streams", []link.Bulk{two}, 1},
		{"four streams", []link.Bulk{four}, 2},
		{"many, but little of each", []link.Bulk{slow, slow}, 1},
		{"a pause between them", []link.Bulk{four, idle, idle, idle, idle}, 2},
		{"over", []link.Bulk{four, idle, idle, idle, idle, idle}, 1},
		{"one goes on", []link.Bulk{four, four, one, one, one, one, one}, 1},
		{"again", []link.Bulk{four, idle, idle, four, idle, idle, idle}, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := &procs{few: 1, many: 2, calm: calmLooks}
			got := 0
			for _, b := range test.looks {
				got = p.look(b)
			}
			if got != test.want {
				t.Errorf("%d cores, want %d", got, test.want)
			}
		})
	}
}
