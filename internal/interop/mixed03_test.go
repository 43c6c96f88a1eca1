package interop_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/roombus/roombus/adapters/redisstream"
	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/testkit/nodejs"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

// lanes are the two kinds of PUB/SUB, as each side is told of them.
var lanes = map[redisstream.PubSubMode]map[string]any{
	redisstream.PubSubPlain:   nil,
	redisstream.PubSubSharded: {"useShardedPubSub": true},
}

// TestMixed03 has one Go node and one Node.js server with the adapter's 0.3 line in one cluster; every operation goes
// in both directions, over either kind of PUB/SUB.
func TestMixed03(t *testing.T) {
	for mode, options := range lanes {
		t.Run(string(mode), func(t *testing.T) {
			m := startMixedWith(t, nodejs.ServerConfig{Adapter: nodejs.Adapter03, AdapterOptions: options},
				redisstream.Config{PubSub: mode})
			t.Run("broadcast", m.broadcast)
			t.Run("binary", m.binary)
			t.Run("rooms", m.rooms)
			t.Run("broadcast with acks", m.acks)
			t.Run("server-side emit", m.serverSide)
			t.Run("fetch sockets", m.fetch)
			t.Run("one order on both", m.order)
			t.Run("W9: join, then ask", m.joinThenAsk)
			t.Run("disconnect", m.disconnect)
			t.Run("server count", m.count)
		})
	}
}

// joinThenAsk lets sockets join a room and asks the room at once, again and again: who is asked must have joined, also
// on the server that reads requests and joins on two lanes.
func (m mixed) joinThenAsk(t *testing.T) {
	ctx := t.Context()
	m.nora.Answer("member?", "nora")
	m.gopher.Answer("member?", "gopher")
	for i := range 30 {
		room := "joined " + string(rune('a'+i))
		no(t, "join", m.goNode.io.SocketsJoin(ctx, room))
		answers, err := socketio.Collect[string](
			m.goNode.io.To(room).Timeout(5*time.Second).EmitWithAck(ctx, "member?"))
		no(t, "ask", err)
		if got := sorted(answers...); got != "[gopher nora]" {
			t.Fatalf("round %d: %s answered", i, got)
		}
		sockets, err := m.goNode.io.In(room).FetchSockets(ctx)
		no(t, "fetch", err)
		if len(sockets) != 2 {
			t.Fatalf("round %d: fetched %d sockets, want 2", i, len(sockets))
		}
	}
}

// TestCase21_Node03AmongThemselves has two Node.js servers of the 0.3 line and a Go node that has nothing to say: what
// the two ask each other must be answered as if the Go node were not there, and soon. A Go node without PUB/SUB is not
// counted, one with it is, and answers.
func TestCase21_Node03AmongThemselves(t *testing.T) {
	for mode, count := range map[redisstream.PubSubMode]int{
		redisstream.PubSubOff: 2, redisstream.PubSubPlain: 3, redisstream.PubSubSharded: 3,
	} {
		t.Run(string(mode), func(t *testing.T) {
			server := realredis.Start(t)
			config := nodejs.ServerConfig{
				Adapter: nodejs.Adapter03, RedisURL: server.URL(), AdapterOptions: lanes[mode],
			}
			one, two := nodejs.StartServer(t, config), nodejs.StartServer(t, config)
			goNode := startGo(t, server.URL(), redisstream.Config{PubSub: mode})
			nora := nodejs.StartClients(t).Connect("nora", one.URL(), nodejs.ConnectOptions{})
			for _, s := range []*nodejs.Server{one, two} {
				if got := s.ServerCount("/"); got != count {
					t.Errorf("a Node.js server counts %d, want %d", got, count)
				}
			}
			if got, want := goNode.io.NodeCount(), map[bool]int{true: 3, false: 1}[count == 3]; got != want {
				t.Errorf("the Go node counts %d, want %d", got, want)
			}
			nora.Answer("q", "nora")
			start := time.Now()
			sockets, err := two.FetchSockets(nodejs.Target{})
			no(t, "fetch sockets", err)
			if len(sockets) != 1 || sockets[0].ID != nora.ID() {
				t.Errorf("fetched %+v, want nora alone", sockets)
			}
			args, err := two.EmitWithAck(nodejs.Target{Timeout: 5 * time.Second}, "q")
			no(t, "broadcast with ack", err)
			if got := args.String(); got != `["nora"]` {
				t.Errorf("collected %s", got)
			}
			one.OnServerSide("/", "ask")
			one.Answer("/", "ask", "js")
			args, err = two.ServerSideEmitWithAck("/", "ask")
			no(t, "server-side emit", err)
			if !strings.Contains(args.String(), `"js"`) {
				t.Errorf("collected %s", args)
			}
			if waited := time.Since(start); waited > 4*time.Second {
				t.Errorf("the answers took %s", waited)
			}
		})
	}
}

