package main

import (
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/roombus/roombus/internal/testkit/nodejs"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs the chat on a free port until the test ends, and returns its URL when it serves.
func start(t *testing.T, redis, name string) string {
	t.Helper()
	addr := freeAddr(t)
	done := make(chan error, 1)
	go func() { done <- run(t.Context(), addr, redis, name) }() // the context ends before the cleanup
	t.Cleanup(func() {
		if err := <-done; err != nil {
			t.Errorf("the chat %s ended with %v", name, err)
		}
	})
	return "http://" + addr
}

func freeAddr(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// The clients try again until the chat listens, as they do in the field.
func talk(t *testing.T, from, to, node string) {
	t.Helper()
	clients := nodejs.StartClients(t)
	alice := clients.Connect("alice", from, nodejs.ConnectOptions{})
	bob := clients.Connect("bob", to, nodejs.ConnectOptions{})
	if _, err := bob.EmitWithAck(10*time.Second, "join", "lobby"); err != nil {
		t.Fatalf("join: %v", err)
	}
	reply, err := alice.EmitWithAck(10*time.Second, "message", said{"lobby", "hello"})
	if err != nil {
		t.Fatalf("message: %v", err)
	}
	var r receipt
	if err := reply.Decode(&r); err != nil || r.Offset == "" {
		t.Errorf("the message was acknowledged with %s (%v), want an offset", reply, err)
	}
	var got heard
	if err := bob.Wait(nodejs.Named("message")).Args.Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.Body != "hello" || got.Room != "lobby" || string(got.From) != alice.ID() || got.Node != node {
		t.Errorf("bob received %+v, want hello from alice on %s", got, node)
	}
	if reply, err = alice.EmitWithAck(10*time.Second, "message", said{Body: "to nobody"}); err != nil {
		t.Fatalf("message without a room: %v", err)
	}
	if got := reply.String(); got != `[{"error":"a message needs a room"}]` {
		t.Errorf("a message without a room was answered with %s", got)
	}
}

func TestTheChatInMemory(t *testing.T) {
	url := start(t, "", "alone")
	talk(t, url, url, "alone")
}

func TestTheChatOnTwoNodes(t *testing.T) {
	redis := realredis.Start(t)
	talk(t, start(t, redis.URL(), "a"), start(t, redis.URL(), "b"), "a")
}
