package spawn

// Config says what a Spawner is to start.
type Config struct {
	// Args are the arguments with which this program, executed again, calls Serve
	// with those that follow them.
	Args []string
	// Commands are given to /bin/sh -c; they are known by their place.
	Commands []string
	// User is who runs the spawner and the commands, if this process is root's.
	User User
}

// A User is a user and a group by their numbers.
type User struct {
	UID, GID uint32
	// Stay says to stay who this process is.
	Stay bool
}
