package main

import (
	"strings"
	"testing"
	"time"

	"github.com/roombus/roombus/cmd/roombus/internal/logview"
	"github.com/roombus/roombus/cmd/roombus/internal/way"
	"github.com/roombus/roombus/internal/testkit/nodejs"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

// emitOnce emits by hand.
func emitOnce(t *testing.T, redis *realredis.Server, args ...string) emitted {
	t.Helper()
	return objects[emitted](t, runTool(t, redis, exitOK, append([]string{"emit", "--json"}, args...)...))[0]
}

// verdicts are what became of the only message, by the nodes' names.
func verdicts(t *testing.T, o outcome) map[string]way.Stop {
	t.Helper()
	all := objects[found](t, o)
	if len(all) != 1 || len(all[0].Messages) != 1 {
		t.Fatalf("it shows %s", o.stdout)
	}
	by := make(map[string]way.Stop)
	for _, stop := range all[0].Messages[0].Stops {
		name := stop.Name
		if name == "" {
			name = string(stop.Node)
		}
		by[name] = *stop
	}
	return by
}

// waitVerdict asks until a node has a verdict.
func waitVerdict(t *testing.T, redis *realredis.Server, what, node string, want way.Verdict) way.Stop {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		o := call(t, []string{"ROOMBUS_REDIS=" + redis.URL()}, "trace", "--json", "--timeout", "2s", what)
		if o.stdout != "" {
			if stop := verdicts(t, o)[node]; stop.Verdict == want {
				return stop
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s on %s is not %s: %s%s", what, node, want, o.stdout, o.stderr)
		}
	}
}

func TestTheWayOfAMessage(t *testing.T) {
	redis := realredis.Start(t)
	north := serveWith(t, nil, "--redis", redis.URL(), "--name", "north")
	south := serveWith(t, nil, "--redis", redis.URL(), "--name", "south")
	mute := serveWith(t, nil, "--redis", redis.URL(), "--name", "mute", "--diagnostics=false")
	silent := serveWith(t, nil, "--redis", redis.URL(), "--name", "silent", "--trace-recent", "0")
	old := nodejs.StartServer(t, nodejs.ServerConfig{Adapter: nodejs.Adapter02, RedisURL: redis.URL()})
	clients := nodejs.StartClients(t)
	alice := clients.Connect("alice", north.url, nodejs.ConnectOptions{})
	bob := clients.Connect("bob", north.url, nodejs.ConnectOptions{})
	for _, c := range []*nodejs.Client{alice, bob} {
		join(t, c, "den")
	}
	did := emitOnce(t, redis, "--room", "den", "news", `"text"`)
	alice.Wait(nodejs.Named("news"))
	for _, what := range []string{string(did.Offset), did.Trace} {
		waitVerdict(t, redis, what, "south", way.Nobody)
		by := verdicts(t, runTool(t, redis, exitOK, "trace", "--json", what))
		if n := by["north"]; n.Verdict != way.Delivered || n.Sockets != 2 || n.At == nil || n.After == nil {
			t.Errorf("on north: %+v, want two sockets", n)
		}
		if n := by["silent"]; n.Verdict != way.Forgotten || !strings.Contains(n.Text, "--trace-recent") {
			t.Errorf("on the node that remembers nothing: %+v", n)
		}
		if n := by["mute"]; n.Verdict != way.Mute || !strings.Contains(n.Text, "--diagnostics") {
			t.Errorf("on the node without diagnostics: %+v", n)
		}
		if len(by) != 5 {
			t.Errorf("it tells of %d nodes, want five, one of Node.js: %+v", len(by), by)
		}
	}
	o := runTool(t, redis, exitOK, "trace", string(did.Offset))
	for _, want := range []string{
		"TIME  OFFSET  broadcast  emitter  /  to den  news  \"text\"  trace TRACE\n", "✓  north", "2 sockets", "none of its sockets was meant",
		"is a Node.js server", "2 spans, ", "process broadcast  north", "process broadcast  south", "█",
	} {
		if !strings.Contains(normalized(o.stdout), want) {
			t.Errorf("%q is not in\n%s", want, o.stdout)
		}
	}

	// A client's event that is answered with acks: a tree over two nodes, found by the trace that tail shows.
	offset(t, alice, "den", "hello")
	line := runTool(t, redis, exitOK, "tail", "--since", "begin", "--no-follow", "--event", "message").stdout
	id := strings.TrimSpace(line[strings.LastIndex(line, " ")+1:])
	waitVerdict(t, redis, id, "south", way.Nobody)
	all := objects[found](t, runTool(t, redis, exitOK, "trace", "--json", id))[0]
	names := ""
	for _, s := range all.Spans {
		names += strings.Repeat(">", s.Depth) + s.Name + " on " + s.NodeName + "\n"
	}
	if !strings.Contains(names, "send broadcast on north\n") || !strings.Contains(names, ">process broadcast on south\n") {
		t.Errorf("the spans are\n%s", names)
	}

	// What a Node.js server has sent bears no trace; each node begins one.
	old.Emit(nodejs.Target{Rooms: []string{"den"}}, "old")
	alice.Wait(nodejs.Named("old"))
	foreign := objects[logview.Record](t, runTool(t, redis, exitOK, "tail", "--since", "begin", "--no-follow", "--json", "--event", "old"))
	if n := waitVerdict(t, redis, string(foreign[0].Offset), "north", way.Delivered); n.Sockets != 2 {
		t.Errorf("what a Node.js server has sent went to %+v, want two sockets", n)
	}

	// A node that stands still has not answered; when it goes on it says what became of it.
	if err := south.Pause(); err != nil {
		t.Fatal(err)
	}
	emitOnce(t, redis, "--room", "den", "on its way already") // the answer to what it has asked Redis for
	did = emitOnce(t, redis, "--room", "den", "more")
	o = runTool(t, redis, exitPartial, "trace", "--json", "--timeout", "1s", string(did.Offset))
	o.wantSentence(t, exitPartial, "no answer from south")
	if n := verdicts(t, o)["south"]; n.Verdict != way.Missing {
		t.Errorf("on south: %+v, want missing", n)
	}
	// And when the log was trimmed meanwhile it says that it has lost it, although it is in no log any more.
	for range 600 {
		addRaw(t, redis, "uid", "00000000000000aa", "nsp", "/none", "type", "13")
	}
	redis.Client().XTrimMaxLen(t.Context(), "socket.io", 0)
	addRaw(t, redis, "uid", "00000000000000aa", "nsp", "/none", "type", "13")
	if err := south.Resume(); err != nil {
		t.Fatal(err)
	}
	lost := waitVerdict(t, redis, string(did.Offset), "south", way.Lost)
	if !strings.Contains(lost.Text, "trimmed") {
		t.Errorf("on south: %+v, want that it was trimmed", lost)
	}
	o = runTool(t, redis, exitOK, "trace", string(did.Offset))
	for _, want := range []string{"not in the log any more", "✗  south", "lost to this node", "✓  north", "older entries were trimmed"} {
		if !strings.Contains(o.stdout, want) {
			t.Errorf("%q is not in\n%s", want, o.stdout)
		}
	}
	for _, p := range []*process{north, south, mute, silent} {
		p.stop()
	}
}

// Where no node remembers messages it says what to do about it.
func TestNobodyRemembersTheWay(t *testing.T) {
	redis := realredis.Start(t)
	north := serveWith(t, nil, "--redis", redis.URL(), "--name", "north", "--trace-recent", "0")
	did := emitOnce(t, redis, "news")
	o := runTool(t, redis, exitOK, "trace", string(did.Offset))
	for _, want := range []string{"broadcast", "?  north  remembers no messages", "note: no node remembers messages: start serve with --trace-recent"} {
		if !strings.Contains(o.stdout, want) {
			t.Errorf("%q is not in\n%s", want, o.stdout)
		}
	}
	north.stop()
}

// From the log alone: it says what the log holds, and why nobody knows more.
func TestTheWayFromTheLogAlone(t *testing.T) {
	redis := realredis.Start(t)
	did := emitOnce(t, redis, "--room", "den", "news")
	for _, args := range [][]string{{"--silent"}, nil} {
		o := runTool(t, redis, exitOK, append([]string{"trace", string(did.Offset)}, args...)...)
		if !strings.Contains(normalized(o.stdout), "OFFSET  broadcast  emitter  /  to den  news  trace TRACE\n") || !strings.Contains(o.stdout, "note: no node ") {
			t.Errorf("trace %q:\n%s", args, o.stdout)
		}
	}
	bad := addRaw(t, redis, "uid", foreign, "nsp", "/", "type", "3")
	if o := runTool(t, redis, exitOK, "trace", bad); !strings.Contains(o.stdout, "BAD ENTRY") {
		t.Errorf("an entry that nobody can read:\n%s", o.stdout)
	}
	for what, words := range map[string][]string{
		"1-5":                    {"no message at 1-5", "holds " + string(did.Offset)},
		"99999999999999-0":       {"no message at", "ends at 1"},
		strings.Repeat("ab", 16): {"is of no message in the log"},
	} {
		runTool(t, redis, exitFailed, "trace", what).wantSentence(t, exitFailed, words...)
	}
	redis.Client().XTrimMaxLen(t.Context(), "socket.io", 1)
	runTool(t, redis, exitFailed, "trace", string(did.Offset)).
		wantSentence(t, exitFailed, "begins at 1", "older entries were trimmed")
	runTool(t, redis, exitFailed, "trace", "--stream", "typo", "1-0")
}
