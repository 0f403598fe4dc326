package respond

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"netstackd/hooks/capture"
)

// The words of the line protocol. READ asks for a packet and gets one in hex, or
// TIMEOUT; WRITE, with a reply in hex behind it, gets OK, or ERROR and a reason.
const (
	wordRead    = "READ"
	wordWrite   = "WRITE"
	wordTimeout = "TIMEOUT"
	wordOK      = "OK"
	wordError   = "ERROR"
)

// readWait is how long READ waits for a packet. Whoever asked in a shell waits a
// little longer: timeout 35 cat.
const readWait = 30 * time.Second

// A command is one line of an answerer's.
type command struct {
	// read says that it asks for a packet; else packet is a reply.
	read   bool
	packet []byte
}

// parseCommand reads a line without its end. Words may be in either case, and the
// hex with spaces or a prefix of 0x, for there is one way alone to understand that.
// An error is one line.
func parseCommand(line []byte) (command, error) {
	text := strings.TrimSpace(string(line))
	word, rest := text, ""
	if i := strings.IndexAny(text, " \t"); i >= 0 {
		word, rest = text[:i], strings.TrimSpace(text[i:])
	}
	switch strings.ToUpper(word) {
	case wordRead:
		if rest != "" {
			return command{}, fmt.Errorf("nothing stands behind %s, and %s does", wordRead, quoted(rest))
		}
		return command{read: true}, nil
	case wordWrite:
		if rest == "" {
			return command{}, fmt.Errorf("%s needs a packet in hex behind it", wordWrite)
		}
		b, err := capture.ParseHex(rest)
		if err != nil {
			return command{}, errors.New(strings.Replace(err.Error(), "line 1, ", "", 1))
		}
		return command{packet: b}, nil
	case "":
		return command{}, fmt.Errorf("the line is empty: expected %s, or %s and a packet in hex", wordRead, wordWrite)
	}
	return command{}, fmt.Errorf("%s is no command: expected %s, or %s and a packet in hex", quoted(word), wordRead, wordWrite)
}

// quoted quotes what a client wrote, and no more than its beginning.
func quoted(s string) string {
	const most = 20
	if len(s) > most {
		return fmt.Sprintf("%q…", s[:most])
	}
	return fmt.Sprintf("%q", s)
}

// refused is the line that answers what was not done.
func refused(err error) string { return wordError + " " + strings.ReplaceAll(err.Error(), "\n", " ") }

// errTooLong is the reason of a line that is not taken.
var errTooLong = fmt.Errorf("the line is longer than %d bytes: no packet needs that", maxLine)

// answer carries out a command at a desk and returns the line that answers it. If
// it gives a request, that is its ID. wait bounds READ; once ctx is done READ ends
// with its error and no line.
func answer(ctx context.Context, d *Desk, c command, wait time.Duration) (line string, given uint64, err error) {
	if !c.read {
		if _, err := d.Reply(c.packet); err != nil {
			return refused(err), 0, nil
		}
		return wordOK, 0, nil
	}
	patience, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	r, err := d.Next(patience)
	switch {
	case err == nil:
		return hex.EncodeToString(r.Packet), r.ID, nil
	case ctx.Err() != nil:
		return "", 0, ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		return wordTimeout, 0, nil
	}
	return "", 0, err
}

// ErrUnsupported is returned where a system cannot do what Linux does.
var ErrUnsupported = errors.New("not supported on this system: it needs Linux")
