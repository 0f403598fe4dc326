#!/bin/sh
# The reference answerer for -respond fifo:DIR, in POSIX shell and awk: sh answer.sh DIR. It asks for
# a packet, works out the reply, hands it in, and so on until the FIFOs are gone.
cd "${1:-/tmp}" || exit
[ -p tun_cmd ] || { echo "$PWD: no tun_cmd there: start netstackd -respond fifo:$PWD" >&2; exit 1; }

# reply prints the reply to an echo request, both in hexadecimal. IPv4 options do not come back, not
# even a source route.
reply() {
	echo "$1" | awk '
		function byte(at) { return 16 * digit(at) + digit(at + 1) }
		function digit(at) { return index("0123456789abcdef", substr($0, at, 1)) - 1 }
		function put(at, word) { b[at] = int(word / 256); b[at + 1] = word % 256 }
		function swap(one, two, size,  i, kept) {
			for (i = 0; i < size; i++) { kept = b[one + i]; b[one + i] = b[two + i]; b[two + i] = kept }
		}
		# cut takes bytes out, and sees to a 0 behind an odd last byte.
		function cut(at, size,  i) { n -= size; for (i = at; i < n; i++) b[i] = b[i + size]; b[n] = 0 }
		# RFC 1071: the complement of the sum of 16-bit words, carries added back in.
		function checksum(from, to, sum) {
			for (; from < to; from += 2) sum += 256 * b[from] + b[from + 1]
			while (sum > 65535) sum = sum % 65536 + int(sum / 65536)
			return 65535 - sum
		}
		{
			n = length($0) / 2
			for (i = 0; i < n; i++) b[i] = byte(2 * i + 1)
		}
		b[0] < 80 { # IPv4: RFC 791, RFC 792
			cut(20, b[0] % 16 * 4 - 20)
			b[0] = 69; put(2, n); put(6, int(b[6] / 64) % 2 * 16384); b[8] = 64
			swap(12, 16, 4)
			put(10, 0); put(10, checksum(0, 20, 0))
			b[20] = 0
			put(22, 0); put(22, checksum(20, n, 0))
		}
		b[0] >= 80 { # IPv6: RFC 8200, RFC 4443; the sum begins with the addresses, the length, and 58
			for (at = 40; b[6] != 58; at += size) { size = b[6] == 44 ? 8 : 8 * b[at + 1] + 8; b[6] = b[at] }
			cut(40, at - 40)
			put(4, n - 40); b[7] = 64
			swap(8, 24, 16)
			b[40] = 129
			put(42, 0); put(42, checksum(8, n, n - 40 + 58))
		}
		END { for (i = 0; i < n; i++) printf "%02x", b[i] }'
}

while [ -p tun_cmd ] && packet=$(echo "READ" > tun_cmd && timeout 35 cat tun_resp); do
	case $packet in
	'' | TIMEOUT | ERROR*) continue ;;
	esac
	verdict=$(echo "WRITE $(reply "$packet")" > tun_cmd && timeout 35 cat tun_resp)
	[ "$verdict" = OK ] || echo "$verdict" >&2
done
