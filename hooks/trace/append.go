package trace

import "strconv"

// appendNumber appends a label and a number in decimal.
func appendNumber[N ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~int](b []byte, label string, n N) []byte {
	// No number here is negative, or over 63 bits.
	return strconv.AppendInt(append(b, label...), int64(n), 10)
}

// appendName appends a label and a quoted name. Names are from closed lists of
// plain ASCII; should one not be, strconv quotes it so that it stays one line.
func appendName(b []byte, label, name string) []byte {
	return strconv.AppendQuoteToASCII(append(b, label...), name)
}

// appendHex16 appends 0x and four hexadecimal digits.
func appendHex16(b []byte, v uint16) []byte {
	const digits = "0123456789abcdef"
	return append(b, '0', 'x', digits[v>>12], digits[v>>8&15], digits[v>>4&15], digits[v&15])
}
