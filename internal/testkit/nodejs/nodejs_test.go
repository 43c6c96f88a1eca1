package nodejs

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/roombus/roombus/internal/testkit/realredis"
)

// pair is two servers in one cluster with a client each.
type pair struct {
	a, b       *Server
	clients    *Clients
	alice, bob *Client // of a and of b
}

func startPair(t *testing.T, redis *realredis.Server, config ServerConfig) pair {
	t.Helper()
	config.RedisURL = redis.URL()
	p := pair{a: StartServer(t, config), b: StartServer(t, config), clients: StartClients(t)}
	p.alice = p.clients.Connect("alice", p.a.URL(), ConnectOptions{Auth: map[string]any{"token": "x"}})
	p.bob = p.clients.Connect("bob", p.b.URL(), ConnectOptions{Transports: []string{"websocket"}})
	waitCount(t, p.a, 2)
	waitCount(t, p.b, 2)
	return p
}

// waitCount asks until the server knows of so many: no event tells.
func waitCount(t *testing.T, s *Server, want int) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for s.ServerCount("/") != want {
		if time.Now().After(deadline) {
			t.Fatalf("the server counts %d servers, want %d", s.ServerCount("/"), want)
		}
	}
}

func wantArgs(t *testing.T, what string, got Args, err error, want string) {
	t.Helper()
	if err != nil || got.String() != want {
		t.Errorf("%s: %s (%v), want %s", what, got, err, want)
	}
}

// TestCluster drives each operation of the kit once, in a cluster of two Node.js
// servers of each generation of the adapter.
func TestCluster(t *testing.T) {
	redis := realredis.Start(t)
	for _, adapter := range []Adapter{Adapter02, Adapter03} {
		t.Run(string(adapter), func(t *testing.T) {
			p := startPair(t, redis, ServerConfig{Adapter: adapter, StreamName: "stream-" + string(adapter)})
			t.Run("broadcast", p.broadcast)
			t.Run("rooms", p.rooms)
			t.Run("acked broadcast", p.ackedBroadcast)
			t.Run("server-side emit", p.serverSide)
			t.Run("fetch sockets", p.fetch)
			t.Run("disconnect", p.disconnect)
			p.b.Stop()
			waitCount(t, p.a, 1)
		})
	}
}

func (p pair) broadcast(t *testing.T) {
	p.a.Emit(Target{}, "hello", 1, "two", map[string]any{"bin": Binary{1, 2}})
	for _, c := range []*Client{p.alice, p.bob} {
		wantArgs(t, c.Name(), c.Wait(Named("hello")).Args, nil, `[1,"two",{"bin":{"$bin":"AQI="}}]`)
	}
	p.a.Emit(Target{From: p.alice.ID()}, "others")
	p.bob.Wait(Named("others"))
	p.a.Emit(Target{Local: true}, "fence")
	p.alice.Wait(Named("fence"))
	if got := p.alice.Events(Named("others")); len(got) > 0 {
		t.Errorf("alice got her own broadcast: %v", got)
	}
}

func (p pair) rooms(t *testing.T) {
	p.a.SocketsJoin(Target{Rooms: []string{p.bob.ID()}}, "r1", "r2")
	p.a.Emit(Target{Rooms: []string{"r1", "r2"}}, "once")
	p.bob.Wait(Named("once"))
	p.a.SocketsLeave(Target{Rooms: []string{p.bob.ID()}}, "r1")
	p.a.Emit(Target{Rooms: []string{"r1"}}, "gone")
	p.a.Emit(Target{Except: []string{"r2"}}, "except")
	p.a.Emit(Target{Rooms: []string{"r2"}, Volatile: true}, "last")
	p.bob.Wait(Named("last"))
	for name, count := range map[string]int{"once": 1, "gone": 0, "except": 0} {
		if got := p.bob.Events(Named(name)); len(got) != count {
			t.Errorf("bob got %q %d times, want %d", name, len(got), count)
		}
	}
	p.alice.Wait(Named("except"))
}