// three is a cluster of all three kinds of servers, with a client each.
type three struct {
	goNode              *goServer
	v02, v03            *nodejs.Server
	gopher, nora, nelly *nodejs.Client // of the Go node, the 0.2 and the 0.3 server
}

func startThree(t *testing.T) three {
	t.Helper()
	server := realredis.Start(t)
	c := three{
		v02:    nodejs.StartServer(t, nodejs.ServerConfig{Adapter: nodejs.Adapter02, RedisURL: server.URL()}),
		v03:    nodejs.StartServer(t, nodejs.ServerConfig{Adapter: nodejs.Adapter03, RedisURL: server.URL()}),
		goNode: startGo(t, server.URL(), redisstream.Config{PubSub: redisstream.PubSubPlain}),
	}
	clients := nodejs.StartClients(t)
	c.gopher = clients.Connect("gopher", c.goNode.url, nodejs.ConnectOptions{})
	c.nora = clients.Connect("nora", c.v02.URL(), nodejs.ConnectOptions{})
	c.nelly = clients.Connect("nelly", c.v03.URL(), nodejs.ConnectOptions{})
	for _, client := range c.clients() {
		client.Answer("who", client.Name())
	}
	waitFor(t, "the 0.2 server counts the Go node", func() bool { return c.v02.ServerCount("/") == 2 })
	waitFor(t, "the 0.3 server counts the Go node", func() bool { return c.v03.ServerCount("/") == 2 })
	waitFor(t, "the Go node counts all", func() bool { return c.goNode.io.NodeCount() == 3 })
	return c
}

func (c three) clients() []*nodejs.Client { return []*nodejs.Client{c.gopher, c.nora, c.nelly} }

// TestCase19_ThreeGenerations lets each server of a cluster of three kinds ask and tell the others. The Node.js servers
// do not answer each other's requests; with the Go node they get what they get without, and its answers.
func TestCase19_ThreeGenerations(t *testing.T) {
	c := startThree(t)
	// The 0.2 server asks first: it waits for everybody whom it has seen in the stream, also for the 0.3 server, which
	// never answers it.
	t.Run("asked by 0.2", func(t *testing.T) { c.askedBy(t, c.v02, c.nora, c.v03) })
	t.Run("asked by 0.3", func(t *testing.T) { c.askedBy(t, c.v03, c.nelly, c.v02) })
	t.Run("asked by Go", c.askedByGo)
	t.Run("told", c.told)
}

func (c three) askedBy(t *testing.T, asker *nodejs.Server, own *nodejs.Client, stranger *nodejs.Server) {
	start := time.Now()
	sockets, err := asker.FetchSockets(nodejs.Target{})
	no(t, "fetch sockets", err)
	var ids []string
	for _, s := range sockets {
		ids = append(ids, s.ID)
	}
	if got, want := sorted(ids...), sorted(c.gopher.ID(), own.ID()); got != want {
		t.Errorf("fetched %s, want %s", got, want)
	}
	args, err := asker.EmitWithAck(nodejs.Target{Timeout: 5 * time.Second}, "who")
	no(t, "broadcast with ack", err)
	var names []string
	for _, arg := range args {
		var name string
		no(t, "decode", json.Unmarshal(arg, &name))
		names = append(names, name)
	}
	if got, want := sorted(names...), sorted("gopher", own.Name()); got != want {
		t.Errorf("collected %s, want %s", got, want)
	}
	stranger.OnServerSide("/", "double")
	stranger.Answer("/", "double", "never read")
	args, err = asker.ServerSideEmitWithAck("/", "double", 21)
	no(t, "server-side emit", err)
	if got := args.String(); got != `[{"by":"go","n":42}]` {
		t.Errorf("collected %s", got)
	}
	if waited := time.Since(start); waited > 4*time.Second {
		t.Errorf("the answers took %s", waited)
	}
}

