package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/adapters/socketio/engineio"
	"github.com/roombus/roombus/domain"
)

// Case 7 of docs/guarantees.md: a handler that blocks makes its own client wait, and nobody else.
func TestCase07_BlockedHandlerHoldsUpItsClientAlone(t *testing.T) {
	const queue = 4
	h := serve(t, socketio.Config{HandlerQueue: queue})
	entered, release := make(chan int), make(chan struct{})
	socketio.On(h, "block", func(_ context.Context, _ *socketio.Socket, n int) error {
		entered <- n
		<-release
		return nil
	})
	socketio.OnAck(h, "echo", func(_ context.Context, _ *socketio.Socket, n int) (int, error) { return n, nil })
	slow, _ := h.join("/")
	other, _ := h.join("/")
	// One at work, a full queue, one that the connection's reader holds: the rest stays in the network.
	const sent = 3 * queue
	for n := range sent {
		slow.send(fmt.Sprintf(`42["block",%d]`, n))
	}
	if n := receive(t, "the first call", entered); n != 0 {
		t.Fatalf("call %d came first", n)
	}
	other.send(`421["echo",7]`)
	other.want(`431[7]`)
	if _, err := h.Emit(t.Context(), "hello"); err != nil { // broadcasts go on, to the slow one too
		t.Fatal(err)
	}
	slow.want(`42["hello"]`)
	close(release)
	for want := 1; want < sent; want++ {
		if n := receive(t, "a call", entered); n != want {
			t.Fatalf("call %d, want %d", n, want)
		}
	}
}

// What the client had sent before it went away is handled, with a context that is alive; then comes the farewell.
func TestEventsBeforeDisconnectAreHandled(t *testing.T) {
	for name, leave := range map[string]func(c *client){
		"client leaves":   func(c *client) { c.send("41") },
		"connection lost": func(c *client) { _ = c.conn.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			h := serve(t, socketio.Config{})
			entered, release := make(chan struct{}), make(chan struct{})
			order := make(chan string, 10)
			var lives sync.Map // of each socket: its handlers' context
			h.OnConnect(func(ctx context.Context, s *socketio.Socket) error { lives.Store(s, ctx); return nil })
			socketio.On(h, "e", func(ctx context.Context, s *socketio.Socket, n int) error {
				if n == 0 {
					close(entered)
					<-release
				}
				_, err := s.To("room").Emit(ctx, "relayed", n)
				order <- fmt.Sprintf("event %d: %v", n, err)
				return nil
			})
			h.OnDisconnect(func(_ context.Context, s *socketio.Socket, _ socketio.Reason) {
				life, _ := lives.Load(s)
				order <- fmt.Sprintf("disconnect: %v", life.(context.Context).Err())
			})
			watcher, _ := h.join("/")
			c, _ := h.join("/")
			c.send(`42["e",0]`, `42["e",1]`, `42["e",2]`)
			receive(t, "the first event", asValues(entered))
			c.send("40/fence,") // which is answered when the events before it were read
			c.want(`44/fence,{"message":"Invalid namespace"}`)
			leave(c)
			// It is out at once, although its first event is still being handled.
			for len(h.Sockets()) > 1 {
				watcher.roundTrip(h)
			}
			close(release)
			for _, want := range []string{
				"event 0: <nil>", "event 1: <nil>", "event 2: <nil>", "disconnect: context canceled",
			} {
				if got := receive(t, want, order); got != want {
					t.Fatalf("got %q, want %q", got, want)
				}
			}
		})
	}
}

// asValues turns a channel that is closed into one that has a value.
func asValues(closed <-chan struct{}) <-chan bool {
	values := make(chan bool, 1)
	go func() {
		<-closed
		values <- true
	}()
	return values
}

// roundTrip gives the server the time to do something.
func (c *client) roundTrip(h *harness) {
	c.t.Helper()
	if _, err := h.Local().Emit(c.t.Context(), "tick"); err != nil {
		c.t.Fatal(err)
	}
	c.want(`42["tick"]`)
}

