package engineio

import (
	"net/http"
	"runtime"
	"sync"
	"time"
)

// turns sees to it that clients who send without a pause, and new ones, leave processors for all others. Fair turns alone
// would not do: while all processors have work, the runtime looks for what has come over the network every 10 ms only, so
// that a client who sends now and then waits for that long, however little it asks for.
type turns struct {
	mu sync.Mutex
	// free is when what was taken so far will have been worked off at the rate that is allowed.
	free time.Time
	// handshake is how long one takes that nothing holds up, about: most take longer,
	// which is the network's doing, or the machine's.
	handshake time.Duration
}

// Turn is how long may be worked for a client without a pause, before Conn.Yield is to be called.
const Turn = 100 * time.Microsecond

const (
	// burst is how much may be worked at once after a time with less.
	burst = time.Millisecond
	// longHandshake is the most that one is taken for.
	longHandshake = time.Millisecond
	// maxWait is how long a handshake may have to wait for its turn. Those that would wait longer are refused.
	maxWait = 5 * time.Second
)

// take takes so much of the processors, half of which may be taken in the long run, and returns how long to wait before. It
// takes nothing where that is longer than most.
func (t *turns) take(work, most time.Duration, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if earliest := now.Add(-burst); t.free.Before(earliest) {
		t.free = earliest
	}
	wait := t.free.Sub(now)
	if wait <= most {
		t.free = t.free.Add(2 * work / time.Duration(runtime.GOMAXPROCS(0)))
	}
	return wait
}

// Yield is called by whoever has worked for the client's messages for so long without a pause, with more of them to come. It
// waits until it is this client's turn again: not at all while there is little to do, for a while when many clients
// send without a pause. Together with new clients, they have half of the processors.
func (c *Conn) Yield(worked time.Duration) {
	wait := c.server.turns.take(worked, time.Hour, time.Now())
	if wait <= 0 {
		runtime.Gosched()
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.done: // what is left is little
	}
}

// admit waits for the turn of a handshake, and reports false when that would take too long or the client is gone. The
// function is to be called at its end.
func (s *Server) admit(r *http.Request) (done func(), ok bool) {
	t := &s.turns
	t.mu.Lock()
	usual := t.handshake
	t.mu.Unlock()
	// What comes before and after, in net/http, for the first namespace and for the end, costs as much again.
	wait := t.take(2*usual, maxWait, time.Now())
	if wait > maxWait {
		return nil, false
	}
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-s.closing:
		case <-r.Context().Done():
			return nil, false
		}
	}
	began := time.Now()
	return func() { t.learn(time.Since(began)) }, true
}

// learn takes note of how long a handshake took.
func (t *turns) learn(took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	by := min(took, longHandshake) - t.handshake
	if by < 0 {
		by *= 32
	}
	t.handshake += by / 64
}
