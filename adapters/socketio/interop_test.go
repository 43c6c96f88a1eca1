package socketio_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/adapters/socketio/engineio"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/testkit/nodejs"
)

// member is one node of a cluster in memory, with its server behind HTTP.
type member struct {
	*socketio.Server
	url      string
	left     chan string
	failures chan socketio.Failure
}

// startCluster starts nodes with the handlers that the interop tests use.
func startCluster(t *testing.T, nodes int, config socketio.Config) []*member {
	t.Helper()
	cluster := inmemory.New(inmemory.Config{})
	t.Cleanup(func() { closing(t, "cluster", cluster.Close) })
	members := make([]*member, nodes)
	for i := range members {
		members[i] = startMember(t, cluster, config)
	}
	for _, m := range members {
		waitForNodes(t, m.Namespace, nodes)
	}
	return members
}

func startMember(t *testing.T, cluster *inmemory.Cluster, config socketio.Config) *member {
	t.Helper()
	transport := cluster.Member()
	node, err := app.NewNode(transport.Log(), transport.Channel(), nil, app.Config{
		HeartbeatInterval: 50 * time.Millisecond, HeartbeatTimeout: 10 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	m := &member{left: make(chan string, 100), failures: make(chan socketio.Failure, 100)}
	config.OnError = func(_ context.Context, f socketio.Failure) { m.failures <- f }
	if m.Server, err = socketio.NewServer(node, config); err != nil {
		t.Fatal(err)
	}
	m.register()
	if err := node.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(m.Server)
	m.url = server.URL
	t.Cleanup(func() {
		closing(t, "server", m.Close)
		server.Close()
		closing(t, "node", node.Close)
		closing(t, "transport", transport.Close)
	})
	return m
}

func closing(t testing.TB, what string, end func() error) {
	t.Helper()
	if err := end(); err != nil {
		t.Errorf("close the %s: %v", what, err)
	}
}

// waitForNodes asks until the namespace counts so many nodes: no event tells.
func waitForNodes(t testing.TB, ns *socketio.Namespace, want int) {
	t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(patience); ns.NodeCount() != want; <-ticker.C {
		if time.Now().After(deadline) {
			t.Fatalf("%s counts %d nodes, want %d", ns.Name(), ns.NodeCount(), want)
		}
	}
}

// post is what the clients of the interop tests send.
type post struct {
	Room   string `json:"room"`
	Body   string `json:"body"`
	Nested struct {
		Files [][]byte `json:"files"`
	} `json:"nested"`
}

func (m *member) register() {
	m.OnDisconnect(func(_ context.Context, s *socketio.Socket, r socketio.Reason) {
		m.left <- string(s.ID()) + " " + string(r)
	})
	socketio.OnAck(m, "join", func(ctx context.Context, s *socketio.Socket, room string) ([]string, error) {
		err := s.Join(ctx, room)
		return s.Rooms()[1:], err
	})
	socketio.OnAck(m, "leave", func(ctx context.Context, s *socketio.Socket, room string) ([]string, error) {
		err := s.Leave(ctx, room)
		return s.Rooms()[1:], err
	})
	socketio.OnAck(m, "post", func(ctx context.Context, s *socketio.Socket, p post) (post, error) {
		_, err := s.To(p.Room).Emit(ctx, "post", p)
		return p, err
	})
	socketio.OnAck2(m, "echo", func(_ context.Context, _ *socketio.Socket, a domain.Value, b any) ([]any, error) {
		return []any{a, b}, nil
	})
	socketio.On0(m, "farewell", func(ctx context.Context, s *socketio.Socket) error {
		if _, err := m.To(string(s.ID())).Emit(ctx, "bye"); err != nil {
			return err
		}
		return s.Disconnect(ctx)
	})
	socketio.On0(m, "close", func(ctx context.Context, s *socketio.Socket) error { return s.Close(ctx) })
	socketio.OnAck(m, "fail", func(_ context.Context, _ *socketio.Socket, _ int) (int, error) {
		return 0, &socketio.ClientError{Message: "not today"}
	})
	guarded := m.Of("/guarded")
	guarded.Use(func(_ context.Context, s *socketio.Socket) error {
		if auth := string(s.Handshake().Auth.JSON()); auth != `{"token":"good"}` {
			return &socketio.ConnectError{Message: "bad token", Data: map[string]any{"code": 401}}
		}
		return nil
	})
	socketio.OnAck0(guarded, "where", func(_ context.Context, s *socketio.Socket) (string, error) {
		return s.Namespace().Name(), nil
	})
}

func wantArgs(t *testing.T, what string, got nodejs.Args, err error, want string) {
	t.Helper()
	if err != nil || got.String() != want {
		t.Errorf("%s: %s (%v), want %s", what, got, err, want)
	}
}

// eachClient runs a test with each release of the official client.
func eachClient(t *testing.T, test func(t *testing.T, version nodejs.ClientVersion)) {
	for _, version := range nodejs.ClientVersions() {
		t.Run("client "+string(version), func(t *testing.T) { test(t, version) })
	}
}

// transports are the ways in which an official client can connect.
var transports = []struct {
	name string
	use  []string
}{
	{"polling", []string{"polling"}},
	{"websocket", []string{"websocket"}},
	{"upgrade", nil},
}

// TestInterop lets official clients talk through two nodes, over each transport.
func TestInterop(t *testing.T) { eachClient(t, talk) }

func talk(t *testing.T, version nodejs.ClientVersion) {
	for _, transport := range transports {
		t.Run(transport.name, func(t *testing.T) {
			nodes := startCluster(t, 2, socketio.Config{})
			clients := version.Start(t)
			options := nodejs.ConnectOptions{Transports: transport.use, Auth: map[string]any{"token": "good"}}
			p := interop{
				nodes: nodes, clients: clients, options: options,
				alice: clients.Connect("alice", nodes[0].url, options),
				bob:   clients.Connect("bob", nodes[1].url, options),
			}
			if transport.use == nil {
				for _, c := range []*nodejs.Client{p.alice, p.bob} {
					c.Wait(nodejs.OfKind(nodejs.Upgrade))
				}
			}
			t.Run("events and acks", p.events)
			t.Run("rooms", p.rooms)
			t.Run("binary", p.binary)
			t.Run("namespaces", p.namespaces)
			t.Run("acks of clients", p.clientAcks)
			t.Run("volatile", p.volatile)
			t.Run("operations", p.operations)
			t.Run("disconnect", p.disconnects)
			for _, n := range nodes {
				if len(n.failures) > 0 {
					f := <-n.failures
					t.Errorf("Config.OnError was told of %q: %v", f.Event, f.Err)
				}
			}
		})
	}
}

type interop struct {
	nodes      []*member
	clients    *nodejs.Clients
	options    nodejs.ConnectOptions
	alice, bob *nodejs.Client
}

func (p interop) events(t *testing.T) {
	got, err := p.alice.EmitWithAck(patience, "echo", 1.5, map[string]any{"ü": []any{nil, true, "x\u2028"}})
	wantArgs(t, "echo", got, err, `[[1.5,{"ü":[null,true,"x`+"\u2028"+`"]}]]`)
	got, err = p.alice.EmitWithAck(patience, "fail", 1)
	wantArgs(t, "an error", got, err, `[{"error":"not today"}]`)
	if _, err := p.nodes[1].Emit(t.Context(), "all", 1, nil, "three"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*nodejs.Client{p.alice, p.bob} {
		wantArgs(t, c.Name(), c.Wait(nodejs.Named("all")).Args, nil, `[1,null,"three"]`)
	}
}

func (p interop) rooms(t *testing.T) {
	for _, c := range []*nodejs.Client{p.alice, p.bob} {
		got, err := c.EmitWithAck(patience, "join", "room")
		wantArgs(t, "join", got, err, `[["room"]]`)
	}
	got, err := p.alice.EmitWithAck(patience, "post", post{Room: "room", Body: "hello"})
	wantArgs(t, "post", got, err, `[{"room":"room","body":"hello","nested":{"files":null}}]`)
	wantArgs(t, "bob", p.bob.Wait(nodejs.Named("post")).Args, nil, got.String())
	if _, err := p.nodes[0].To("room").Except(p.bob.ID()).Emit(t.Context(), "not bob"); err != nil {
		t.Fatal(err)
	}
	p.alice.Wait(nodejs.Named("not bob"))
	got, err = p.bob.EmitWithAck(patience, "leave", "room")
	wantArgs(t, "leave", got, err, `[[]]`)
	for _, room := range []string{"room", p.bob.ID()} {
		if _, err := p.nodes[0].To(room).Emit(t.Context(), "to "+room); err != nil {
			t.Fatal(err)
		}
	}
	p.bob.Wait(nodejs.Named("to " + p.bob.ID()))
	for c, events := range map[*nodejs.Client][]string{p.alice: {"post"}, p.bob: {"not bob", "to room"}} {
		for _, event := range events {
			if e := c.Events(nodejs.Named(event)); len(e) > 0 {
				t.Errorf("%s got %v", c.Name(), e)
			}
		}
	}
}

func (p interop) binary(t *testing.T) {
	if _, err := p.bob.EmitWithAck(patience, "join", "files"); err != nil {
		t.Fatal(err)
	}
	got, err := p.alice.EmitWithAck(patience, "post", map[string]any{
		"room": "files", "nested": map[string]any{"files": []any{nodejs.Binary{1, 2}, nodejs.Binary{}, nodejs.Binary("\x00\xff")}},
	})
	const want = `[{"room":"files","body":"","nested":{"files":[{"$bin":"AQI="},{"$bin":""},{"$bin":"AP8="}]}}]`
	wantArgs(t, "the ack", got, err, want)
	wantArgs(t, "bob", p.bob.Wait(nodejs.Named("post")).Args, nil, want)
	got, err = p.alice.EmitWithAck(patience, "echo", nodejs.Binary{9}, nodejs.Binary{8})
	wantArgs(t, "raw and any", got, err, `[[{"$bin":"CQ=="},{"$bin":"CA=="}]]`)
}

func (p interop) namespaces(t *testing.T) {
	name := func(suffix string) string { return "namespaces " + suffix }
	guarded := p.alice.Share(name("good"), "/guarded", map[string]any{"token": "good"})
	got, err := guarded.EmitWithAck(patience, "where")
	wantArgs(t, "where", got, err, `["/guarded"]`)
	if guarded.ID() == p.alice.ID() {
		t.Error("two sockets have one id")
	}
	bad := p.options
	bad.Namespace, bad.Auth, bad.NoReconnection = "/guarded", map[string]any{"token": "bad"}, true
	refused := p.clients.Dial(name("bad"), p.nodes[0].url, bad).Wait(nodejs.OfKind(nodejs.ConnectError))
	if refused.Reason != "bad token" || string(refused.Data) != `{"code":401}` {
		t.Errorf("refused with %q, %s", refused.Reason, refused.Data)
	}
	bad.Namespace = "/nowhere"
	refused = p.clients.Dial(name("nowhere"), p.nodes[0].url, bad).Wait(nodejs.OfKind(nodejs.ConnectError))
	if refused.Reason != "Invalid namespace" {
		t.Errorf("refused with %q", refused.Reason)
	}
	guarded.Disconnect()
	if e := guarded.Wait(nodejs.OfKind(nodejs.Disconnect)); e.Reason != "io client disconnect" {
		t.Errorf("the client's reason is %q", e.Reason)
	}
	if _, err := p.alice.EmitWithAck(patience, "echo", 1, 2); err != nil {
		t.Errorf("the other socket of the connection: %v", err)
	}
}

func (p interop) clientAcks(t *testing.T) {
	p.alice.Answer("vote", "a", "ignored")
	p.bob.Answer("vote", "b")
	votes, err := socketio.Collect[string](p.nodes[0].Timeout(patience).EmitWithAck(t.Context(), "vote"))
	slices.Sort(votes)
	if err != nil || strings.Join(votes, " ") != "a b" {
		t.Errorf("votes %q, %v", votes, err)
	}
	s, ok := p.nodes[1].Socket(domain.SocketID(p.bob.ID()))
	if !ok {
		t.Fatal("bob is not on his node")
	}
	p.bob.Answer("file", nodejs.Binary{1, 2, 3})
	file, err := socketio.Decode[[]byte](s.Timeout(patience).EmitWithAck(t.Context(), "file"))
	if err != nil || string(file) != "\x01\x02\x03" {
		t.Errorf("file %v, %v", file, err)
	}
	if _, err := s.Timeout(time.Millisecond).EmitWithAck(t.Context(), "silence"); !errors.Is(err, socketio.ErrAckTimeout) {
		t.Errorf("an answer that does not come: %v", err)
	}
	partial, err := p.nodes[0].Timeout(100*time.Millisecond).EmitWithAck(t.Context(), "silence")
	var missing *domain.PartialError
	if len(partial) > 0 || !errors.As(err, &missing) || missing.MissingAcks != 2 {
		t.Errorf("answers that do not come: %v, %v", partial, err)
	}
}

func (p interop) volatile(t *testing.T) {
	// A client that reads gets volatile packets too, most of the time: ask until one has come.
	for n := 0; len(p.bob.Events(nodejs.Named("volatile"))) == 0; n++ {
		if n > 1000 {
			t.Fatal("no volatile packet ever arrived")
		}
		if _, err := p.nodes[0].Volatile().Emit(t.Context(), "volatile"); err != nil {
			t.Fatal(err)
		}
		if _, err := p.bob.EmitWithAck(patience, "echo", 1, 2); err != nil {
			t.Fatal(err)
		}
	}
}

func (p interop) operations(t *testing.T) {
	ctx := t.Context()
	if err := p.nodes[0].In(p.bob.ID()).SocketsJoin(ctx, "put there"); err != nil {
		t.Fatal(err)
	}
	sockets, err := p.nodes[0].In("put there").FetchSockets(ctx)
	if err != nil || len(sockets) != 1 || string(sockets[0].ID()) != p.bob.ID() {
		t.Fatalf("sockets %v, %v", sockets, err)
	}
	if auth := string(sockets[0].Handshake().Auth.JSON()); auth != `{"token":"good"}` {
		t.Errorf("auth %s", auth)
	}
	if err := sockets[0].Leave(ctx, "put there"); err != nil {
		t.Fatal(err)
	}
	if sockets, err = p.nodes[0].In("put there").FetchSockets(ctx); err != nil || len(sockets) != 0 {
		t.Errorf("sockets %v, %v", sockets, err)
	}
}

// disconnects checks the reasons on both sides. It comes last: it ends the clients.
func (p interop) disconnects(t *testing.T) {
	bobs := p.bob.ID()
	p.bob.Emit("farewell")
	p.bob.Wait(nodejs.Named("bye"))
	wantReason(t, p.bob, p.nodes[1], bobs, "io server disconnect", "server namespace disconnect")
	p.bob.Reconnect()
	bobs = p.bob.Wait(nodejs.OfKind(nodejs.Connect)).Socket
	p.bob.Disconnect()
	wantReason(t, p.bob, p.nodes[1], bobs, "io client disconnect", "client namespace disconnect")

	alices := p.alice.ID()
	p.alice.Break()
	if got := receive(t, "the end of alice", p.nodes[0].left); got != alices+" transport close" {
		t.Errorf("the server's reason: %s, want %s transport close", got, alices)
	}
	p.alice.Wait(nodejs.OfKind(nodejs.Disconnect))
	p.alice.Wait(nodejs.OfKind(nodejs.Connect)) // it comes back by itself
}

// A client whose connection the server closes learns that it was put out first, so that it does not come back.
func TestInteropClose(t *testing.T) {
	eachClient(t, func(t *testing.T, version nodejs.ClientVersion) {
		for _, transport := range transports[:2] {
			t.Run(transport.name, func(t *testing.T) {
				node := startCluster(t, 1, socketio.Config{})[0]
				alice := version.Start(t).Connect("alice", node.url, nodejs.ConnectOptions{Transports: transport.use})
				id := alice.ID()
				alice.Emit("close")
				wantReason(t, alice, node, id, "io server disconnect", "server namespace disconnect")
			})
		}
	})
}

// wantReason checks why a socket has ended, on both sides.
func wantReason(t *testing.T, c *nodejs.Client, m *member, socket, client, server string) {
	t.Helper()
	// A client before 4.0 that is told to connect again while it closes its connection tells of that, too.
	if e := c.Wait(nodejs.OfKind(nodejs.Disconnect), func(e nodejs.Event) bool { return e.Reason != "forced close" }); e.Reason != client {
		t.Errorf("the reason of %s is %q, want %q", c.Name(), e.Reason, client)
	}
	if got := receive(t, "the server's reason", m.left); got != socket+" "+server {
		t.Errorf("the server's reason: %s, want %s %s", got, socket, server)
	}
}

// A server that closes sends its clients away; they come back to whoever is there.
func TestInteropServerClose(t *testing.T) {
	eachClient(t, func(t *testing.T, version nodejs.ClientVersion) {
		node := startCluster(t, 1, socketio.Config{})[0]
		clients := version.Start(t)
		for _, transport := range transports[:2] {
			clients.Connect(transport.name, node.url, nodejs.ConnectOptions{Transports: transport.use})
		}
		if err := node.Close(); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if got := receive(t, "a disconnect", node.left); !strings.HasSuffix(got, " server shutting down") {
				t.Errorf("the server's reason: %s", got)
			}
			// A client whose poll is not there at that moment finds that nobody answers the next one.
			if e := clients.Wait(nodejs.OfKind(nodejs.Disconnect)); e.Reason != "transport close" && e.Reason != "transport error" {
				t.Errorf("the reason of %s is %q: an official client stays away after any other", e.Client, e.Reason)
			}
			clients.Wait(nodejs.OfKind(nodejs.ReconnectAttempt))
		}
	})
}

// A client that is silent is noticed on both transports.
func TestInteropPingTimeout(t *testing.T) {
	eachClient(t, func(t *testing.T, version nodejs.ClientVersion) {
		node := startCluster(t, 1, socketio.Config{
			Engine: engineio.Config{PingInterval: 50 * time.Millisecond, PingTimeout: 200 * time.Millisecond},
		})[0]
		clients := version.Start(t)
		for _, transport := range transports[:2] {
			clients.Connect(transport.name, node.url, nodejs.ConnectOptions{Transports: transport.use})
		}
		clients.Pause()
		for range 2 {
			if got := receive(t, "a disconnect", node.left); !strings.HasSuffix(got, " ping timeout") {
				t.Errorf("the server's reason: %s", got)
			}
		}
		clients.Resume()
	})
}
