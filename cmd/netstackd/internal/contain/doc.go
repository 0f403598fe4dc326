// Package contain takes from the process, once everything is open, what it does not
// need to move packets, so that whoever takes it over by a packet gains little.
//
//   - contain.go: [Config], what is left open.
//   - contain_linux.go: [Enter]: capabilities, no_new_privs, then the two below, on
//     every thread, and a look at each thread whether it is so. [Become] changes the
//     user before.
//   - filter_linux.go: the system calls that are left, seccomp(2).
//   - files_linux.go: the files that are left, landlock(7).
//   - other.go: elsewhere than on Linux there is nothing of that.
package contain
