package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/roombus/roombus/internal/testkit/nodejs"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

// runTool runs a tool on a Redis; it must end with the exit code.
func runTool(t *testing.T, redis *realredis.Server, code int, args ...string) outcome {
	t.Helper()
	o := call(t, []string{"ROOMBUS_REDIS=" + redis.URL()}, args...)
	if o.code != code {
		t.Fatalf("roombus %q: exit code %d, want %d; it has written:\n%s%s", args, o.code, code, o.stdout, o.stderr)
	}
	return o
}

// objects are the JSON objects that a tool has written, a line each.
func objects[T any](t *testing.T, o outcome) []T {
	t.Helper()
	var all []T
	for line := range strings.Lines(o.stdout) {
		decoder := json.NewDecoder(strings.NewReader(line))
		decoder.DisallowUnknownFields()
		var one T
		if err := decoder.Decode(&one); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		all = append(all, one)
	}
	return all
}

// roomSizes are the sizes of rooms by their names, as `roombus rooms --json` says.
func roomSizes(t *testing.T, o outcome) map[string]int {
	t.Helper()
	sizes := make(map[string]int)
	for _, r := range objects[roomRecord](t, o) {
		total := 0
		for _, n := range r.Nodes {
			total += n
		}
		if total != r.Sockets {
			t.Errorf("the room %s has %d sockets, and %v on its nodes", r.Room, r.Sockets, r.Nodes)
		}
		sizes[r.Namespace+" "+r.Room] = r.Sockets
	}
	return sizes
}

func TestRoomsOfGoNodes(t *testing.T) {
	redis := realredis.Start(t)
	north := serveWith(t, nil, "--redis", redis.URL(), "--name", "north")
	south := serveWith(t, nil, "--redis", redis.URL(), "--name", "south")
	clients := nodejs.StartClients(t)
	for i, p := range []*process{north, south, south} {
		c := clients.Connect(string(rune('a'+i)), p.url, nodejs.ConnectOptions{})
		join(t, c, "den")
		if i > 0 {
			join(t, c, "kitchen\x1b[31m")
		}
	}
	o := runTool(t, redis, exitOK, "rooms", "--nodes")
	for _, want := range []string{
		"/  2 rooms  (2 nodes have counted)\n", "      3  den                 north: 1, south: 2\n",
		`      2  "kitchen\x1b[31m"   south: 2` + "\n",
	} {
		if !strings.Contains(strings.Join(strings.Fields(o.stdout), " "), strings.Join(strings.Fields(want), " ")) {
			t.Errorf("%q is not in\n%s", want, o.stdout)
		}
	}
	if strings.ContainsRune(o.stdout, '\x1b') {
		t.Errorf("an escape sequence is written: %q", o.stdout)
	}
	counted := roomSizes(t, runTool(t, redis, exitOK, "rooms", "--json"))
	fetched := roomSizes(t, runTool(t, redis, exitOK, "rooms", "--json", "--method", "fetch"))
	for name, sizes := range map[string]map[string]int{"counted": counted, "fetched": fetched} {
		if sizes["/ den"] != 3 || sizes["/ kitchen\x1b[31m"] != 2 || len(sizes) != 2 {
			t.Errorf("%s: %v", name, sizes)
		}
	}
	if o := runTool(t, redis, exitOK, "rooms", "--top", "1", "--match", "kitchen"); !strings.Contains(o.stdout, "1 room") {
		t.Errorf("the largest with kitchen in its name:\n%s", o.stdout)
	}

	// A node that stands still is named, whichever way it was asked, and what the others have is right.
	for _, method := range []string{"auto", "fetch"} {
		if err := south.Pause(); err != nil {
			t.Fatal(err)
		}
		o := runTool(t, redis, exitPartial, "rooms", "--json", "--timeout", "1s", "--method", method)
		o.wantSentence(t, exitPartial, "no answer from south", "not counted")
		if sizes := roomSizes(t, o); sizes["/ den"] != 1 {
			t.Errorf("%s without south: %v", method, sizes)
		}
		if err := south.Resume(); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(patience); ; { // until it is heard again
			o := call(t, []string{"ROOMBUS_REDIS=" + redis.URL()}, "rooms", "--json")
			if o.code == exitOK && roomSizes(t, o)["/ den"] == 3 {
				break
			} else if time.Now().After(deadline) {
				t.Fatalf("south is not heard again: %s%s", o.stdout, o.stderr)
			}
		}
	}
	north.stop()
	south.stop()
	runTool(t, redis, exitFailed, "rooms").wantSentence(t, exitFailed, "no node")
	runTool(t, redis, exitFailed, "rooms", "--namespace", "/chat").wantSentence(t, exitFailed, "no node is in /chat")
}