func (p pair) ackedBroadcast(t *testing.T) {
	p.alice.Answer("ask", "from alice", "second")
	p.bob.Answer("ask", Binary("bob"))
	answers, err := p.a.EmitWithAck(Target{Timeout: 5 * time.Second}, "ask", 1)
	if err != nil || len(answers) != 2 || !strings.Contains(answers.String(), `"from alice"`) || !strings.Contains(answers.String(), `{"$bin":"Ym9i"}`) {
		t.Errorf("answers %s (%v), want one of each client", answers, err)
	}

	p.alice.Answer("some", "alice alone")
	answers, err = p.a.EmitWithAck(Target{Timeout: 500 * time.Millisecond}, "some")
	var failure *Error
	if !errors.As(err, &failure) || answers.String() != `["alice alone"]` || !strings.Contains(failure.Message, "timed out") {
		t.Errorf("answers %s (%v), want a time-out", answers, err)
	}
}

func (p pair) serverSide(t *testing.T) {
	p.b.OnServerSide("/", "note")
	p.a.ServerSideEmit("", "note", "x", 2)
	wantArgs(t, "note", p.b.Wait(OfKind(ServerSide), Named("note")).Args, nil, `["x",2]`)

	p.b.OnServerSide("/", "question")
	p.b.Answer("/", "question", "answer")
	answers, err := p.a.ServerSideEmitWithAck("", "question", "?")
	wantArgs(t, "question", answers, err, `["answer"]`)
	if e := p.b.Wait(Named("question")); e.Ack == 0 || e.Args.String() != `["?"]` {
		t.Errorf("the question came as %v, ack %d; want an acknowledgement wanted", e, e.Ack)
	}
}

func (p pair) fetch(t *testing.T) {
	p.b.SocketJoin("/", p.bob.ID(), "z", "y")
	p.b.SocketLeave("/", p.bob.ID(), "y")
	p.b.SetData("/", p.bob.ID(), map[string]any{"name": "Bob"})
	sockets, err := p.a.FetchSockets(Target{Rooms: []string{"z"}})
	if err != nil || len(sockets) != 1 {
		t.Fatalf("sockets %v (%v), want bob's", sockets, err)
	}
	bob := sockets[0]
	if bob.ID != p.bob.ID() || !slices.Contains(bob.Rooms, "z") || slices.Contains(bob.Rooms, "y") || string(bob.Data) != `{"name":"Bob"}` {
		t.Errorf("fetched %+v, want bob in z with his name", bob)
	}
	if !strings.Contains(string(bob.Handshake), `"address"`) {
		t.Errorf("the handshake is %s", bob.Handshake)
	}
}

func (p pair) disconnect(t *testing.T) {
	p.a.DisconnectSockets(Target{Rooms: []string{p.bob.ID()}}, false)
	if e := p.bob.Wait(OfKind(Disconnect)); e.Reason != "io server disconnect" {
		t.Errorf("bob was disconnected by %q", e.Reason)
	}
	p.b.Wait(OfKind(Disconnect))
}

// TestClient drives what a client can do, against a server without a cluster.
func TestClient(t *testing.T) {
	server := StartServer(t, ServerConfig{Namespaces: []string{"/", "/admin"}})
	clients := StartClients(t)
	server.Answer("/", "sum", 3)
	for _, transports := range [][]string{{"websocket"}, {"polling"}, nil} {
		name := fmt.Sprint("client ", transports)
		t.Run(name, func(t *testing.T) {
			c := clients.Connect(name, server.URL(), ConnectOptions{Transports: transports, Auth: map[string]any{"a": 1}})
			if transports == nil {
				if e := c.Wait(OfKind(Upgrade)); e.Transport != "websocket" {
					t.Errorf("upgraded to %q", e.Transport)
				}
			}
			at := server.Wait(OfKind(Connect), FromSocket(c.ID()))
			if string(at.Auth) != `{"a":1}` || !slices.Equal(at.Rooms, []string{c.ID()}) {
				t.Errorf("connected with auth %s, rooms %q", at.Auth, at.Rooms)
			}

			c.Emit("note", "x", Binary{0, 255})
			wantArgs(t, "note", server.Wait(FromSocket(c.ID()), Named("note")).Args, nil, `["x",{"$bin":"AP8="}]`)
			answers, err := c.EmitWithAck(5*time.Second, "sum", 1, 2)
			wantArgs(t, "sum", answers, err, `[3]`)
			var failure *Error
			if _, err := c.EmitWithAck(50*time.Millisecond, "silence"); !errors.As(err, &failure) {
				t.Errorf("no answer gave %v, want a time-out", err)
			}

			type outcome struct {
				args Args
				err  error
			}
			answered := make(chan outcome)
			go func(id string) {
				args, err := server.SocketEmitWithAck(5*time.Second, "/", id, "ask", 1)
				answered <- outcome{args, err}
			}(c.ID())
			c.Ack(c.Wait(Named("ask")), "late", 2)
			got := <-answered
			wantArgs(t, "ask", got.args, got.err, `["late",2]`)

			admin := c.Share(name+" admin", "/admin", map[string]any{"role": "x"})
			server.SocketEmit("/admin", admin.ID(), "hi")
			admin.Wait(Named("hi"))
			adminID := admin.ID()
			admin.Disconnect()
			if e := admin.Wait(OfKind(Disconnect)); e.Reason != "io client disconnect" {
				t.Errorf("disconnected by %q", e.Reason)
			}
			// A CONNECT right behind the DISCONNECT, in one read of the server, makes
			// a Node.js server close the connection: it still knows the old socket.
			server.Wait(OfKind(Disconnect), FromSocket(adminID))
			admin.Reconnect()
			admin.Wait(OfKind(Connect))

			before := c.ID()
			c.Break()
			c.Wait(OfKind(Disconnect))
			c.Wait(OfKind(Connect))
			if state := c.State(); !state.Connected || state.Socket == before {
				t.Errorf("after a break: %+v; the id before was %s", state, before)
			}
		})
	}
}

