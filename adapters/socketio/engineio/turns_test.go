package engineio

import (
	"net/http"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Who works for clients without a pause gets half of the processors, and what was not used before is lost.
func TestTurnsLeaveHalfOfTheProcessors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &Conn{server: &Server{}}
		for range 2 {
			began, worked := time.Now(), time.Duration(0)
			var clients sync.WaitGroup
			for range 10 {
				clients.Go(func() {
					for range 100 {
						c.Yield(Turn)
					}
				})
				worked += 100 * Turn
			}
			clients.Wait()
			allowed := 2 * worked / time.Duration(runtime.GOMAXPROCS(0))
			if took := time.Since(began); took < allowed-burst-10*Turn*2 || took > allowed {
				t.Errorf("%v of work took %v, want about %v", worked, took, allowed)
			}
			time.Sleep(time.Minute)
		}
	})
}

// What a handshake takes is learned from those that were.
func TestHandshakesAreLearnedFrom(t *testing.T) {
	var s Server
	for range 100 {
		s.turns.learn(100 * time.Microsecond)
		for range 4 { // the machine is busy
			s.turns.learn(time.Minute)
		}
		s.turns.learn(100 * time.Microsecond)
	}
	if got := s.turns.handshake; got < 100*time.Microsecond || got > 250*time.Microsecond {
		t.Errorf("a handshake is taken for %v, want about 100 µs", got)
	}
}

// A handshake waits for its turn, and is refused where that is too long.
func TestHandshakesTakeTurns(t *testing.T) {
	h := newHost(t, Config{}, nil)
	h.server.turns.free = time.Now().Add(100 * time.Millisecond)
	earliest := h.server.turns.free
	h.openPolling()
	if time.Now().Before(earliest) {
		t.Error("the handshake was answered before its turn")
	}
	h.server.turns.mu.Lock()
	h.server.turns.free = time.Now().Add(time.Hour)
	h.server.turns.mu.Unlock()
	status, body, _ := h.do(http.MethodGet, "EIO=4&transport=polling", "")
	if status != http.StatusServiceUnavailable || h.server.Stats().Unavailable != 1 {
		t.Errorf("status %d, %s; counts %+v", status, body, h.server.Stats())
	}
}
