package host

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// quiet are the settings of the kernel at the near end of a daemon's device: it
// says nothing unasked, and forwards nothing.
var quiet = []string{
	"net.ipv4.ip_forward=0",
	"net.ipv6.conf.*.forwarding=0",
	"net.ipv6.conf.*.accept_ra=0",
	"net.ipv6.conf.*.autoconf=0",
	"net.ipv6.conf.*.router_solicitations=0",
	"net.ipv6.conf.*.dad_transmits=0",
	"net.ipv6.conf.*.addr_gen_mode=1", // no link-local address
}

// witness are the settings of the kernel as a host, all that bear on a case,
// whatever the machine's are: some are inherited by a new namespace. Where the
// kernel forbids by policy what it can do, it is permitted, so that the code
// shows; what limits rates does not limit.
var witness = append([]string{
	"net.ipv4.icmp_ratelimit=0",
	"net.ipv4.icmp_msgs_per_sec=1000000",
	"net.ipv4.icmp_msgs_burst=1000000",
	"net.ipv4.icmp_echo_ignore_all=0",
	"net.ipv4.icmp_echo_ignore_broadcasts=0",
	"net.ipv4.icmp_echo_enable_probe=0",
	"net.ipv4.icmp_errors_use_inbound_ifaddr=0",
	"net.ipv4.icmp_ignore_bogus_error_responses=1",
	"net.ipv4.ip_default_ttl=64",
	"net.ipv4.ip_no_pmtu_disc=0",
	"net.ipv4.ipfrag_time=30",
	"net.ipv4.ipfrag_max_dist=64",
	"net.ipv4.conf.*.rp_filter=0",
	"net.ipv4.conf.*.accept_source_route=1",
	"net.ipv4.conf.*.accept_redirects=0",
	"net.ipv4.conf.*.send_redirects=0",
	"net.ipv4.conf.*.accept_local=0",
	"net.ipv4.conf.*.route_localnet=0",
	"net.ipv4.conf.*.log_martians=0",
	"net.ipv4.tcp_ecn=0",
	"net.ipv4.tcp_sack=1",
	"net.ipv4.tcp_timestamps=1",
	"net.ipv4.tcp_window_scaling=1",
	"net.ipv4.tcp_rmem=4096 33554432 33554432", // more than any case fills
	"net.ipv4.tcp_shrink_window=0",
	"net.ipv4.tcp_syncookies=0",
	"net.ipv4.tcp_rfc1337=0",
	"net.ipv4.tcp_abort_on_overflow=0",
	"net.ipv4.tcp_mtu_probing=0",
	"net.ipv4.tcp_fastopen=0",
	"net.ipv4.tcp_invalid_ratelimit=0",
	"net.ipv4.tcp_challenge_ack_limit=2147483647",
	"net.ipv6.icmp.ratelimit=0",
	"net.ipv6.icmp.echo_ignore_all=0",
	"net.ipv6.icmp.echo_ignore_multicast=0",
	"net.ipv6.icmp.echo_ignore_anycast=0",
	"net.ipv6.ip6frag_time=60",
	"net.ipv6.max_dst_opts_number=8",
	"net.ipv6.max_dst_opts_length=2147483647",
	"net.ipv6.max_hbh_opts_number=8",
	"net.ipv6.max_hbh_length=2147483647",
	"net.ipv6.conf.*.hop_limit=64",
	"net.ipv6.conf.*.accept_source_route=0",
	"net.ipv6.conf.*.accept_redirects=0",
	"net.ipv6.conf.*.seg6_enabled=0",
	"net.ipv6.conf.*.rpl_seg_enabled=0",
	"net.ipv6.conf.*.drop_unsolicited_na=0",
	"net.ipv6.conf.*.suppress_frag_ndisc=1",
}, quiet...)

// set writes settings into the calling thread's network namespace, in each
// interface there where the name has a star, those to come included. A setting
// that this kernel does not have is left out.
func set(settings []string) error {
	for _, s := range settings {
		name, value, _ := strings.Cut(s, "=")
		pattern := "/proc/sys/" + strings.ReplaceAll(name, ".", "/")
		paths := []string{pattern}
		if strings.Contains(pattern, "*") {
			var err error
			if paths, err = filepath.Glob(pattern); err != nil {
				return fmt.Errorf("set %s: %w", s, err)
			}
		}
		for _, path := range paths {
			if err := write(path, value); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("set %s: %w", s, err)
			}
		}
	}
	return nil
}

func write(path, value string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}
