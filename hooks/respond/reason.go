package respond

// ReasonQueueFull is the reason of a request that was never answered because too
// many others came to wait behind it.
const ReasonQueueFull = "answerer-queue-full"

// ReasonEnded is the reason of a request that waited for its answerer when the host
// went down.
const ReasonEnded = "answerer-ended"

// DropReasons documents each reason of this package in one line. A reply that the
// link does not take has the link's.
func DropReasons() map[string]string {
	return map[string]string{
		ReasonQueueFull: "an echo request was dropped unanswered: too many wait for their answerer",
		ReasonEnded:     "an echo request waited for its answerer when the host went down",
	}
}
