//go:build unix

package main

import "syscall"

// nonBlocking makes opening a named pipe without a reader an error.
const nonBlocking = syscall.O_NONBLOCK
