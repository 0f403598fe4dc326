package guard

// The reasons that the guard gives to keep a packet from netstack. The names of
// mends are reasons too.
const (
	ReasonFragmentTooLong = "guard-fragment-too-long"
	ReasonReplyTooLong    = "guard-reply-too-long"
	ReasonFragmentInDoubt = "guard-fragment-in-doubt"
)

// DropReasons documents each reason in one line.
func DropReasons() map[string]string {
	m := map[string]string{
		ReasonFragmentTooLong: "fragment of an ICMPv4 message that ends where no IPv4 datagram can: reassembled, the echo reply would overflow (RFC 791 §3.1)",
		ReasonReplyTooLong:    "fragment of an ICMPv4 echo request whose reply, with the options that come back in it, would be longer than 65,535 bytes",
		ReasonFragmentInDoubt: "fragment of an ICMPv4 message that ends near 65,535 bytes: whether its datagram has options is not known any more, under a flood of such",
	}
	for _, mend := range List() {
		m[mend.Name] = mend.Does + " (" + mend.RFC + ")"
	}
	return m
}
