#!/bin/sh
# traffic.sh FILE writes a capture of what two Linux kernels say to each other over a
# veth pair, in network namespaces of their own: 172.16.0.1 and fd00:172::1 ask,
# 172.16.0.2 and fd00:172::2 answer. It needs root, dumpcap, iperf3, nmap, curl, ping
# and python3, and takes 20 s.
set -eu
file=$(realpath "$1")
if [ "${TRAFFIC_INSIDE:-}" = "" ]; then
	TRAFFIC_INSIDE=1 exec unshare --net --mount --pid --fork --kill-child sh "$0" "$file"
fi
mount -t proc proc /proc
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unshare --net sleep 300 & answerer=$!
sleep 0.5
there() { nsenter --net=/proc/$answerer/ns/net "$@"; }

ip link set lo up
there ip link set lo up
ip link add asks type veth peer name answers netns $answerer
ip link set asks up
# What is on its way is to be as the kernel left it: super-segments, and sums of the
# pseudo-header alone.
dumpcap -q -i asks -w "$work/all.pcapng" >/dev/null 2>&1 & dumper=$!
sleep 1
ip addr add 172.16.0.1/24 dev asks
ip -6 addr add fd00:172::1/64 dev asks
there ip addr add 172.16.0.2/24 dev answers
there ip -6 addr add fd00:172::2/64 dev answers
there ip link set answers up
sleep 3 # until no address is tentative any more

there iperf3 -s >/dev/null &
head -c 20000 "$0" > "$work/page"
there python3 -m http.server -b :: -d "$work" 80 >/dev/null 2>&1 &
there python3 -c '
import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind(("::", 7))
while True:
    data, peer = s.recvfrom(65535)
    s.sendto(data, peer)
' &
sleep 1

echoes() {
	python3 -c '
import socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.settimeout(5)
for n in (0, 1, 100, 1400, 4000):
    s.sendto(bytes(n), (sys.argv[1], 7))
    s.recvfrom(65535)
' "$1"
}

ping -q -c 3 -i 0.01 172.16.0.2 >/dev/null
ping -q -c 2 -i 0.01 -s 1473 172.16.0.2 >/dev/null
ping -q -c 2 -i 0.01 -s 8000 172.16.0.2 >/dev/null
ping -q -c 2 -i 0.01 -R 172.16.0.2 >/dev/null
ping -q -c 2 -i 0.01 -T tsonly 172.16.0.2 >/dev/null
ping -q -c 2 -i 0.01 -T tsandaddr 172.16.0.2 >/dev/null
ping -q -c 2 -i 0.01 -R -s 3000 172.16.0.2 >/dev/null
ping -q -c 2 -i 0.01 -Q 2 -s 3000 172.16.0.2 >/dev/null
ping -q -c 2 -i 0.01 -t 1 172.16.0.2 >/dev/null
ping -q -c 3 -i 0.01 fd00:172::2 >/dev/null
ping -q -c 2 -i 0.01 -s 8000 fd00:172::2 >/dev/null
ping -q -c 2 -i 0.01 -Q 2 -s 3000 fd00:172::2 >/dev/null
ping -q -c 1 -I asks ff02::1 >/dev/null 2>&1
for host in 172.16.0.2 fd00:172::2; do
	iperf3 -c $host -n 60K -l 60K >/dev/null
	iperf3 -c $host -n 60K -l 60K -R >/dev/null
	iperf3 -c $host -n 20K -l 1000 -u >/dev/null
done
curl -sf -o /dev/null 'http://172.16.0.2/page'
curl -sf -o /dev/null 'http://[fd00:172::2]/page'
curl -s -o /dev/null 'http://172.16.0.2:81/' || true
echoes ::ffff:172.16.0.2
echoes fd00:172::2
for scan in -sS -sF -sN -sX -sA; do
	nmap -n -Pn $scan -p 7,80,81 172.16.0.2 >/dev/null
done
nmap -n -Pn -sS -p 7,80,81 -6 fd00:172::2 >/dev/null
nmap -n -Pn -sU -p 7,9 172.16.0.2 >/dev/null
nmap -n -Pn -sU -p 7,9 -6 fd00:172::2 >/dev/null
sleep 6 # until the neighbours ask whether they are still there

kill -INT $dumper
wait $dumper || true
cp "$work/all.pcapng" "$file"
chmod 644 "$file"
