package filter

import "testing"

func BenchmarkMatch(b *testing.B) {
	made := packets()
	for _, bb := range []struct{ name, expr, packet string }{
		{"protocol", "icmp", "echo"},
		{"host", "host 172.16.0.2", "echo"},
		{"host6", "host 2001:db8::80", "echo6"},
		{"net", "net 172.16.0.0/12", "echo"},
		{"port", "tcp port 80", "syn"},
		{"port-other", "udp port 53", "syn"},
		{"flags", "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0", "syn"},
		{"arithmetic", "tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)", "syn"},
		{"chain", "(icmp or icmp6 or tcp port 80) and not (src host 192.0.2.9 or dst net 2001:db8::/32)", "syn"},
	} {
		b.Run(bb.name, func(b *testing.B) {
			f, err := Compile(bb.expr)
			if err != nil {
				b.Fatal(err)
			}
			packet := made[bb.packet]
			b.ReportAllocs()
			for b.Loop() {
				f.Match(packet)
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compile("tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)"); err != nil {
			b.Fatal(err)
		}
	}
}
