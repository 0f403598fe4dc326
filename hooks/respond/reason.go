package respond

// ReasonQueueFull is the reason of a request that was never answered because too
// many others came to wait behind it.
const ReasonQueueFull = "answerer-queue-full"

// ReasonHostDown is the reason of a reply that the link did not take
// because it was not up, or not any more.
const ReasonHostDown = "answerer-host-down"

// DropReasons documents each reason of this package in one line.
func DropReasons() map[string]string {
	return map[string]string{
		ReasonQueueFull: "an echo request was dropped unanswered: too many wait for their answerer",
		ReasonHostDown:  "the reply of an answerer came while the host was not up",
	}
}