func (c three) askedByGo(t *testing.T) {
	ctx := t.Context()
	start := time.Now()
	sockets, err := c.goNode.io.FetchSockets(ctx)
	no(t, "fetch sockets", err)
	var ids []string
	for _, s := range sockets {
		ids = append(ids, string(s.ID()))
	}
	if got, want := sorted(ids...), sorted(c.gopher.ID(), c.nora.ID(), c.nelly.ID()); got != want {
		t.Errorf("fetched %s, want %s", got, want)
	}
	answers, err := socketio.Collect[string](c.goNode.io.Timeout(5*time.Second).EmitWithAck(ctx, "who"))
	no(t, "broadcast with ack", err)
	if got := sorted(answers...); got != "[gopher nelly nora]" {
		t.Errorf("collected %s", got)
	}
	for _, s := range []*nodejs.Server{c.v02, c.v03} {
		s.OnServerSide("/", "from?")
	}
	c.v02.Answer("/", "from?", "0.2")
	c.v03.Answer("/", "from?", "0.3")
	answers, err = socketio.Collect[string](c.goNode.io.ServerSideEmitWithAck(ctx, "from?"))
	no(t, "server-side emit", err)
	if got := sorted(answers...); got != "[0.2 0.3]" {
		t.Errorf("collected %s", got)
	}
	if waited := time.Since(start); waited > 4*time.Second {
		t.Errorf("the answers took %s", waited)
	}
	for _, s := range []*nodejs.Server{c.v02, c.v03} {
		s.Wait(nodejs.OfKind(nodejs.ServerSide), nodejs.Named("from?")) // its report may come after its answer
		if got := s.Events(nodejs.OfKind(nodejs.ServerSide), nodejs.Named("from?")); len(got) != 1 {
			t.Errorf("a request was executed %d times", len(got))
		}
	}
}

func (c three) told(t *testing.T) {
	ctx := t.Context()
	for _, s := range []*nodejs.Server{c.v02, c.v03} {
		s.OnServerSide("/", "note")
	}
	_, err := c.goNode.io.Emit(ctx, "by go")
	no(t, "emit", err)
	c.v02.Emit(nodejs.Target{}, "by 0.2")
	c.v03.Emit(nodejs.Target{}, "by 0.3")
	everyone := func(event string) {
		t.Helper()
		for _, client := range c.clients() {
			client.Wait(nodejs.Named(event))
		}
	}
	everyone("by go")
	everyone("by 0.2")
	everyone("by 0.3")
	no(t, "join", c.goNode.io.SocketsJoin(ctx, "go's"))
	c.v02.SocketsJoin(nodejs.Target{}, "0.2's")
	c.v03.SocketsJoin(nodejs.Target{}, "0.3's")
	c.v02.Emit(nodejs.Target{Rooms: []string{"0.2's"}}, "in 0.2's")
	c.v03.Emit(nodejs.Target{Rooms: []string{"0.3's"}}, "in 0.3's")
	everyone("in 0.2's") // so the joins are done everywhere
	everyone("in 0.3's")
	for _, room := range []string{"go's", "0.2's", "0.3's"} {
		_, err = c.goNode.io.To(room).Emit(ctx, "go to "+room)
		no(t, "emit", err)
		everyone("go to " + room)
	}
	no(t, "server-side emit", c.goNode.io.ServerSideEmit(ctx, "note", "from go"))
	for _, s := range []*nodejs.Server{c.v02, c.v03} {
		if got := s.Wait(nodejs.OfKind(nodejs.ServerSide), nodejs.Named("note")).Args.String(); got != `["from go"]` {
			t.Errorf("a Node.js server got %s", got)
		}
	}
	c.v02.ServerSideEmit("/", "note", "from 0.2")
	if got := <-c.goNode.serverSide; got != "from 0.2" {
		t.Errorf("Go got %q", got)
	}
	c.v03.ServerSideEmit("/", "note", "from 0.3")
	if got := <-c.goNode.serverSide; got != "from 0.3" {
		t.Errorf("Go got %q", got)
	}
	c.v03.DisconnectSockets(nodejs.Target{Rooms: []string{c.nora.ID()}}, false)
	c.v02.DisconnectSockets(nodejs.Target{Rooms: []string{c.gopher.ID()}}, false)
	no(t, "disconnect", c.goNode.io.In(c.nelly.ID()).DisconnectSockets(ctx, false))
	for _, client := range c.clients() {
		if got := client.Wait(nodejs.OfKind(nodejs.Disconnect)).Reason; got != "io server disconnect" {
			t.Errorf("%s's reason is %q", client.Name(), got)
		}
	}
}

