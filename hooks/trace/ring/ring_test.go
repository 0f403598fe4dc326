package ring

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestAccount: whatever is put in ends as written or as lost, once, whether the
// writer keeps up, is stuck, or comes to its end.
func TestAccount(t *testing.T) {
	const puts = 3 * Len
	for _, tt := range []struct {
		name  string
		stuck bool
	}{{"a writer that keeps up", false}, {"a writer that is stuck", true}} {
		t.Run(tt.name, func(t *testing.T) {
			defer goleak.VerifyNone(t)
			r := New(func(int) int64 { return 1 })
			release, written := make(chan struct{}), uint64(0)
			write := func(e int) bool {
				if tt.stuck {
					<-release
				}
				if !r.Take(e) || !r.Settle(1, 0) {
					return false
				}
				written++
				return true
			}
			r.Start(func() {
				for {
					select {
					case e := <-r.Events:
						if !write(e) {
							return
						}
					case <-r.Quit:
						for {
							select {
							case e := <-r.Events:
								if !write(e) {
									return
								}
							default:
								return
							}
						}
					}
				}
			})
			begin := time.Now()
			for i := range puts {
				r.Put(i)
			}
			if took := time.Since(begin); tt.stuck && took > 5*time.Second {
				t.Errorf("putting took %v: it waited for the writer", took)
			}
			patience := time.Minute
			if tt.stuck {
				patience = 10 * time.Millisecond
			}
			_, ended := r.Close(patience)
			if ended == tt.stuck {
				t.Errorf("the writer ended: %v", ended)
			}
			r.Put(puts)
			close(release)
			<-r.done
			if got := written + r.Lost(); got != puts+1 {
				t.Errorf("%d written and %d lost make %d, want %d", written, r.Lost(), got, puts+1)
			}
			if tt.stuck && written > 0 {
				t.Errorf("%d written by a writer that was abandoned", written)
			}
		})
	}
}

// TestBytes: events that carry more than the ring may hold are lost.
func TestBytes(t *testing.T) {
	r := New(func(size int) int64 { return int64(size) })
	r.Put(Bytes)
	r.Put(1)
	if r.Lost() != 1 || len(r.Events) != 1 {
		t.Errorf("%d lost, %d queued, want one each", r.Lost(), len(r.Events))
	}
}
