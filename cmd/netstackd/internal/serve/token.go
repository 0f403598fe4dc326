package serve

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

// The bounds of a token: one that can be guessed protects nothing, and one
// that is longer than a header is a mistaken file.
const (
	minToken = 16
	maxToken = 1024
)

// A token is what a client must show, as "Authorization: Bearer TOKEN" (RFC
// 6750 §2.1). It is kept as its hash, so that comparing takes the same time
// whatever the two have in common, their lengths included.
type token [sha256.Size]byte

// readToken reads the file of -http-token-file. White space around the token
// does not count: editors end files with a line feed.
func readToken(path string) (*token, error) {
	// A named pipe without a writer would be waited for.
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read token: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read token: %s is no regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read token: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxToken+2))
	if err != nil {
		return nil, fmt.Errorf("read token: %w", err)
	}
	word := strings.TrimSpace(string(text))
	if len(word) < minToken || len(text) > maxToken+1 {
		return nil, fmt.Errorf("read token: %s holds %d bytes: expected one word of %d to %d: openssl rand -hex 32 makes one",
			path, info.Size(), minToken, maxToken)
	}
	if strings.ContainsFunc(word, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return nil, errors.New("read token: " + path + " holds more than one word of printable ASCII: openssl rand -hex 32 makes a token")
	}
	t := token(sha256.Sum256([]byte(word)))
	return &t, nil
}

// open are the paths that need no token: they say only whether the host is up.
var open = map[string]bool{"/healthz": true, "/readyz": true}

// guard lets those through to next who show the token.
func (t *token) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !open[r.URL.Path] && !t.shownBy(r) {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "the token of -http-token-file is needed, as in: curl -H 'Authorization: Bearer TOKEN'", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (t *token) shownBy(r *http.Request) bool {
	scheme, word, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	sum := sha256.Sum256([]byte(word))
	// The scheme's case is free (RFC 9110 §11.1).
	return ok && strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(sum[:], t[:]) == 1
}