// What the nodes have said of their namespaces is in the log no more: it listens until they say it again.
func TestRoomsBehindATrimmedLog(t *testing.T) {
	redis := realredis.Start(t)
	north := serveWith(t, nil, "--redis", redis.URL(), "--name", "north")
	join(t, nodejs.StartClients(t).Connect("a", north.url, nodejs.ConnectOptions{}), "den")
	if err := redis.Client().XTrimMaxLen(t.Context(), "socket.io", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if sizes := roomSizes(t, runTool(t, redis, exitOK, "rooms", "--json")); sizes["/ den"] != 1 {
		t.Errorf("the rooms are %v", sizes)
	}
}

// Node.js servers of both lines answer, and none of them counts the tool as a server afterwards.
func TestRoomsOfNodeJSServers(t *testing.T) {
	redis := realredis.Start(t)
	north := serveWith(t, nil, "--redis", redis.URL(), "--name", "north", "--pubsub", "plain")
	old := nodejs.StartServer(t, nodejs.ServerConfig{Adapter: nodejs.Adapter02, RedisURL: redis.URL()})
	newer := nodejs.StartServer(t, nodejs.ServerConfig{Adapter: nodejs.Adapter03, RedisURL: redis.URL()})
	clients := nodejs.StartClients(t)
	join(t, clients.Connect("go", north.url, nodejs.ConnectOptions{}), "den")
	for name, server := range map[string]*nodejs.Server{"old": old, "newer": newer} {
		c := clients.Connect(name, server.URL(), nodejs.ConnectOptions{})
		server.SocketJoin("/", c.ID(), "den")
	}
	waitCount := func() []int {
		for deadline := time.Now().Add(patience); ; {
			counts := []int{old.ServerCount("/"), newer.ServerCount("/")}
			if counts[0] == 2 && counts[1] == 2 || time.Now().After(deadline) { // each sees north, and neither the other
				return counts
			}
		}
	}
	before := waitCount()
	o := runTool(t, redis, exitOK, "rooms", "--pubsub", "plain", "--nodes")
	if !strings.Contains(o.stdout, "fetched the sockets of 3 nodes") || !strings.Contains(o.stdout, "3  den") {
		t.Errorf("the rooms of three servers:\n%s", o.stdout)
	}
	if sizes := roomSizes(t, runTool(t, redis, exitOK, "rooms", "--pubsub", "plain", "--json")); sizes["/ den"] != 3 {
		t.Errorf("the rooms of three servers: %v", sizes)
	}
	if after := []int{old.ServerCount("/"), newer.ServerCount("/")}; !slices.Equal(before, after) {
		t.Errorf("the Node.js servers count %v servers, and %v before the tool has asked", after, before)
	}

	// One that stands still is missing: by its id, or as one without a name.
	old.Pause()
	o = runTool(t, redis, exitPartial, "rooms", "--pubsub", "plain", "--timeout", "1s")
	o.wantSentence(t, exitPartial, "no answer from ")
	old.Resume()
	newer.Pause()
	o = runTool(t, redis, exitPartial, "rooms", "--pubsub", "plain", "--timeout", "1s")
	o.wantSentence(t, exitPartial, "1 node without a name")
	newer.Resume()
	north.stop()
}
