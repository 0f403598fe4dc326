#!/usr/bin/env python3
"""The reference answerer, for netstackd -respond 'exec:python3 answer.py': prints READ and gets
a packet in hexadecimal, or TIMEOUT; prints WRITE and the reply, and gets OK, or ERROR and why."""
import struct, sys, time

def checksum(data):  # RFC 1071: the complement of the sum of 16-bit words, carries added back in
    data += bytes(len(data) % 2)
    total = sum(int.from_bytes(data[i:i + 2], "big") for i in range(0, len(data), 2))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return (0xFFFF - total).to_bytes(2, "big")

def echo(kind, request, pseudo=b""):  # RFC 792, RFC 4443: another type, another sum, all else as it came
    reply = bytes([kind, request[1], 0, 0]) + request[4:]
    return reply[:2] + checksum(pseudo + reply) + reply[4:]

def options(rest, us, to):  # RFC 1122 section 3.2.2.6: which come back, and where the reply goes first
    kept = b""
    while rest and rest[0] != 0:
        size = 1 if rest[0] == 1 else rest[1]
        option, rest = bytearray(rest[:size]), rest[size:]
        if option[0] == 7 and option[2] < size:  # record route, with room: our address
            option[option[2] - 1:option[2] + 3], option[2] = us, option[2] + 4
        elif option[0] == 68:  # timestamp: milliseconds since midnight UT, behind our address or alone
            at, flag = option[2] - 1, option[3] & 15
            stamp = (us if flag else b"") + (int(time.time() * 1000) % 86400000).to_bytes(4, "big")
            if at >= size:
                option[3] += 0 if flag == 3 else 16  # one more that found no room
            elif flag != 3 or option[at:at + 4] == us:
                option[at:at + len(stamp)], option[2] = stamp, option[2] + len(stamp)
        elif option[0] in (131, 137):  # source route, walked to its end: back the same way
            hops = [bytes(option[i:i + 4]) for i in range(3, size, 4)][::-1] + [to]
            to, option[2:] = hops[0], b"\4" + b"".join(hops[1:])
        kept += option if option[0] in (7, 68, 131, 137) else b""
    return to, kept + bytes(-len(kept) % 4)

def answer(packet):
    if packet[0] >> 4 == 4:  # RFC 791
        size, us, df = (packet[0] & 15) * 4, packet[16:20], packet[6] & 0x40
        to, extra = options(packet[20:size], us, packet[12:16])
        first, length = 0x45 + len(extra) // 4, len(packet) - size + 20 + len(extra)
        head = struct.pack(">BBH2sBBBB", first, packet[1], length, packet[4:6], df, 0, 64, 1)
        return head + checksum(head + us + to + extra) + us + to + extra + echo(0, packet[size:])
    kind, at = packet[6], 40  # RFC 8200
    while kind != 58:  # past the extension headers, of which none comes back
        kind, at = packet[at], at + (8 if kind == 44 else packet[at + 1] * 8 + 8)
    addresses, length = packet[24:40] + packet[8:24], len(packet) - at
    head = struct.pack(">BBHHBB", packet[0], packet[1] & 0xF0, 0, length, 58, 64) + addresses
    return head + echo(129, packet[at:], addresses + struct.pack(">II", length, 58))

def ask(line):
    print(line, flush=True)
    return sys.stdin.readline().strip()

while line := ask("READ"):  # nothing, once netstackd is gone
    try:
        if line != "TIMEOUT" and (verdict := ask("WRITE " + answer(bytes.fromhex(line)).hex())) != "OK":
            raise ValueError(verdict)
    except (IndexError, ValueError, struct.error) as e:  # a damaged option, say: silence is right too
        print(line, e, file=sys.stderr, flush=True)
