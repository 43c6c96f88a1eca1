package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/domain"
)

func TestEmitter(t *testing.T) {
	cluster := inmemory.New(inmemory.Config{})
	t.Cleanup(func() { closing(t, "cluster", cluster.Close) })
	node := startMember(t, cluster, socketio.Config{})
	emitter, err := app.NewEmitter(cluster.Member().Log())
	if err != nil {
		t.Fatal(err)
	}
	io, err := socketio.NewEmitter(emitter)
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan string, 1)
	socketio.OnServerSide(node.Of("/admin"), "reload", func(_ context.Context, what string) error {
		heard <- what
		return nil
	})
	node.OnConnect(func(ctx context.Context, s *socketio.Socket) error { return s.Join(ctx, "lobby") })
	one, two := dial(t, node.url), dial(t, node.url)
	ids := []string{one.join("/"), two.join("/")}
	joined(t, node.Namespace, "lobby", 2)

	ctx := t.Context()
	must := func(at domain.Offset, err error) {
		t.Helper()
		if err != nil || at == "" {
			t.Errorf("offset %q, error %v", at, err)
		}
	}
	type story struct {
		Title string `json:"title"`
		Photo []byte `json:"photo"`
	}
	must(io.To("lobby").Except(ids[1]).Emit(ctx, "news", story{"Go", []byte{1}}))
	must(io.Compress(true).Volatile().Emit(ctx, "tick", 1))
	must(io.In(ids[1]).SocketsJoin(ctx, "hall"))
	must(io.To("hall").Emit(ctx, "hall"))
	must(io.In("hall").SocketsLeave(ctx, "hall"))
	must(io.To("hall").Emit(ctx, "to nobody"))
	must(io.Of("admin").ServerSideEmit(ctx, "reload", "prices"))
	must(io.In(ids[1]).DisconnectSockets(ctx, false))
	must(io.Emit(ctx, "the end"))

	one.want(`451-["news",{"title":"Go","photo":{"_placeholder":true,"num":0}}]`)
	one.wantBinary([]byte{1})
	one.want(`42["tick",1]`, `42["the end"]`)
	two.want(`42["tick",1]`, `42["hall"]`, `41`)
	if got := receive(t, "the server-side event", heard); got != "prices" {
		t.Errorf("got %q", got)
	}

	t.Run("errors", func(t *testing.T) {
		if _, err := socketio.NewEmitter(nil); err == nil {
			t.Error("nothing to publish with is no error")
		}
		_, emitErr := io.To().Emit(ctx, "x")
		_, joinErr := io.To().SocketsJoin(ctx, "r")
		if !errors.Is(emitErr, socketio.ErrNoRooms) || !errors.Is(joinErr, socketio.ErrNoRooms) {
			t.Errorf("without a room: %v, %v", emitErr, joinErr)
		}
		_, emitErr = io.Emit(ctx, "x", func() {})
		_, serverErr := io.ServerSideEmit(ctx, "x", func() {})
		if emitErr == nil || serverErr == nil {
			t.Errorf("a function: %v, %v", emitErr, serverErr)
		}
	})
}

// joined waits until so many sockets of this node are in a room.
func joined(t *testing.T, ns *socketio.Namespace, room string, want int) {
	t.Helper()
	for have := -1; have != want; {
		sockets, err := ns.In(room).Local().FetchSockets(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		have = len(sockets)
	}
}

func ExampleEmitter() {
	cluster := inmemory.New(inmemory.Config{})
	job, err := app.NewEmitter(cluster.Member().Log()) // of a transport that the nodes share
	if err != nil {
		fmt.Println(err)
		return
	}
	io, err := socketio.NewEmitter(job)
	if err != nil {
		fmt.Println(err)
		return
	}
	at, err := io.To("lobby").Emit(context.Background(), "news", map[string]string{"title": "Go"})
	fmt.Println(at != "", err)
	// Output: true <nil>
}
