package interop_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/roombus/roombus/adapters/redisstream"
	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/internal/testkit/nodejs"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

// recovering is the configuration of a Go node that keeps sessions.
var recovering = app.Config{Recovery: app.Recovery{Window: time.Minute}}

// profile is what the application keeps with a socket, with a binary in it.
type profile struct {
	Name string `json:"name"`
	Key  []byte `json:"key"`
}

// TestW10SessionsBothWays has a client go from a Node.js server to a Go node and back, again and again, with its rooms,
// its data and what it has missed, binary included.
func TestW10SessionsBothWays(t *testing.T) {
	for _, adapter := range []nodejs.Adapter{nodejs.Adapter02, nodejs.Adapter03} {
		for _, transport := range []string{"websocket", "polling"} {
			t.Run(fmt.Sprint(adapter, " ", transport), func(t *testing.T) { sessionsBothWays(t, adapter, transport) })
		}
	}
}

func sessionsBothWays(t *testing.T, adapter nodejs.Adapter, transport string) {
	redis := realredis.Start(t)
	js := nodejs.StartServer(t, nodejs.ServerConfig{Adapter: adapter, RedisURL: redis.URL(), Recovery: time.Minute})
	config := redisstream.Config{}
	if adapter == nodejs.Adapter03 {
		config.PubSub = redisstream.PubSubPlain
	}
	gopher := startGoWith(t, redis.URL(), config, recovering)
	clients := nodejs.StartClients(t)
	carol := clients.Connect("carol", js.URL(), nodejs.ConnectOptions{
		Transports: []string{transport}, NoReconnection: true,
	})
	id := js.Wait(nodejs.OfKind(nodejs.Connect)).Socket
	js.SocketJoin("/", id, "red")
	js.SetData("/", id, map[string]any{"name": "Carol", "key": nodejs.Binary{0, 255, 1}})
	js.Emit(nodejs.Target{Rooms: []string{"red"}}, "seen", 1)
	carol.Wait(nodejs.Named("seen"))

	for round := range 2 {
		// From Node.js to Go.
		away(t, carol, func() { js.Wait(nodejs.OfKind(nodejs.Disconnect)) })
		js.Emit(nodejs.Target{Rooms: []string{"red"}}, "missed", "from js", nodejs.Binary{1, 2, byte(round)})
		carol.Move(gopher.url)
		carol.Reconnect()
		if e := carol.Wait(nodejs.OfKind(nodejs.Connect)); !e.Recovered || e.Socket != id {
			t.Fatalf("round %d: the client was not recovered by the Go node: %v", round, e)
		}
		wantMissed(t, carol, "from js", round)
		socket := <-gopher.connected
		if !socket.Recovered() || string(socket.ID()) != id {
			t.Errorf("round %d: the Go node's socket %s says %v", round, socket.ID(), socket.Recovery())
		}
		want := []string{id, "red"}
		if round > 0 {
			want = append(want, "blue")
		}
		if rooms := sorted(socket.Rooms()...); rooms != sorted(want...) {
			t.Errorf("round %d: the rooms on the Go node are %s, want %v", round, rooms, want)
		}
		p, err := socketio.Data[profile](socket)
		no(t, "read the data", err)
		if p.Name == "" || !slices.Equal(p.Key, []byte{0, 255, 1 + byte(round)}) {
			t.Errorf("round %d: the data on the Go node is %+v", round, p)
		}

		// And back.
		no(t, "join", socket.Join(t.Context(), "blue"))
		no(t, "set the data", socket.SetData(profile{"Carola", []byte{0, 255, 2 + byte(round)}}))
		no(t, "save", socket.SaveSession(t.Context()))
		_, err = gopher.io.To("blue").Emit(t.Context(), "seen", 2)
		no(t, "emit", err)
		carol.Wait(nodejs.Named("seen"))
		away(t, carol, func() { waitFor(t, "the Go node's socket is gone", func() bool { return !socket.Connected() }) })
		_, err = gopher.io.To("blue").Emit(t.Context(), "missed", "from go", []byte{1, 2, byte(round)})
		no(t, "emit", err)
		carol.Move(js.URL())
		carol.Reconnect()
		if e := carol.Wait(nodejs.OfKind(nodejs.Connect)); !e.Recovered || e.Socket != id {
			t.Fatalf("round %d: the client was not recovered by the Node.js server: %v", round, e)
		}
		wantMissed(t, carol, "from go", round)
		e := js.Wait(nodejs.OfKind(nodejs.Connect))
		if rooms := sorted(e.Rooms...); !e.Recovered || rooms != sorted(id, "red", "blue") {
			t.Errorf("round %d: the rooms on the Node.js server are %s (recovered: %t)", round, rooms, e.Recovered)
		}
		var data struct {
			Name string `json:"name"`
		}
		no(t, "decode the data", json.Unmarshal(e.Data, &data))
		if data.Name != "Carola" {
			t.Errorf("round %d: the data on the Node.js server is %s", round, e.Data)
		}
	}
}

