package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/roombus/roombus/adapters/socketio/client"
	"github.com/roombus/roombus/internal/testkit/faultproxy"
	"github.com/roombus/roombus/internal/testkit/nodejs"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

// TestNodeJS talks with socket.io of Node.js.
func TestNodeJS(t *testing.T) {
	server := nodejs.StartServer(t, nodejs.ServerConfig{Namespaces: []string{"/", "/chat"}})
	c := newClient(t, server.URL(), client.Config{Auth: map[string]string{"token": "x"}})
	s := c.Of("/")
	went := disconnects(s)
	type file struct {
		Name string `json:"name"`
		Data []byte `json:"data"`
	}
	files := events[file](s, "file")
	client.OnAck2(s, "reverse", func(_ context.Context, a string, b []byte) (file, error) {
		slices.Reverse(b)
		return file{Name: a, Data: b}, nil
	})
	connect(t, s)

	joined := server.Wait(nodejs.OfKind(nodejs.Connect))
	if joined.Socket != string(s.ID()) || joined.Transport != "websocket" || string(joined.Auth) != `{"token":"x"}` {
		t.Errorf("the server says %s, auth %s; the client's id is %s", joined, joined.Auth, s.ID())
	}
	if err := s.Emit(t.Context(), "plain", 1, "ünïcode \u2028", nil, map[string]any{"a": []int{1}}); err != nil {
		t.Fatal(err)
	}
	want(t, "plain", server.Wait(nodejs.Named("plain")).Args.String(), "[1,\"ünïcode \u2028\",null,{\"a\":[1]}]")
	if err := s.EmitVolatile(t.Context(), "binary", file{"f", []byte{1, 2}}, []byte{3}); err != nil {
		t.Fatal(err)
	}
	want(t, "binary", server.Wait(nodejs.Named("binary")).Args.String(), `[{"name":"f","data":{"$bin":"AQI="}},{"$bin":"Aw=="}]`)

	server.Answer("/", "question", map[string]any{"name": "answer", "data": nodejs.Binary{4, 5}}, "ignored")
	answer, err := client.Decode[file](s.EmitWithAck(t.Context(), "question", []byte{1}))
	if err != nil || answer.Name != "answer" || !bytes.Equal(answer.Data, []byte{4, 5}) {
		t.Errorf("answer %+v (%v)", answer, err)
	}
	if _, err := s.EmitWithAck(within(t, 50*time.Millisecond), "nobody answers"); !errors.Is(err, client.ErrAckTimeout) {
		t.Errorf("a question without an answer: %v", err)
	}
	server.Emit(nodejs.Target{}, "file", map[string]any{"name": "g", "data": nodejs.Binary(bytes.Repeat([]byte{7}, 100_000))})
	if f := receive(t, "file", files); f.Name != "g" || len(f.Data) != 100_000 {
		t.Errorf("file %q of %d bytes", f.Name, len(f.Data))
	}
	answers, err := server.SocketEmitWithAck(patience, "/", string(s.ID()), "reverse", "r", nodejs.Binary{1, 2, 3})
	if err != nil || answers.String() != `[{"name":"r","data":{"$bin":"AwIB"}}]` {
		t.Errorf("reverse: %s (%v)", answers, err)
	}

	chat := c.Of("/chat")
	connect(t, chat)
	if chat.ID() == s.ID() {
		t.Error("both namespaces have the same socket id")
	}
	if err := c.Of("/none").Connect(patient(t)); err == nil || err.Error() != "connection refused: Invalid namespace" {
		t.Errorf("an unknown namespace: %v", err)
	}
	if err := s.Emit(t.Context(), "large", strings.Repeat("a", 2<<20)); !errors.Is(err, client.ErrTooLarge) {
		t.Errorf("more than maxHttpBufferSize: %v", err)
	}

	id := string(s.ID())
	server.SocketDisconnect("/", id, false)
	want(t, "reason", receive(t, "disconnect", went).reason, client.ReasonServerDisconnect)
	want(t, "the server's reason", server.Wait(nodejs.OfKind(nodejs.Disconnect)).Reason, "server namespace disconnect")
	want(t, "the other namespace", chat.Connected(), true)
	connect(t, s)
	s.Disconnect()
	want(t, "reason", receive(t, "disconnect", went).reason, client.ReasonClientDisconnect)
	want(t, "the server's reason", server.Wait(nodejs.OfKind(nodejs.Disconnect)).Reason, "client namespace disconnect")
}

// TestNodeJSRestarts: a server that ends, in order or not, and is there again finds its clients again.
func TestNodeJSRestarts(t *testing.T) {
	server := nodejs.StartServer(t, nodejs.ServerConfig{})
	s := newClient(t, server.URL(), client.Config{}).Of("/")
	came, went := connects(s), disconnects(s)
	connect(t, s)
	for _, end := range []func(*nodejs.Server){(*nodejs.Server).Stop, (*nodejs.Server).Kill} {
		receive(t, "connect", came)
		end(server)
		l := receive(t, "disconnect", went)
		if l.reason != client.ReasonTransportClose && l.reason != client.ReasonTransportError {
			t.Errorf("ended with %q (%v)", l.reason, l.err)
		}
		<-server.Exited()
		server = nodejs.StartServer(t, nodejs.ServerConfig{Port: server.Port()})
	}
	receive(t, "connect", came)
}

