package serve

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/pprof"
	"strconv"
)

// JSON returns a handler that shows what get returns, as one object.
func JSON(get func() any) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		// A client that is gone by now is its own affair.
		_ = encoder.Encode(get())
	})
}

// maxProfile bounds how long a profile or a trace of the program may take, so that
// time to send it is left of writeTimeout, and profileTime is what it takes if
// nobody says, in seconds.
const (
	maxProfile  = 25
	profileTime = 10
)

// Profiles serves those of the program under /debug/pprof, one at a time.
func (s *Server) Profiles() {
	turn := make(chan struct{}, 1)
	for path, h := range map[string]http.HandlerFunc{
		"/debug/pprof/{$}": pprof.Index, "/debug/pprof/profile": pprof.Profile, "/debug/pprof/trace": pprof.Trace,
		"/debug/pprof/{name}": func(w http.ResponseWriter, r *http.Request) { pprof.Handler(r.PathValue("name")).ServeHTTP(w, r) },
	} {
		s.Handle("GET "+path, oneProfile(turn, h))
	}
}

// oneProfile lets one request at a time through to h, if its time is bounded.
func oneProfile(turn chan struct{}, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if given := q.Get("seconds"); given != "" {
			if n, err := strconv.Atoi(given); err != nil || n < 1 || n > maxProfile {
				http.Error(w, fmt.Sprintf("seconds=%.20q: expected a number from 1 to %d", given, maxProfile), http.StatusBadRequest)
				return
			}
		} else if p := r.URL.Path; p == "/debug/pprof/profile" || p == "/debug/pprof/trace" {
			q.Set("seconds", strconv.Itoa(profileTime))
			r.URL.RawQuery = q.Encode()
		}
		select {
		case turn <- struct{}{}:
			defer func() { <-turn }()
		default:
			w.Header().Set("Retry-After", strconv.Itoa(maxProfile))
			http.Error(w, "another profile is being made: one at a time", http.StatusTooManyRequests)
			return
		}
		h.ServeHTTP(w, r)
	})
}
