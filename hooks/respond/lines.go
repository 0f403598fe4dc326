package respond

import "bytes"

// maxLine is the length of the longest line that is taken, in bytes: that of the
// longest packet with each byte as "0x45 ", and more.
const maxLine = 512 << 10

// lines makes lines of what comes in pieces. The rest of one that is longer than
// the limit is passed over.
type lines struct {
	limit int
	part  []byte
	// over says that the line is longer already, and told of.
	over bool
}

// feed calls each for every line that ends within b, without its end, and says
// whether it was cut. The line is valid during the call. It stops, and reports
// false, once each does.
func (l *lines) feed(b []byte, each func(line []byte, cut bool) bool) bool {
	for len(b) > 0 {
		end := bytes.IndexByte(b, '\n')
		piece := b
		if end >= 0 {
			piece = b[:end]
		}
		if !l.over {
			l.part = append(l.part, piece[:min(len(piece), l.limit+1-len(l.part))]...)
			if len(l.part) > l.limit {
				l.over = true
				if !each(l.part[:l.limit], true) {
					return false
				}
			}
		}
		if end < 0 {
			return true
		}
		b = b[end+1:]
		if !l.end(each) {
			return false
		}
	}
	return true
}

// end ends the line, as its end would: nothing more comes of it.
func (l *lines) end(each func(line []byte, cut bool) bool) bool {
	over, part := l.over, l.part
	l.over, l.part = false, l.part[:0]
	if over {
		return true
	}
	return each(bytes.TrimSuffix(part, []byte("\r")), false)
}

// begun reports whether a part of a line is there.
func (l *lines) begun() bool { return len(l.part) > 0 }
