package engineio

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
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

// sleeper is a Handler and the Receiver of its connections, which takes its time for each message.
type sleeper time.Duration

func (s sleeper) Open(*Conn) Receiver { return s }

func (s sleeper) Message([]byte, bool) { time.Sleep(time.Duration(s)) }

func (sleeper) Close(Reason, error) {}

// A client whose message comes slowly, or whose receiver waits for something, takes nothing from anybody: new clients
// are let in meanwhile and afterwards.
func TestWaitingIsNoWork(t *testing.T) {
	for name, wait := range map[string]struct{ network, receiver time.Duration }{
		"for the network":  {network: 20 * time.Second},
		"for the receiver": {receiver: 20 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, err := NewServer(sleeper(wait.receiver), Config{})
				if err != nil {
					t.Fatal(err)
				}
				c, err := server.register(httptest.NewRequest(http.MethodGet, "/", http.NoBody))
				if err != nil {
					t.Fatal(err)
				}
				near, far := net.Pipe()
				c.mu.Lock()
				c.attach(&socket{conn: far, reader: newFrameReader(far, nil, 1<<20)})
				c.mu.Unlock()
				c.start()
				c.startReader()
				frame := clientFrame(ws.OpText, true, "4"+strings.Repeat("x", 10_000))
				for _, part := range [][]byte{frame[:1_000], frame[1_000:]} {
					time.Sleep(wait.network)
					if _, err := near.Write(part); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(wait.receiver)
				synctest.Wait()
				if busy := time.Until(server.turns.free); busy > time.Millisecond {
					t.Errorf("new clients have to wait for %v", busy)
				}
				_ = near.Close()
				_ = server.Close()
			})
		})
	}
}

// flood is the network connection of a client that sends the same frame without a pause, at most so many times.
type flood struct {
	net.Conn
	frame []byte
	at    int // of the frame
	left  int // frames
}

func (f *flood) Read(p []byte) (n int, err error) {
	for n < len(p) && f.left > 0 {
		copied := copy(p[n:], f.frame[f.at:])
		n += copied
		if f.at += copied; f.at == len(f.frame) {
			f.at, f.left = 0, f.left-1
		}
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// A client whose messages leave no work to do takes turns all the same, also where they follow one another without an end.
func TestAFloodTakesTurns(t *testing.T) {
	const frames = 100_000
	c := &Conn{server: &Server{}, worker: idler{}, done: make(chan struct{})}
	frame := clientFrame(ws.OpText, true, "4"+strings.Repeat("x", 503))
	if len(frame) != 512 { // so that none of them ends where a buffer does
		t.Fatalf("a frame has %d bytes", len(frame))
	}
	c.socket = &socket{reader: newFrameReader(&flood{frame: frame, left: frames}, nil, 1<<20)}
	if err := c.socket.reader.wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.receive(c.socket); err != nil || c.messages > 1_000 {
		t.Errorf("%d of %d messages were handled without a pause (%v)", c.messages, frames, err)
	}
}

// idler is a Worker with nothing to do.
type idler struct{}

func (idler) Message([]byte, bool)        {}
func (idler) Receive([]byte, bool) func() { return nil }
func (idler) Close(Reason, error)         {}
