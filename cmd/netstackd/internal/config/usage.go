package config

// Usage is what -help prints.
const Usage = `Usage: netstackd -addr PREFIX [flags] [filter expression]
       netstackd explain HEX|FILE.pcap[ng] [filter expression]

netstackd is one IP host in one process: it opens a TUN device, runs gVisor's
netstack behind it, and shows its work.

  -addr PREFIX         an address that netstack owns, with the length of its prefix;
                       repeatable; IPv4 and IPv6; required
  -host ADDR           the kernel's address on the same link; repeatable
                       (default: the first other usable address of each prefix)
  -tun NAME            name of the device (default netstack0)
  -mtu N               in bytes (default 1500)
  -offload auto|on|off super-segments and unfinished checksums between kernel and
                       netstack; auto is on where the device can (default auto)
  -busy-poll DURATION  how long to poll an idle device before blocking, while
                       packets come that close together; 0 never (default 50us)
  -services LIST       echo, discard, chargen, http, iperf3; or all, or none (default all)
  -connections N       TCP connections of each service at a time (default 1024)
  -respond [ADDR=]WHO  who answers pings, to ADDR or to all: netstack, byhand (the
                       reference host), fifo:DIR, exec:COMMAND, mcp, mcp:stdio;
                       repeatable (default netstack)
  -shadow LIST         who else computes an answer, which is compared and not sent:
                       netstack, byhand; or none (default: both, if others answer)
  -send-bad-replies    send what fifo, exec and mcp answer though it is wrong
  -exec-user USER      whom exec:COMMAND runs as (default nobody, if started by root)
  -guard off|on        drop what would harm netstack (default on)
  -trace LEVEL         off, packets (one line a packet), compare (checksums by hand,
                       and netstack's replies held against those made by hand),
                       explain (the whole working, byte by byte) (default off)
  -trace-format FORM   text or json (default text)
  -trace-out FILE      where the trace goes; - is standard output (default -)
  -trace-sample 1/N    trace and capture each Nth packet only
  -pcapng FILE         capture with a comment on each packet; - is standard output,
                       as in: netstackd … -pcapng - | wireshark -k -i -
  -pcapng-rotate SIZE  begin the next file past SIZE, as in 100MB
  -inject RULE         make faults on purpose, to see them seen; repeatable, as in
                       'outbound icmp corrupt=1%'; kinds: corrupt, drop, duplicate,
                       reorder, delay, truncate
  -http ADDR|unix:PATH serve HTTP there: /healthz, and what other flags add; only this
                       machine may reach it, unless a token is asked for
  -http-token-file F   clients must show the token that is in F
  -log-level LEVEL     error, warning, info, debug or trace (default info)
  -log-format FORM     text or json, on standard error (default text)
  -version             print versions and exit

The filter expression limits what is traced and captured, not what is counted. It
is the part of pcap-filter that tells IP packets: 'icmp or tcp port 80'.

explain tells packets apart byte by byte: those of a capture, or one in hex.

Exit status: 0 after SIGINT or SIGTERM, 1 after a failure, 2 for wrong usage.

Try:  netstackd -addr 172.16.0.2/24 -trace compare &  ping -c 3 172.16.0.2
`
