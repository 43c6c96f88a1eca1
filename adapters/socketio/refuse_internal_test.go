package socketio

import (
	"context"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"

	"github.com/roombus/roombus/adapters/socketio/engineio"
	"github.com/roombus/roombus/domain"
)

// capture is an engine's handler that keeps the connection.
type capture struct{ conn *engineio.Conn }

func (h *capture) Open(c *engineio.Conn) engineio.Receiver {
	h.conn = c
	return h
}

func (*capture) Message([]byte, bool)         {}
func (*capture) Close(engineio.Reason, error) {}

// A socket that is refused has ended before its connection forgets it: a client that tries again in between would
// otherwise get the first refusal for its second attempt.
func TestARefusedSocketEndsBeforeItIsForgotten(t *testing.T) {
	io := &Server{config: Config{OnError: func(context.Context, Failure) {}}}
	var opened capture
	engine, err := engineio.NewServer(&opened, engineio.Config{CloseTimeout: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	handshake := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/?EIO=4&transport=polling", nil)
	engine.ServeHTTP(httptest.NewRecorder(), handshake)
	c := &connection{server: io, engine: opened.conn}
	s := newSocket(c, newNamespace(io, "/"), domain.Value{})
	c.add(s)
	c.mu.Lock()
	refused := make(chan struct{})
	go func() {
		defer close(refused)
		s.refuse(s.ctx, &ConnectError{Message: "no"})
	}()
	for deadline := time.Now().Add(10 * time.Second); s.state.Load() != stateGone; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Error("it is forgotten first")
			break
		}
	}
	c.mu.Unlock()
	<-refused
	io.running.Wait()
}