// A handler that does not end is told so when the grace is over.
func TestHandlerGrace(t *testing.T) {
	h := serve(t, socketio.Config{HandlerGrace: 20 * time.Millisecond})
	entered, ended := make(chan bool, 1), make(chan error, 1)
	socketio.On0(h, "wait", func(ctx context.Context, _ *socketio.Socket) error {
		entered <- true
		<-ctx.Done()
		ended <- ctx.Err()
		return nil
	})
	farewell := make(chan error, 1)
	h.OnDisconnect(func(ctx context.Context, _ *socketio.Socket, _ socketio.Reason) {
		<-ctx.Done()
		farewell <- ctx.Err()
	})
	c, _ := h.join("/")
	c.send(`42["wait"]`)
	receive(t, "the handler", entered)
	_ = c.conn.Close()
	if err := receive(t, "the end of the handler", ended); !errors.Is(err, context.Canceled) {
		t.Errorf("handler's context: %v", err)
	}
	if err := receive(t, "the end of the farewell", farewell); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("disconnect handler's context: %v", err)
	}
}

func TestServerClose(t *testing.T) {
	h := serve(t, socketio.Config{HandlerQueue: 1, HandlerGrace: 10 * time.Millisecond})
	h.Of("/chat")
	entered := make(chan bool, 1)
	socketio.On0(h, "wait", func(ctx context.Context, _ *socketio.Socket) error {
		entered <- true
		<-ctx.Done()
		return nil
	})
	left := make(chan socketio.Reason, 10)
	h.OnDisconnect(func(_ context.Context, _ *socketio.Socket, r socketio.Reason) { left <- r })
	c, _ := h.join("/")
	c.join("/chat")
	// The queue is full and the connection's reader blocked: Close does not wait for that.
	for range 5 {
		c.send(`42["wait"]`)
	}
	receive(t, "the handler", entered)
	p := h.poll()
	idle := h.dial()

	closed := make(chan error, 2)
	for range 2 {
		go func() { closed <- h.Close() }()
	}
	for range 2 {
		if err := receive(t, "Close", closed); err != nil {
			t.Error(err)
		}
	}
	c.wantClosed()
	idle.wantClosed()
	if len(left) != 2 {
		t.Errorf("%d disconnect handlers were called before Close returned, want 2", len(left))
	}
	for range len(left) {
		if r := <-left; r != socketio.ReasonServerShuttingDown {
			t.Errorf("reason %q", r)
		}
	}
	response, err := http.Get(p.url)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode == http.StatusOK {
		t.Errorf("a poll after Close: %s", response.Status)
	}
	if n := h.Connections(); n != 0 {
		t.Errorf("%d connections after Close", n)
	}
}

// A client that does not read is closed, with a reason; the others do not notice.
func TestSlowReader(t *testing.T) {
	h := serve(t, socketio.Config{Engine: engineio.Config{QueueBytes: 1 << 20}})
	ends := make(chan error, 1)
	h.OnDisconnect(func(_ context.Context, s *socketio.Socket, r socketio.Reason) {
		if r == socketio.ReasonTransportError {
			ends <- s.Err()
		}
	})
	h.join("/") // and never reads again
	fast, id := h.join("/")
	s, _ := h.Socket(domain.SocketID(id))
	if s.Transport() != engineio.WebSocket {
		t.Errorf("transport %q", s.Transport())
	}
	big := strings.Repeat("x", 1<<18)
	for n := 0; len(ends) == 0; n++ {
		if n > 1000 {
			t.Fatal("250 MB were queued for a client that does not read")
		}
		if _, err := h.Emit(t.Context(), "big", big); err != nil {
			t.Fatal(err)
		}
		if got := len(fast.text()); got < len(big) {
			t.Fatalf("the fast client got %d bytes", got)
		}
	}
	if err := <-ends; !errors.Is(err, engineio.ErrOverflow) {
		t.Errorf("the socket's error is %v, want ErrOverflow", err)
	}
}

func TestOfOnNodeThatIsAway(t *testing.T) {
	h := serve(t, socketio.Config{})
	h.node.openErr = errors.New("the log is away")
	if ns := h.Of("/late"); ns != h.Of("late") {
		t.Error("Of returns another namespace for the same name")
	}
	if f := h.failure(); f.Namespace != "/late" || !errors.Is(f.Err, h.node.openErr) {
		t.Errorf("failure %+v", f)
	}
	h.noFailure()
}