func TestConnectErrors(t *testing.T) {
	server, clients := StartServer(t, ServerConfig{}), StartClients(t)
	c := clients.Dial("nobody", server.URL(), ConnectOptions{Namespace: "/unknown"})
	if e := c.Wait(OfKind(ConnectError)); e.Reason != "Invalid namespace" {
		t.Errorf("refused with %q", e.Reason)
	}
	port := server.Port()
	server.Stop()
	c = clients.Dial("late", fmt.Sprintf("http://127.0.0.1:%d", port), ConnectOptions{})
	c.Wait(OfKind(ConnectError))
	c.Wait(OfKind(ReconnectAttempt))
	if c.State().Connected {
		t.Error("connected to a server that has stopped")
	}
}

// TestRecovery recovers a session on another server, in both generations.
func TestRecovery(t *testing.T) {
	redis := realredis.Start(t)
	for _, adapter := range []Adapter{Adapter02, Adapter03} {
		t.Run(string(adapter), func(t *testing.T) {
			server := StartServer(t, ServerConfig{
				Adapter: adapter, RedisURL: redis.URL(), StreamName: "recovery-" + string(adapter), Recovery: time.Minute,
			})
			clients := StartClients(t)
			c := clients.Connect("c", server.URL(), ConnectOptions{Transports: []string{"websocket"}, ReconnectionDelay: 200 * time.Millisecond})
			server.Emit(Target{}, "first")
			c.Wait(Named("first"))
			if c.State().Offset == "" {
				t.Fatal("the client has no offset after a broadcast")
			}
			server.Wait(OfKind(Connect))
			c.Break()
			server.Wait(OfKind(Disconnect))
			server.Emit(Target{}, "missed")
			c.Wait(OfKind(Disconnect))
			if e := c.Wait(OfKind(Connect)); !e.Recovered || e.PID == "" {
				t.Fatalf("connected again as %v, want recovered", e)
			}
			c.Wait(Named("missed"))
			if e := server.Wait(OfKind(Connect)); !e.Recovered {
				t.Fatal("the server does not know of the recovery")
			}
		})
	}
}

func TestKilledServer(t *testing.T) {
	server, clients := StartServer(t, ServerConfig{}), StartClients(t)
	c := clients.Connect("c", server.URL(), ConnectOptions{NoReconnection: true})
	server.Pause()
	server.Resume()
	server.Kill()
	<-server.Exited()
	c.Wait(OfKind(Disconnect))
	if _, err := server.EmitWithAck(Target{}, "x"); err == nil {
		t.Error("a server that was killed answers")
	}
}

func TestUnknownClientIsNamed(t *testing.T) {
	clients := StartClients(t)
	_, err := (&Client{clients: clients, name: "ghost"}).EmitWithAck(time.Second, "x")
	if err == nil || !strings.Contains(err.Error(), "ghost") {
		t.Errorf("error %v, want one that names the client", err)
	}
}
