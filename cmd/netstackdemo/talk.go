package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// The ports of the services inside netstackd (RFC 862, RFC 9110).
const (
	echoPort = 7
	httpPort = 80
)

// echoOnce sends a message to the echo service of network "tcp" or "udp" and
// wants it back. It returns the time that took, connecting included.
func echoOnce(ctx context.Context, network string, to netip.Addr) (time.Duration, error) {
	begin := time.Now()
	conn, err := dial(ctx, network, to, echoPort)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	message := pattern(1000)
	if _, err := conn.Write(message); err != nil {
		return 0, fmt.Errorf("send to echo: %w", err)
	}
	answer := make([]byte, len(message))
	if _, err := io.ReadFull(conn, answer); err != nil {
		return 0, fmt.Errorf("receive from echo: %w", err)
	}
	if !bytes.Equal(message, answer) {
		return 0, errors.New("echo: what came back is not what was sent")
	}
	return time.Since(begin), nil
}

// dial connects, and bounds the connection's life by that of ctx.
func dial(ctx context.Context, network string, to netip.Addr, port uint16) (net.Conn, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, network, netip.AddrPortFrom(to, port).String())
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			conn.Close()
			return nil, fmt.Errorf("set deadline: %w", err)
		}
	}
	return conn, nil
}

// A client of an echo service that sends without end before it reads fills every
// buffer on the way, its own included. This one sends a chunk only when at most
// inFlight chunks have not come back, which is enough to keep the way busy.
const (
	chunkSize = 64 << 10
	inFlight  = 8
)

// transfer sends size bytes, a multiple of a chunk, to the TCP echo service and
// reads them back at the same time. Both ends of the way are hashed, and the
// hashes must agree. It returns the time from the first byte to the last.
func transfer(ctx context.Context, to netip.Addr, size int64) (time.Duration, error) {
	conn, err := dial(ctx, "tcp", to, echoPort)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	// Whatever ends the one direction ends the other one too, at once.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() { conn.Close() })()

	begin := time.Now()
	away := make(chan struct{}, inFlight) // a token for each chunk on its way
	sent := make(chan [sha256.Size]byte, 1)
	go func() {
		sum, err := sendNoise(ctx, conn, size/chunkSize, away)
		if err != nil {
			cancel(err)
		}
		sent <- sum
	}()
	received, err := receiveNoise(conn, size/chunkSize, away)
	took := time.Since(begin)
	if err != nil {
		cancel(err)
	}
	same := <-sent == received
	switch err := context.Cause(ctx); {
	case err != nil:
		return 0, err
	case !same:
		return 0, errors.New("what came back has another SHA-256 than what was sent")
	}
	return took, nil
}

// sendNoise sends chunks of noise, then half closes, and returns their hash.
func sendNoise(ctx context.Context, conn net.Conn, chunks int64, away chan<- struct{}) (sum [sha256.Size]byte, err error) {
	noise := rand.NewChaCha8([32]byte([]byte("netstackdemo, 256 MiB over TCP.\n")))
	hash, chunk := sha256.New(), make([]byte, chunkSize)
	for range chunks {
		select {
		case away <- struct{}{}:
		case <-ctx.Done():
			return sum, context.Cause(ctx)
		}
		// Neither this source nor a hash ever fails.
		_, _ = noise.Read(chunk)
		_, _ = hash.Write(chunk)
		if _, err := conn.Write(chunk); err != nil {
			return sum, fmt.Errorf("send: %w", err)
		}
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		return sum, fmt.Errorf("send the end: %w", err)
	}
	return [sha256.Size]byte(hash.Sum(nil)), nil
}

// receiveNoise reads the chunks back, wants nothing after them, and returns
// their hash.
func receiveNoise(conn net.Conn, chunks int64, away <-chan struct{}) (sum [sha256.Size]byte, err error) {
	hash, chunk := sha256.New(), make([]byte, chunkSize)
	for i := range chunks {
		if _, err := io.ReadFull(conn, chunk); err != nil {
			return sum, fmt.Errorf("receive after %d MiB: %w", i*chunkSize>>20, err)
		}
		_, _ = hash.Write(chunk)
		<-away
	}
	if n, err := conn.Read(chunk); n != 0 || !errors.Is(err, io.EOF) {
		return sum, fmt.Errorf("receive the end: %d bytes and %v", n, err)
	}
	return [sha256.Size]byte(hash.Sum(nil)), nil
}

// fetch gets the HTTP page and returns its size in bytes.
func fetch(ctx context.Context, to netip.Addr) (int, error) {
	url := "http://" + netip.AddrPortFrom(to, httpPort).String() + "/"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, fmt.Errorf("build request: %w", err)
	}
	// A transport of its own: no proxy of the environment, nothing left open.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	page, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return 0, fmt.Errorf("read page: %w", err)
	}
	if response.StatusCode != http.StatusOK || len(page) == 0 {
		return 0, fmt.Errorf("status %s with %d bytes", response.Status, len(page))
	}
	return len(page), nil
}
