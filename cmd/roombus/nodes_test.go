package main

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/roombus/roombus/cmd/roombus/internal/logview"
	"github.com/roombus/roombus/internal/testkit/child"
	"github.com/roombus/roombus/internal/testkit/nodejs"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

// nodesBy are the nodes of `roombus nodes --json`, by their names, or by their kinds where they have none.
func nodesBy(t *testing.T, o outcome) map[string]nodeRecord {
	t.Helper()
	by := make(map[string]nodeRecord)
	for _, n := range objects[nodeRecord](t, o) {
		key := n.Name
		if key == "" {
			key = n.Kind
		}
		by[key] = n
	}
	return by
}

func TestNodesOfAMixedCluster(t *testing.T) {
	redis := realredis.Start(t)
	north := serveWith(t, nil, "--redis", redis.URL(), "--name", "north", "--pubsub", "plain")
	mute := serveWith(t, nil, "--redis", redis.URL(), "--name", "mute\x1b[31m", "--pubsub", "plain", "--diagnostics=false")
	nodejs.StartServer(t, nodejs.ServerConfig{Adapter: nodejs.Adapter02, RedisURL: redis.URL()})
	for range 2 {
		nodejs.StartServer(t, nodejs.ServerConfig{Adapter: nodejs.Adapter03, RedisURL: redis.URL()})
	}
	clients := nodejs.StartClients(t)
	join(t, clients.Connect("alice", north.url, nodejs.ConnectOptions{}), "den")
	var all map[string]nodeRecord
	for deadline := time.Now().Add(patience); ; {
		all = nodesBy(t, runTool(t, redis, exitOK, "nodes", "--pubsub", "plain", "--json"))
		n := all["north"]
		counted := n.Sockets != nil && *n.Sockets == 1 && n.Rooms != nil && *n.Rooms == 1
		if counted && len(all) == 4 || time.Now().After(deadline) {
			break // the node counts once a second, and the Node.js server has been heard
		}
	}
	n := all["north"]
	if n.Kind != "roombus" || n.State != "healthy" || n.Sockets == nil || *n.Sockets != 1 || n.Rooms == nil || *n.Rooms != 1 ||
		n.Lag == nil || n.Started == nil || n.Version == "" || !slices.Equal(n.Namespaces, []string{"/"}) {
		t.Errorf("north is %+v", n)
	}
	if n := all["mute\x1b[31m"]; n.Kind != "roombus" || n.State != "heard" || n.Sockets != nil || n.Started == nil {
		t.Errorf("the node without diagnostics is %+v", n)
	}
	if n := all["nodejs-0.2"]; len(n.ID) != 16 || n.Started != nil || !slices.Equal(n.Namespaces, []string{"/"}) {
		t.Errorf("the server of 0.2 is %+v", n)
	}
	if n := all["nodejs-0.3"]; n.Count != 2 {
		t.Errorf("the servers of 0.3 are %+v, want two", n)
	}
	o := runTool(t, redis, exitOK, "nodes", "--pubsub", "plain", "--details")
	for _, want := range []string{"NODE", "north", "healthy", `"mute\x1b[31m"`, "(Node.js 0.2)", "(2 of Node.js 0.3)", "recovery"} {
		if !strings.Contains(o.stdout, want) {
			t.Errorf("%q is not in\n%s", want, o.stdout)
		}
	}
	if strings.ContainsRune(o.stdout, '\x1b') {
		t.Errorf("an escape sequence is written: %q", o.stdout)
	}

	// It looks on: nothing is written, and it needs the rights to read alone.
	before := addRaw(t, redis, "uid", foreign, "nsp", "/none", "type", "13")
	redis.Client().Do(t.Context(), "acl", "setuser", "looks", "on", ">secret", "~socket.io", "+xread", "+xrange", "+xinfo", "+ping", "+hello", "+auth", "+info", "+@connection")
	o = call(t, []string{"ROOMBUS_REDIS=" + redis.URLFor("looks", "secret")}, "nodes", "--silent")
	if o.code != exitOK || !strings.Contains(o.stdout, "north") || !strings.Contains(o.stdout, "(Node.js 0.2)") {
		t.Errorf("--silent: exit code %d\n%s%s", o.code, o.stdout, o.stderr)
	}
	said := objects[logview.Record](t, runTool(t, redis, exitOK, "tail", "--since", before, "--no-follow", "--json", "--all"))
	for _, r := range said[1:] {
		if r.Kind != "heartbeat" {
			t.Errorf("somebody has said %+v", r)
		}
	}

	// A node that stands still is missing, and one that is gone for ten seconds lost.
	if err := north.Pause(); err != nil {
		t.Fatal(err)
	}
	o = runTool(t, redis, exitPartial, "nodes", "--json", "--timeout", "1s")
	o.wantSentence(t, exitPartial, "no answer from north")
	if n := nodesBy(t, o)["north"]; n.State != "missing" {
		t.Errorf("north is %+v, want missing", n)
	}
	for deadline := time.Now().Add(2 * patience); ; {
		n := nodesBy(t, runTool(t, redis, exitOK, "nodes", "--silent", "--json"))["north"]
		if n.State == "lost" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("north is %+v, want lost", n)
		}
	}
	if err := north.Resume(); err != nil {
		t.Fatal(err)
	}
	north.stop()
	mute.stop()
}

// It is shown again and again until it is told to stop.
func TestNodesWatches(t *testing.T) {
	redis := realredis.Start(t)
	north := serveWith(t, nil, "--redis", redis.URL(), "--name", "north")
	states := make(chan string, 1000)
	watch, err := child.Start(t, child.Config{
		Name: "roombus nodes", Path: program, Args: []string{"nodes", "--json", "--watch", "100ms"},
		Env: []string{"ROOMBUS_REDIS=" + redis.URL()}, KeepLines: true,
		OnLine: func(line []byte) {
			for _, n := range objects[nodeRecord](t, outcome{stdout: string(line)}) {
				states <- fmt.Sprint(n.Name, " ", n.State)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	wait := func(want string) {
		t.Helper()
		deadline := time.After(patience)
		for {
			select {
			case got := <-states:
				if got == want {
					return
				}
			case <-deadline:
				t.Fatalf("it has not shown %q:\n%s", want, watch.Log())
			}
		}
	}
	wait("north healthy")
	south := serveWith(t, nil, "--redis", redis.URL(), "--name", "south")
	wait("south healthy")
	if err := watch.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := watch.Err(); err != nil {
		t.Errorf("it ended with %v, want exit code 0", err)
	}
	// It has said goodbye.
	o := runTool(t, redis, exitOK, "tail", "--since", "begin", "--no-follow", "--all", "--kind", "goodbye")
	if !strings.Contains(o.stdout, `"roombus nodes"  /roombus/diagnostics`) {
		t.Errorf("it has not said goodbye:\n%s", o.stdout)
	}
	north.stop()
	south.stop()
	if o := runTool(t, redis, exitOK, "nodes"); !strings.Contains(o.stdout, "no nodes") {
		t.Errorf("an empty cluster:\n%s", o.stdout)
	}
}
