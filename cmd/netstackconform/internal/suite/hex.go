package suite

import "encoding/hex"

// Hex are bytes that are hexadecimal in JSON.
type Hex []byte

// MarshalText implements encoding.TextMarshaler.
func (h Hex) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// String returns the digits.
func (h Hex) String() string { return hex.EncodeToString(h) }
