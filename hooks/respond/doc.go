// Package respond lets others than netstack answer echo requests, and judges what
// they answer.
//
// An external answerer is asked beside the packets' way, which never waits for it:
// its requests wait at a [Desk], and its replies are judged there, field by field,
// against the reply made by hand.
//
// # Tour
//
//   - answerers.go: [Answerers], and the hook that asks. table.go: who answers what,
//     and how that changes while packets move.
//     suppress.go: the hook that keeps netstack's replies from the link.
//     fragment.go: replies that exceed the MTU.
//   - desk.go: [Desk], where requests wait and replies come in.
//   - question.go: [Question], what is put to a desk.
//   - request.go: [Request], what waits there, and how a reply finds its request.
//   - grade.go: [Fault], what is wrong with a reply, in words.
//   - protocol.go: the lines that a shell or a process speaks. lines.go: how they
//     are put together.
//   - fifo.go: [FIFO], two named pipes. fifo_linux.go makes them,
//     fifo_receive_linux.go hears commands, fifo_serve_linux.go brings answers
//     and readers together.
//   - exec.go, exec_linux.go: [Exec], a process that converses.
//   - score.go: how an answerer has done.
//   - reason.go: the reasons of what is lost.
//
// hooks/respond/spawn starts that process, without privileges; hooks/respond/mcp has
// an agent sit at a desk.
package respond
