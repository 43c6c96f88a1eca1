package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/roombus/roombus/internal/testkit/nodejs"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

// textMessage is a message with a text as its body, as a client receives it.
type textMessage struct {
	Room, Body, From, Node string
}

// received waits for the next message.
func received(t *testing.T, c *nodejs.Client) textMessage {
	t.Helper()
	var m textMessage
	if err := c.Wait(nodejs.Named("message")).Args.Decode(&m); err != nil {
		t.Fatalf("%s: %v", c.Name(), err)
	}
	return m
}

// waitWho asks who is there until the answer is as wanted: that is how a change on another node is seen.
func waitWho(t *testing.T, c *nodejs.Client, room, want string, ok func(presence) bool) presence {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		var p presence
		ask(t, c, &p, "who", room)
		if ok(p) {
			return p
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s sees %+v, want %s", c.Name(), p, want)
		}
	}
}

// Two processes on one Redis, the official client on each.
func TestARoomAcrossTwoNodes(t *testing.T) {
	redis := realredis.Start(t)
	a := serveWith(t, nil, "--redis", redis.URL(), "--name", "a")
	b := serveWith(t, nil, "--redis", redis.URL(), "--name", "b")
	for name, transports := range map[string][]string{
		"over WebSocket":        {"websocket"},
		"over polling":          {"polling"},
		"from one to the other": nil,
	} {
		t.Run(name, func(t *testing.T) { crossRoom(t, a, b, transports) })
	}
	t.Run("a node stops", func(t *testing.T) {
		clients := nodejs.StartClients(t)
		alice := clients.Connect("alice", a.url, nodejs.ConnectOptions{})
		bob := clients.Connect("bob", b.url, nodejs.ConnectOptions{NoReconnection: true})
		join(t, alice, "den")
		join(t, bob, "den")
		waitWho(t, alice, "den", "both sockets", func(p presence) bool { return p.Count == 2 })
		b.stop()
		bob.Wait(nodejs.OfKind(nodejs.Disconnect))
		p := waitWho(t, alice, "den", "one node", func(p presence) bool { return len(p.Nodes) == 1 })
		if p.Count != 1 || p.Partial != "" {
			t.Errorf("alice sees %+v, want herself alone and nobody missing", p)
		}
	})
	a.stop()
}

// crossRoom lets what Socket.IO does cross from each node to the other.
func crossRoom(t *testing.T, a, b *process, transports []string) {
	clients := nodejs.StartClients(t)
	options := nodejs.ConnectOptions{Transports: transports}
	alice, bob := clients.Connect("alice", a.url, options), clients.Connect("bob", b.url, options)
	carol := clients.Connect("carol", b.url, options)
	room := "den " + strings.Join(transports, "")
	join(t, alice, room)
	join(t, bob, room)
	join(t, carol, "elsewhere")

	// Text, both ways. Who sends gets it as well; who is not in the room does not.
	for _, way := range []struct {
		from, to *nodejs.Client
		node     string
	}{{alice, bob, "a"}, {bob, alice, "b"}} {
		body := "from " + way.from.Name() + " – ☃"
		offset(t, way.from, room, body)
		want := textMessage{Room: room, Body: body, From: way.from.ID(), Node: way.node}
		for _, c := range []*nodejs.Client{way.from, way.to} {
			if got := received(t, c); got != want {
				t.Errorf("%s received %+v, want %+v", c.Name(), got, want)
			}
		}
	}

	// Binary, alone and inside of something, together with what JSON can say.
	data := nodejs.Binary{0, 1, 2, 253, 254, 255}
	offset(t, alice, room, data)
	var alone struct{ Body nodejs.Binary }
	if err := bob.Wait(nodejs.Named("message")).Args.Decode(&alone); err != nil || string(alone.Body) != string(data) {
		t.Errorf("bob received the binary %v (%v), want %v", alone.Body, err, data)
	}
	offset(t, bob, room, map[string]any{"files": []any{data, "text", nodejs.Binary{7}}, "n": 1.5})
	alice.Wait(nodejs.Named("message")) // her own
	var inside struct {
		Body struct {
			Files []any
			N     float64
		}
	}
	e := alice.Wait(nodejs.Named("message"))
	if err := e.Args.Decode(&inside); err != nil || len(inside.Body.Files) != 3 || inside.Body.N != 1.5 {
		t.Errorf("alice received %s (%v), want two binaries and a text", e.Args, err)
	}
	bob.Wait(nodejs.Named("message")) // his own

	// Who is there, asked on one node and answered by both.
	p := waitWho(t, alice, room, "alice and bob on two nodes", func(p presence) bool {
		return p.Count == 2 && len(p.Nodes) == 2 && p.Partial == ""
	})
	for _, want := range []string{alice.ID() + " a", bob.ID() + " b"} {
		if !slices.ContainsFunc(p.Sockets, func(s socketLine) bool { return string(s.ID)+" "+s.Node == want }) {
			t.Errorf("the sockets are %+v, want %s among them", p.Sockets, want)
		}
	}

	// The same order everywhere, whoever sends.
	const each = 25
	for i := range each {
		alice.Emit("message", map[string]any{"room": room, "body": fmt.Sprint("alice ", i)})
		bob.Emit("message", map[string]any{"room": room, "body": fmt.Sprint("bob ", i)})
	}
	var orders [2][]string
	for i, c := range []*nodejs.Client{alice, bob} {
		for range 2 * each {
			orders[i] = append(orders[i], received(t, c).Body)
		}
	}
	if !slices.Equal(orders[0], orders[1]) {
		t.Errorf("alice and bob received different orders:\n%q\n%q", orders[0], orders[1])
	}

	// Who has left hears nothing, until it is back.
	leave(t, bob, room)
	offset(t, alice, room, "while bob is away")
	received(t, alice)
	// He joins behind what his own node has published, and so behind what alice has said: it need not have read that yet.
	offset(t, bob, "nobody is here", "a message of bob's node")
	join(t, bob, room)
	offset(t, alice, room, "when bob is back")
	if got := received(t, bob).Body; got != "when bob is back" {
		t.Errorf("bob received %q, want what was said when he was back", got)
	}
	received(t, alice)

	// A disconnect is seen on the other node.
	bob.Disconnect()
	waitWho(t, alice, room, "alice alone", func(p presence) bool { return p.Count == 1 })

	// Carol has heard nothing of all that.
	offset(t, alice, "elsewhere", "to carol")
	if got := received(t, carol).Body; got != "to carol" {
		t.Errorf("carol received %q, which was not for her", got)
	}
	for _, c := range []*nodejs.Client{alice, carol} {
		c.Disconnect()
	}
}