// TestCase14_NodeJSTakesTheSessionOfAHalfOpenSocket has a client come back to a Node.js server while its old connection
// is still open on a Go node: the Go node notices when it stores the session next, closes that connection, and does not
// store the session again, which would let a second client have it.
func TestCase14_NodeJSTakesTheSessionOfAHalfOpenSocket(t *testing.T) {
	redis := realredis.Start(t)
	js := nodejs.StartServer(t, nodejs.ServerConfig{Adapter: nodejs.Adapter02, RedisURL: redis.URL(), Recovery: time.Minute})
	gopher := startGoWith(t, redis.URL(), redisstream.Config{}, recovering)
	ended := make(chan socketio.Reason, 1)
	gopher.io.OnDisconnect(func(_ context.Context, _ *socketio.Socket, reason socketio.Reason) { ended <- reason })
	clients := nodejs.StartClients(t)
	old := clients.Dial("old", gopher.url, nodejs.ConnectOptions{Transports: []string{"websocket"}, NoReconnection: true})
	e := old.Wait(nodejs.OfKind(nodejs.Connect))
	socket := <-gopher.connected
	_, err := gopher.io.To(e.Socket).Emit(t.Context(), "seen")
	no(t, "emit", err)
	old.Wait(nodejs.Named("seen"))
	no(t, "save", socket.SaveSession(t.Context()))

	// A client says what a client remembers as a part of its auth.
	back := clients.Dial("back", js.URL(), nodejs.ConnectOptions{
		Auth: map[string]any{"pid": e.PID, "offset": old.State().Offset},
	})
	back.Wait(nodejs.OfKind(nodejs.Connect))
	if at := js.Wait(nodejs.OfKind(nodejs.Connect)); !at.Recovered || at.Socket != e.Socket {
		t.Fatalf("the client was not recovered by the Node.js server: %v", at)
	}
	no(t, "set data", socket.SetData("changed")) // is to be stored
	old.Wait(nodejs.OfKind(nodejs.Disconnect))
	if reason := <-ended; reason != socketio.ReasonSuperseded {
		t.Errorf("the old socket ended with %q, want %q", reason, socketio.ReasonSuperseded)
	}
	third := clients.Dial("third", gopher.url, nodejs.ConnectOptions{
		Auth: map[string]any{"pid": e.PID, "offset": old.State().Offset},
	})
	third.Wait(nodejs.OfKind(nodejs.Connect))
	if again := <-gopher.connected; again.Recovered() {
		t.Error("the session that the Node.js server has was recovered a second time")
	}
}

// away cuts a client's connection and waits until both sides know.
func away(t *testing.T, c *nodejs.Client, server func()) {
	t.Helper()
	c.Break()
	c.Wait(nodejs.OfKind(nodejs.Disconnect))
	server()
}

func wantMissed(t *testing.T, c *nodejs.Client, text string, round int) {
	t.Helper()
	e := c.Wait(nodejs.Named("missed"))
	var got string
	var binary nodejs.Binary
	if err := e.Args[:2].Decode(&got, &binary); err != nil || got != text || !slices.Equal(binary, nodejs.Binary{1, 2, byte(round)}) {
		t.Errorf("the client missed %s (%v), want %q with a binary of round %d", e.Args, err, text, round)
	}
}

// TestW6OfficialClients has official clients go to and fro between two Go nodes on Redis while one of them emits: each
// gets every packet once, and in order, over either transport.
func TestW6OfficialClients(t *testing.T) {
	const clientCount, rounds = 10, 5
	redis := realredis.Start(t)
	nodes := []*goServer{
		startGoWith(t, redis.URL(), redisstream.Config{}, recovering), startGoWith(t, redis.URL(), redisstream.Config{}, recovering),
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	process := nodejs.StartClients(t)
	clients := make([]*nodejs.Client, clientCount)
	for i := range clients {
		clients[i] = process.Connect(fmt.Sprint("client", i), nodes[i%2].url, nodejs.ConnectOptions{
			Transports: []string{[]string{"websocket", "polling"}[i/2%2]}, ReconnectionDelay: 20 * time.Millisecond,
		})
	}
	no(t, "join", nodes[0].io.SocketsJoin(t.Context(), "red"))

	stop := make(chan struct{})
	var emitting sync.WaitGroup
	sent := 0
	emitting.Go(func() {
		tick := time.NewTicker(time.Second / 300)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			if _, err := nodes[0].io.To("red").Emit(t.Context(), "n", sent); err != nil {
				t.Errorf("emit %d: %v", sent, err)
				return
			}
			sent++
		}
	})
	for _, c := range clients {
		c.Wait(nodejs.Named("n"))
	}
	for range rounds {
		for _, i := range random.Perm(clientCount) {
			clients[i].Move(nodes[random.IntN(2)].url)
			clients[i].Break()
		}
		for _, c := range clients {
			if e := c.Wait(nodejs.OfKind(nodejs.Connect)); !e.Recovered {
				t.Errorf("%s was not recovered", c.Name())
			}
		}
	}
	close(stop)
	emitting.Wait()
	_, err := nodes[0].io.To("red").Emit(t.Context(), "last")
	no(t, "emit", err)
	for _, c := range clients {
		c.Wait(nodejs.Named("last"))
		heard := c.Events(nodejs.Named("n"))
		for k, e := range heard {
			var n int
			if err := e.Args[:1].Decode(&n); err != nil || n != sent-len(heard)+k {
				t.Errorf("%s: packet %d of %d is %s (%v); %d were sent", c.Name(), k, len(heard), e.Args, err, sent)
				break
			}
		}
		if len(heard) < sent/2 {
			t.Errorf("%s heard %d of %d", c.Name(), len(heard), sent)
		}
	}
	t.Logf("%d packets to each of %d clients, %d recoveries", sent, clientCount, clientCount*rounds)
}
