// Package spawn starts commands from a process that may not: once a daemon has
// restricted itself it neither forks nor executes anything. So before that it starts
// one spawner, itself executed again, without any privilege; and asks it.
//
//   - spawner_linux.go: the daemon's side. [Start] starts the spawner, and
//     [Spawner.Launch] has it start one of the commands, which were fixed then.
//   - serve_linux.go: the spawner's side, [Serve]. children_linux.go: the commands
//     that run, strays_linux.go: what they leave behind.
//   - message_linux.go: what the two say to each other, one line a message, with
//     descriptors.
//   - other.go: elsewhere than on Linux nothing is started.
//
// The spawner ends, and kills what it started, when the daemon does, however that
// ends: it finds the socket between them closed.
package spawn
