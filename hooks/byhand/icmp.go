package byhand

// ICMP types that the rules name (RFC 792; RFC 4443 §3; RFC 4861 §4).
const (
	type4Unreachable      = 3
	type4SourceQuench     = 4
	type4Redirect         = 5
	type4TimeExceeded     = 11
	type4ParameterProblem = 12

	type6Unreachable      = 1
	type6PacketTooBig     = 2
	type6TimeExceeded     = 3
	type6ParameterProblem = 4
	type6FirstQuery       = 128 // all types below are errors (RFC 4443 §2.1)
	type6Solicitation     = 135
	type6Advertisement    = 136
	type6Redirect         = 137
)
