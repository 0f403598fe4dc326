package main

import (
	"net"
	"os"
	"time"

	"github.com/sirupsen/logrus"

	"netstackd/link"
)

const (
	// notifyPatience bounds how long systemd's socket may be full.
	notifyPatience = time.Second
	// readyInterval is how often a host that does not answer yet is looked at.
	readyInterval = 100 * time.Millisecond
)

// A notifier tells systemd how the host is, as sd_notify(3) has it. Its socket is
// connected once: a contained process can make none, so that a library that makes one
// for each message will not do.
type notifier struct {
	// conn is nil if nobody wants to know.
	conn *net.UnixConn
	log  logrus.FieldLogger
}

// openNotifier connects to the socket that the environment names, if it does. That
// this fails is logged and no more: the host is of use without.
func openNotifier(log logrus.FieldLogger) *notifier {
	n := &notifier{log: log}
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return n
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err == nil {
		n.conn = conn
		// It is not for what exec answerers start.
		err = os.Unsetenv("NOTIFY_SOCKET")
	}
	if err != nil {
		log.WithError(err).Warn("systemd is not told when the host is up: NOTIFY_SOCKET must name a unix socket that takes datagrams")
	}
	return n
}

// say sends one message, lines of NAME=value.
func (n *notifier) say(message string) {
	if n.conn == nil {
		return
	}
	err := n.conn.SetWriteDeadline(time.Now().Add(notifyPatience))
	if err == nil {
		_, err = n.conn.Write([]byte(message))
	}
	if err != nil {
		n.log.WithError(err).Warn("systemd could not be told how the host is")
	}
}

// sayReady says that the host is ready once it answers, and why it does not until
// then. It returns after that, or when ending is closed.
func (n *notifier) sayReady(device *link.Device, ending <-chan struct{}) {
	if n.conn == nil {
		return
	}
	said := ""
	for {
		why := unready(device)
		if why == "" {
			n.say("READY=1\nSTATUS=the host answers")
			return
		}
		if why != said {
			n.say("STATUS=" + why)
			said = why
		}
		select {
		case <-ending:
			return
		case <-time.After(readyInterval):
		}
	}
}

// close closes the socket.
func (n *notifier) close() {
	if n.conn != nil {
		_ = n.conn.Close() // there is nothing in it to lose
	}
}
