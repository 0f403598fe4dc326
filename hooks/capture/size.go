package capture

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// units are those of sizes, in bytes; in lower case.
var units = map[string]float64{
	"": 1, "b": 1,
	"kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
	"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
}

// ParseSize parses a size of at least one byte: a decimal number and a unit of
// B, kB, MB, GB, TB (powers of 1,000) or KiB, MiB, GiB, TiB (powers of 1,024),
// in either case; a number alone counts bytes. K, M and G alone are refused,
// for programs do not agree on what they mean.
func ParseSize(s string) (int64, error) {
	digits := strings.TrimLeft(s, "0123456789.")
	number, unit := s[:len(s)-len(digits)], strings.ToLower(strings.TrimSpace(digits))
	v, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return 0, fmt.Errorf("parse size %q: want a number and a unit, like 10MB or 64MiB", s)
	}
	factor, ok := units[unit]
	if !ok && len(unit) == 1 && strings.Contains("kmgt", unit) {
		up := strings.ToUpper(unit)
		return 0, fmt.Errorf("parse size %q: say %sB (powers of 1,000) or %siB (powers of 1,024)", s, up, up)
	}
	if !ok {
		return 0, fmt.Errorf("parse size %q: %q is no unit: B, kB, MB, GB, TB, KiB, MiB, GiB, TiB are", s, strings.TrimSpace(digits))
	}
	v *= factor
	switch {
	case v >= math.MaxInt64:
		return 0, fmt.Errorf("parse size %q: more than %d bytes", s, int64(math.MaxInt64))
	case v < 1:
		return 0, fmt.Errorf("parse size %q: less than a byte", s)
	}
	return int64(v), nil
}
