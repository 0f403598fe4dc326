//go:build !unix

package main

// nonBlocking has no meaning where there are no named pipes in the file system.
const nonBlocking = 0