// TestCase20_TypeWithLeadingZero shows, with the real servers of both lines, what the type text 03 of acked and volatile
// broadcasts is for: it is delivered to who is there and not replayed to who comes back.
func TestCase20_TypeWithLeadingZero(t *testing.T) {
	for _, adapter := range []nodejs.Adapter{nodejs.Adapter02, nodejs.Adapter03} {
		t.Run(string(adapter), func(t *testing.T) {
			server := realredis.Start(t)
			node := nodejs.StartServer(t, nodejs.ServerConfig{
				Adapter: adapter, RedisURL: server.URL(), Recovery: time.Minute,
			})
			clients := nodejs.StartClients(t)
			websocket := nodejs.ConnectOptions{Transports: []string{"websocket"}, ReconnectionDelay: time.Second}
			away := clients.Connect("away", node.URL(), websocket)
			here := clients.Connect("here", node.URL(), websocket)
			add := func(kind, event string) {
				t.Helper()
				no(t, "XADD", server.Client().XAdd(t.Context(), &redis.XAddArgs{
					Stream: redisstream.DefaultStream,
					Values: []string{
						"uid", "emitter", "nsp", "/", "type", kind,
						"data", `{"packet":{"type":2,"data":["` + event + `"]},"opts":{"rooms":[],"except":[],"flags":{}}}`,
					},
				}).Err())
			}
			add("3", "before")
			away.Wait(nodejs.Named("before"))
			away.Break()
			away.Wait(nodejs.OfKind(nodejs.Disconnect))
			add("03", "zero")
			add("3", "plain")
			here.Wait(nodejs.Named("zero"))
			away.Wait(nodejs.OfKind(nodejs.Connect), func(e nodejs.Event) bool { return e.Recovered })
			away.Wait(nodejs.Named("plain"))
			neither(t, away, "zero")
		})
	}
}

// TestFrozenAndDead03 stops and then kills the Node.js server. Peers of the 0.3 line are known by their connections
// alone: a frozen one is missing without a name, and everybody else's answer is there; a dead one is not waited for.
func TestFrozenAndDead03(t *testing.T) {
	m := startMixedWith(t, nodejs.ServerConfig{Adapter: nodejs.Adapter03},
		redisstream.Config{PubSub: redisstream.PubSubPlain})
	ctx := t.Context()
	m.jsNode.Pause()
	sockets, err := m.goNode.io.Timeout(time.Second).FetchSockets(ctx)
	var partial *domain.PartialError
	if !errors.As(err, &partial) || partial.Unnamed != 1 || len(partial.Missing) != 0 {
		t.Errorf("the error is %v, want one peer without a name missing", err)
	}
	if len(sockets) != 1 || string(sockets[0].ID()) != m.gopherS {
		t.Errorf("fetched %d sockets, want gopher's", len(sockets))
	}
	// W12: with Node.js servers among themselves every question takes its whole timeout.
	sockets, err = m.goNode.io.Timeout(time.Minute).FetchSockets(ctx)
	if !errors.Is(err, domain.ErrUnresponsive) || len(sockets) != 1 {
		t.Errorf("asked again: %d sockets, %v; want gopher's, and that the frozen one was not waited for", len(sockets), err)
	}
	m.jsNode.Resume()
	waitFor(t, "it answers again", func() bool {
		sockets, err = m.goNode.io.FetchSockets(ctx)
		return err == nil && len(sockets) == 2
	})
	m.jsNode.Kill()
	<-m.jsNode.Exited()
	start := time.Now()
	waitFor(t, "the dead one is not waited for", func() bool {
		sockets, err = m.goNode.io.Timeout(500 * time.Millisecond).FetchSockets(ctx)
		return err == nil && len(sockets) == 1
	})
	if waited := time.Since(start); waited > 4*time.Second {
		t.Errorf("it was waited for %s", waited)
	}
}
