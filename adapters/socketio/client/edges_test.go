package client_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/gobwas/ws/wsutil"

	"github.com/roombus/roombus/adapters/socketio/client"
	"github.com/roombus/roombus/domain"
)

// TestAuthFuncFailsForAWhile: what a token's issuer cannot give now is asked for again, with the next attempt.
func TestAuthFuncFailsForAWhile(t *testing.T) {
	p := startPuppet(t)
	calls := 0
	c := newClient(t, p.web.URL, client.Config{AuthFunc: func(context.Context, string) (any, error) {
		calls++
		switch calls {
		case 2:
			return nil, errors.New("no token today")
		case 3:
			panic("at the issuer's")
		default:
			return map[string]int{"call": calls}, nil
		}
	}})
	s := c.Of("/")
	failed := make(chan error, 10)
	s.OnConnectError(func(_ context.Context, err error) { failed <- err })
	go func() { _ = s.Connect(t.Context()) }()
	h := p.accept(openPacket)
	h.want(`40{"call":1}`)
	h.send(`40{"sid":"s"}`)
	waitFor(t, "the connection", s.Connected)
	h.drop()
	want(t, "the second call", receive(t, "connect_error", failed).Error(), "auth for /: no token today")
	want(t, "the third call", receive(t, "connect_error", failed).Error(), "panic: at the issuer's")
	h = p.accept(openPacket)
	h.want(`40{"call":4}`)
}

func TestWholePackets(t *testing.T) {
	p := startPuppet(t)
	s := newClient(t, p.web.URL, client.Config{}).Of("/")
	got := events[domain.Packet](s, "x")
	h := p.join(s, `40{"sid":"s"}`)
	h.send(`42["x",1,{"a":[]},"offset"]`)
	packet := receive(t, "x", got)
	want(t, "the packet", string(packet.JSON()), `["x",1,{"a":[]},"offset"]`)
}

// TestAnswersOfAnEndedSession: a handler that takes longer than its connection answers nobody, not the next connection,
// where the question's number may mean another one.
func TestAnswersOfAnEndedSession(t *testing.T) {
	p := startPuppet(t)
	s := newClient(t, p.web.URL, client.Config{}).Of("/")
	gate := make(chan struct{})
	client.OnAck0(s, "slow", func(context.Context) (int, error) { <-gate; return 1, nil })
	client.OnAck0(s, "fast", func(context.Context) (int, error) { return 2, nil })
	h := p.join(s, `40{"sid":"s"}`)
	h.send(`420["slow"]`)
	h.drop()
	h = p.accept(openPacket)
	h.want("40")
	h.send(`40{"sid":"t"}`, `420["fast"]`)
	close(gate)
	h.want(`430[2]`)
}

func TestAnswersThatAreTooLarge(t *testing.T) {
	p := startPuppet(t)
	failures := make(chan client.Failure, 1)
	s := newClient(t, p.web.URL, client.Config{OnError: func(_ context.Context, f client.Failure) { failures <- f }}).Of("/")
	client.OnAck0(s, "large", func(context.Context) (string, error) { return strings.Repeat("a", 1_000_000), nil })
	h := p.join(s, `40{"sid":"s"}`)
	h.send(`420["large"]`)
	if f := receive(t, "a failure", failures); !errors.Is(f.Err, client.ErrTooLarge) || f.Event != "large" {
		t.Errorf("told of %+v", f)
	}
}

// TestCloseEndsWhatWaits: whatever is outstanding when the client is closed comes back with an error.
func TestCloseEndsWhatWaits(t *testing.T) {
	p := startPuppet(t)
	c := newClient(t, p.web.URL, client.Config{HandlerQueue: 1})
	s := c.Of("/")
	never := c.Of("/never")
	answer := make(chan error, 1)
	go func() {
		_, err := never.EmitWithAck(t.Context(), "buffered")
		answer <- err
	}()
	started := make(chan struct{}, 10)
	client.On0(s, "x", func(ctx context.Context) error { started <- struct{}{}; <-ctx.Done(); return ctx.Err() })
	h := p.join(s, `40{"sid":"s"}`)
	h.send(`42["x"]`, `42["x"]`, `42["x"]`, `42["x"]`) // the reader waits for the handler
	receive(t, "the event", started)
	go h.goodbye()
	c.Close()
	if err := receive(t, "the question", answer); !errors.Is(err, client.ErrClosed) {
		t.Errorf("a question in the buffer: %v", err)
	}
	want(t, "handlers after Close", len(started), 0)
}

// TestReplayWithoutEnd: a server that sends and sends, and never says that the session is there, is left.
func TestReplayWithoutEnd(t *testing.T) {
	p := startPuppet(t)
	s := newClient(t, p.web.URL, client.Config{Reconnection: client.Reconnection{Off: true}}).Of("/")
	done := make(chan error, 1)
	go func() { done <- s.Connect(t.Context()) }()
	h := p.accept(openPacket)
	h.want("40")
	large := bytes.Repeat([]byte{1}, 9<<20)
	for range 4 {
		if wsutil.WriteServerText(h.conn, []byte(`451-["x",{"_placeholder":true,"num":0}]`)) != nil ||
			wsutil.WriteServerBinary(h.conn, large) != nil {
			break // it has gone
		}
	}
	if err := receive(t, "Connect", done); err == nil || !strings.Contains(err.Error(), "without having connected") {
		t.Errorf("Connect: %v", err)
	}
}

// TestErrors shows what errors say, and the default of Config.OnError.
func TestErrors(t *testing.T) {
	var logged bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&logged, nil)))
	defer slog.SetDefault(before)
	p := startPuppet(t)
	c, err := client.New(p.web.URL, client.Config{})
	if err != nil {
		t.Fatal(err)
	}
	s := c.Of("/")
	cause := errors.New("the cause")
	client.On2(s, "panic", func(context.Context, string, int) error { panic(cause) })
	h := p.join(s, `40{"sid":"s"}`)
	h.send(`420["panic","a"]`, `421["panic","a",2]`)
	h.want(`430[{"error":"event \"panic\": expected 2 arguments, found 1"}]`, `431[{"error":"internal error"}]`)
	go h.goodbye()
	c.Close()
	for _, part := range []string{"level=ERROR", "namespace=/", "event=panic", `"panic: the cause"`, "found 1"} {
		if !strings.Contains(logged.String(), part) {
			t.Errorf("the log has no %s: %s", part, &logged)
		}
	}
	if !errors.Is(&client.PanicError{Value: cause}, cause) {
		t.Error("a PanicError is not its cause")
	}
	want(t, "ReplyError", (&client.ReplyError{Message: "no"}).Error(), "no")
	if err := c.Of("/a,b").Connect(t.Context()); err == nil || !strings.Contains(err.Error(), "comma") {
		t.Errorf("a namespace with a comma: %v", err)
	}
	if _, err := client.Decode[int](domain.TextValue("x"), nil); err == nil {
		t.Error("a string was decoded into an int")
	}
}
