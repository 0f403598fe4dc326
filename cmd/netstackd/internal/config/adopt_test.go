package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestAdopt: what changes while the host runs, and what waits for a restart, over several
// changes.
func TestAdopt(t *testing.T) {
	type adopted struct {
		Changed, Stay []string
		Respond       string
	}
	for _, test := range []struct {
		name string
		// args are those of the start, and of each change.
		args [][]string
		want []adopted
	}{
		{"services", [][]string{{}, {"-services", "echo"}, {"-services", "all"}},
			[]adopted{{[]string{"services"}, nil, "netstack"}, {[]string{"services"}, nil, "netstack"}}},
		{"mtu", [][]string{{}, {"-mtu", "1400"}, {}}, []adopted{{nil, []string{"mtu"}, "netstack"}, {nil, nil, "netstack"}}},
		{"who needs nothing", [][]string{{}, {"-respond", "byhand"}, {"-respond", "172.16.0.2=byhand", "-shadow", "none"}, {}},
			[]adopted{{[]string{"respond", "shadow"}, nil, "byhand"}, {[]string{"respond", "shadow"}, nil, "netstack"}, {[]string{"respond"}, nil, "netstack"}}},
		{"who was there at the start", [][]string{{"-respond", "exec:a", "-send-bad-replies"}, {}, {"-respond", "exec:a"}},
			[]adopted{{[]string{"respond", "shadow", "send-bad-replies"}, nil, "netstack"}, {[]string{"respond", "shadow"}, nil, "exec:a"}}},
		{"who was not", [][]string{{"-respond", "exec:a"}, {"-respond", "exec:b", "-shadow", "byhand", "-services", "echo"}, {"-respond", "byhand"}},
			[]adopted{{[]string{"services"}, []string{"respond", "shadow"}, "exec:a"}, {[]string{"services", "respond"}, nil, "byhand"}}},
		{"an agent keeps standard output", [][]string{{"-respond", "mcp:stdio"}, {"-respond", "netstack"}, {"-trace", "packets", "-trace-out", "-"}},
			[]adopted{{[]string{"respond", "shadow", "trace-out"}, nil, "netstack"}, {nil, []string{"trace"}, "netstack"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var inForce *Config
			for i, args := range test.args {
				c, err := Parse(append([]string{"-addr", "172.16.0.2/24"}, args...), nil)
				if err != nil {
					t.Fatal(err)
				}
				if i == 0 {
					inForce = c
					continue
				}
				var got adopted
				inForce, got.Changed, got.Stay = inForce.Adopt(c)
				got.Respond = inForce.Respond
				if diff := cmp.Diff(test.want[i-1], got); diff != "" {
					t.Errorf("change %d (-want +got):\n%s", i, diff)
				}
			}
		})
	}
}