// TestNodeJSHeartbeat: a server whose pings are not answered would end the connection.
func TestNodeJSHeartbeat(t *testing.T) {
	server := nodejs.StartServer(t, nodejs.ServerConfig{Options: map[string]any{"pingInterval": 20, "pingTimeout": 200}})
	proxy := faultproxy.Start(t, strings.TrimPrefix(server.URL(), "http://"))
	s := newClient(t, "http://"+proxy.Addr(), client.Config{}).Of("/")
	went := disconnects(s)
	connect(t, s)
	// The server's limit is over more than once before ours, which begins with the last ping that came.
	proxy.Hold(faultproxy.Requests)
	want(t, "the server's reason", server.Wait(nodejs.OfKind(nodejs.Disconnect)).Reason, "ping timeout")
	proxy.Release(faultproxy.Requests)
	receive(t, "disconnect", went)
	proxy.Hold(faultproxy.Answers)
	proxy.Release(faultproxy.Answers)
	waitFor(t, "the reconnection", s.Connected)
}

// TestNodeJSRecovery: connection state recovery by a Node.js server, within one and in a cluster, where the client comes
// back to another server than it was connected to.
func TestNodeJSRecovery(t *testing.T) {
	t.Run("memory", func(t *testing.T) {
		server := nodejs.StartServer(t, nodejs.ServerConfig{Recovery: time.Minute})
		recovery(t, server, server)
	})
	for _, adapter := range []nodejs.Adapter{nodejs.Adapter02, nodejs.Adapter03} {
		t.Run("adapter "+string(adapter), func(t *testing.T) {
			redis := realredis.Start(t)
			config := nodejs.ServerConfig{Adapter: adapter, RedisURL: redis.URL(), Recovery: time.Minute}
			a, b := nodejs.StartServer(t, config), nodejs.StartServer(t, config)
			waitFor(t, "a cluster of two", func() bool { return a.ServerCount("/") == 2 && b.ServerCount("/") == 2 })
			recovery(t, a, b)
		})
	}
}

func recovery(t *testing.T, a, b *nodejs.Server) {
	t.Helper()
	proxy, other := faultproxy.Start(t, strings.TrimPrefix(a.URL(), "http://")), strings.TrimPrefix(b.URL(), "http://")
	var toOther atomic.Bool
	s := newClient(t, a.URL(), client.Config{
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			if toOther.Load() {
				return new(net.Dialer).DialContext(ctx, network, other)
			}
			return new(net.Dialer).DialContext(ctx, network, proxy.Addr())
		},
	}).Of("/")
	story := make(chan string, 100)
	client.On(s, "news", func(_ context.Context, n int) error { story <- fmt.Sprint("news ", n); return nil })
	client.On(s, "binary", func(_ context.Context, b []byte) error { story <- "binary " + string(b); return nil })
	s.OnConnect(func(context.Context) error { story <- fmt.Sprint("connect, recovered ", s.Recovered()); return nil })
	s.OnDisconnect(func(context.Context, client.Reason, error) { story <- "disconnect" })
	tell := func(want ...string) {
		t.Helper()
		for _, want := range want {
			if got := receive(t, want, story); got != want {
				t.Fatalf("got %q, want %q", got, want)
			}
		}
	}
	connect(t, s)
	id := s.ID()
	a.SocketJoin("/", string(id), "room")
	a.SetData("/", string(id), map[string]any{"name": "alice"})
	a.Emit(nodejs.Target{Rooms: []string{"room"}}, "news", 1)
	tell("connect, recovered false", "news 1")

	proxy.Refuse()
	proxy.Cut()
	tell("disconnect")
	a.Wait(nodejs.OfKind(nodejs.Disconnect))
	a.Emit(nodejs.Target{Rooms: []string{"room"}}, "news", 2)
	a.Emit(nodejs.Target{Rooms: []string{"room"}}, "binary", nodejs.Binary("three"))
	a.Emit(nodejs.Target{Rooms: []string{"elsewhere"}}, "news", -1)
	a.Emit(nodejs.Target{}, "news", 4)
	// Its answer comes when what was sent before it, the session too, is in Redis.
	if _, err := a.FetchSockets(nodejs.Target{}); err != nil {
		t.Fatal(err)
	}
	toOther.Store(true)
	tell("news 2", "binary three", "news 4", "connect, recovered true")
	want(t, "id", s.ID(), id)
	back := b.Wait(nodejs.OfKind(nodejs.Connect), func(e nodejs.Event) bool { return e.Recovered })
	slices.Sort(back.Rooms)
	rooms := []string{string(id), "room"}
	slices.Sort(rooms)
	if !slices.Equal(back.Rooms, rooms) || !sameJSON(t, back.Data, `{"name":"alice"}`) {
		t.Errorf("recovered with rooms %v and data %s", back.Rooms, back.Data)
	}
	b.Emit(nodejs.Target{Rooms: []string{"room"}}, "news", 5)
	tell("news 5")
}

func sameJSON(t *testing.T, got []byte, want string) bool {
	t.Helper()
	var compact bytes.Buffer
	if err := json.Compact(&compact, got); err != nil {
		t.Fatal(err)
	}
	return compact.String() == want
}

// within is a context that ends soon.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
