package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"time"

	"netstackd/hooks/byhand"
	"netstackd/hooks/capture"
	"netstackd/hooks/filter"
	"netstackd/hooks/wire"
)

// errExplainUsage is wrapped by what explain says of arguments that make no
// sense.
var errExplainUsage = errors.New("give a packet in hex, or a capture, as in: netstackd explain 4500001c… or netstackd explain file.pcapng 'icmp'")

// explain writes what the packets of a capture say, or the one given in hex,
// byte by byte, and for an echo request how its reply is built. It needs no
// device and no privilege. What stands behind a capture's name is a filter
// expression; what stands behind the first part of a packet in hex, its rest.
func explain(w io.Writer, args []string) error {
	if len(args) == 0 || strings.TrimSpace(args[0]) == "" {
		return errExplainUsage
	}
	out := bufio.NewWriter(w)
	err := explainTo(out, args)
	return errors.Join(err, out.Flush())
}

func explainTo(w io.Writer, args []string) error {
	if _, err := os.Stat(args[0]); err == nil || args[0] == "-" {
		return explainCapture(w, args[0], strings.Join(args[1:], " "))
	} else if strings.ContainsAny(args[0], "/.") {
		return err // nobody writes hex like that: a file that is not there
	}
	packet, err := capture.ParseHex(strings.Join(args, " "))
	if err != nil {
		return fmt.Errorf("%w: %w", err, errExplainUsage)
	}
	return explainPacket(w, packet)
}

func explainCapture(w io.Writer, path, expression string) error {
	match, err := filter.Compile(expression)
	if err != nil {
		return fmt.Errorf("%w: %w", err, errExplainUsage)
	}
	for c, err := range capture.Packets(path) {
		if err != nil {
			return err
		}
		if !match.Match(c.Bytes) {
			continue
		}
		at := ""
		if !c.Time.IsZero() {
			at = c.Time.Format(", 2006-01-02 15:04:05.000000")
		}
		if c.Cut > 0 {
			at += fmt.Sprintf(", %d bytes cut by the capture", c.Cut)
		}
		if _, err := fmt.Fprintf(w, "Packet %d%s\n\n", c.Number, at); err != nil {
			return err
		}
		if err := explainPacket(w, c.Bytes); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(w); err != nil {
			return err
		}
	}
	return nil
}

// explainPacket explains one packet, and the reply that a host with its
// destination's address owes it, if it is an echo request.
func explainPacket(w io.Writer, packet []byte) error {
	if err := wire.Explain(w, packet); err != nil {
		return err
	}
	var p wire.Packet
	if p.Decode(packet); !p.Dst.IsValid() || p.Dst.IsMulticast() {
		return nil
	}
	host := byhand.New([]netip.Prefix{netip.PrefixFrom(p.Dst, p.Dst.BitLen())})
	var checks [2]wire.Check
	reply := host.Inbound(&p, p.Checksums(checks[:0]), time.Time{}).Reply
	if reply == nil {
		return nil
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	return wire.ExplainReply(w, packet, reply)
}
