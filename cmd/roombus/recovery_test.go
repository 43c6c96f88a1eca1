package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/roombus/roombus/internal/testkit/browser"
	"github.com/roombus/roombus/internal/testkit/nodejs"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

// waitStored waits until a client's session is stored with a room.
func waitStored(t *testing.T, url, pid, room string) {
	t.Helper()
	options, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	defer client.Close()
	for deadline := time.Now().Add(patience); ; {
		stored, _ := client.Get(t.Context(), "sio:session:"+pid).Bytes() // an error is asked again
		session, _ := base64.StdEncoding.AppendDecode(nil, stored)
		if bytes.Contains(session, []byte(room)) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the session %s is not stored with the room %s: %q", pid, room, session)
		}
	}
}

// TestClientsOfAKilledNodeRecover kills a process with SIGKILL: its clients come back on the other one, over either
// transport, with the same id, in their rooms, with all that they have missed, once and in order.
func TestClientsOfAKilledNodeRecover(t *testing.T) {
	server := realredis.Start(t)
	a := serveWith(t, nil, "--redis", server.URL(), "--name", "a")
	b := serveWith(t, nil, "--redis", server.URL(), "--name", "b")
	process := nodejs.StartClients(t)
	bob := process.Connect("bob", b.url, nodejs.ConnectOptions{})
	var clients []*nodejs.Client
	for _, transport := range []string{"websocket", "polling"} {
		c := process.Dial(transport, a.url, nodejs.ConnectOptions{Transports: []string{transport}})
		e := c.Wait(nodejs.OfKind(nodejs.Connect))
		join(t, c, "den")
		waitStored(t, server.URL(), e.PID, "den")
		c.Move(b.url)
		clients = append(clients, c)
	}
	offset(t, bob, "den", "seen")
	ids := map[*nodejs.Client]string{}
	for _, c := range clients {
		if got := received(t, c).Body; got != "seen" {
			t.Errorf("%s received %q", c.Name(), got)
		}
		ids[c] = c.ID()
	}

	a.Kill()
	for i := range 10 {
		offset(t, bob, "den", fmt.Sprint("missed ", i))
	}
	for _, c := range clients {
		if e := c.Wait(nodejs.OfKind(nodejs.Connect)); !e.Recovered || e.Socket != ids[c] {
			t.Errorf("%s was not recovered: %v", c.Name(), e)
		}
	}
	offset(t, bob, "den", "last")
	for _, c := range clients {
		for i := range 10 {
			if got := received(t, c).Body; got != fmt.Sprint("missed ", i) {
				t.Errorf("%s received %q as number %d of what it has missed", c.Name(), got, i)
			}
		}
		if got := received(t, c).Body; got != "last" {
			t.Errorf("%s received %q, want what came last", c.Name(), got)
		}
		leave(t, c, "den") // it was there
	}
	b.stop()
}

// TestRecoveryCanBeSwitchedOff has a client come back to a process without recovery.
func TestRecoveryCanBeSwitchedOff(t *testing.T) {
	p := serveWith(t, nil, "--recovery", "0")
	alice := nodejs.StartClients(t).Dial("alice", p.url, nodejs.ConnectOptions{})
	if e := alice.Wait(nodejs.OfKind(nodejs.Connect)); e.PID != "" {
		t.Errorf("the client has the private id %q; recovery is off", e.PID)
	}
	alice.Break()
	if e := alice.Wait(nodejs.OfKind(nodejs.Connect)); e.Recovered {
		t.Error("the client was recovered; recovery is off")
	}
	p.stop()
}

// TestThePageSaysWhetherItWasRecovered cuts the page's connection.
func TestThePageSaysWhetherItWasRecovered(t *testing.T) {
	p := serveWith(t, nil)
	page := browser.Open(t, p.url)
	page.WaitText("#state", "connected")
	page.WaitText("#session", "new")
	page.WaitText("#rooms", "lobby")
	say(page, "before")
	page.WaitFor(last + `.includes("before")`)
	page.Do(`socket.io.engine.close(); 0`)
	page.WaitText("#session", "recovered")
	page.WaitText("#state", "connected")
	say(page, "after") // to a room that it did not have to join again
	page.WaitFor(last + `.includes("after")`)
	page.WantNoErrors()
	p.stop()
}
