package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/roombus/roombus/cmd/roombus/internal/logview"
	"github.com/roombus/roombus/internal/testkit/nodejs"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

// What is emitted by hand reaches the clients of Go nodes and of both lines of Node.js.
func TestEmitReachesAllServers(t *testing.T) {
	redis := realredis.Start(t)
	north := serveWith(t, nil, "--redis", redis.URL(), "--name", "north")
	old := nodejs.StartServer(t, nodejs.ServerConfig{Adapter: nodejs.Adapter02, RedisURL: redis.URL()})
	newer := nodejs.StartServer(t, nodejs.ServerConfig{Adapter: nodejs.Adapter03, RedisURL: redis.URL()})
	for deadline := time.Now().Add(patience); old.ServerCount("/") != 2; { // until it has heard north
		if time.Now().After(deadline) {
			t.Fatal("the server of 0.2 has not heard of north")
		}
	}
	clients := nodejs.StartClients(t)
	all := map[string]*nodejs.Client{}
	for name, url := range map[string]string{"go": north.url, "old": old.URL(), "newer": newer.URL()} {
		all[name] = clients.Connect(name, url, nodejs.ConnectOptions{})
	}
	ids := make([]string, 0, len(all))
	for _, c := range all {
		ids = append(ids, "--room", c.ID())
	}
	runTool(t, redis, exitOK, append([]string{"emit", "--join", "den"}, ids...)...)

	file := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(file, []byte{0, 1, 255}, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "emit", "--json", "--room", "den", "news", `{"a":[1,"ü"]}`, "@"+file, "-", "-5")
	cmd.Env = append(cmd.Environ(), "ROOMBUS_REDIS="+redis.URL())
	cmd.Stdin = strings.NewReader(" [true, null]\n")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	did := objects[emitted](t, outcome{stdout: string(out)})[0]
	if !logview.IsOffset(string(did.Offset)) || !logview.IsTraceID(did.Trace) || did.Kind != "broadcast" || did.Stream != "socket.io" {
		t.Errorf("it says %+v", did)
	}
	for name, c := range all {
		// With recovery the offset comes behind the arguments, on Go's side.
		if got := c.Wait(nodejs.Named("news")).Args.String(); !strings.HasPrefix(got, `[{"a":[1,"ü"]},{"$bin":"AAH/"},[true,null],-5`) {
			t.Errorf("the client of %s has received %s", name, got)
		}
	}

	// Who is excepted, or has left, gets nothing.
	runTool(t, redis, exitOK, "emit", "--room", "den", "--except", all["go"].ID(), "--volatile", "rumor")
	runTool(t, redis, exitOK, "emit", "--leave", "den", "--room", all["old"].ID())
	runTool(t, redis, exitOK, "emit", "--room", "den", "late")
	runTool(t, redis, exitOK, "emit", "end")
	for name, want := range map[string]string{"go": "news late end", "old": "news rumor end", "newer": "news rumor late end"} {
		all[name].Wait(nodejs.Named("end"))
		var got []string
		for _, e := range all[name].Events(nodejs.OfKind(nodejs.Received)) {
			got = append(got, e.Name)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("the client of %s has received %q, want %s", name, got, want)
		}
	}
	runTool(t, redis, exitOK, "emit", "--disconnect", "connection", "--room", all["newer"].ID())
	all["newer"].Wait(nodejs.OfKind(nodejs.Disconnect))
	if n := old.ServerCount("/"); n != 2 {
		t.Errorf("the old server counts %d servers, want itself and north: emit is none", n)
	}
	north.stop()
}

// It goes on with the trace that it is given, and takes nothing out of a log that is longer than the default.
func TestEmitContinuesATraceAndTrimsNothing(t *testing.T) {
	redis := realredis.Start(t)
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	first := addRaw(t, redis, "uid", foreign, "nsp", "/", "type", "13")
	for range 120 {
		pipe := redis.Client().Pipeline()
		for range 100 {
			pipe.Do(t.Context(), "xadd", "socket.io", "*", "uid", foreign, "nsp", "/", "type", "13")
		}
		if _, err := pipe.Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	o := runTool(t, redis, exitOK, "emit", "--traceparent", "00-"+trace+"-00f067aa0ba902b7-01", "news")
	if !strings.Contains(o.stdout, "trace  "+trace) {
		t.Errorf("it says\n%s", o.stdout)
	}
	if o := runTool(t, redis, exitOK, "tail", "--since", "begin", "--no-follow", "--trace", trace[:8]); !strings.Contains(o.stdout, "news") {
		t.Errorf("the trace is not in the log:\n%s", o.stdout)
	}
	if got := redis.Client().XRangeN(t.Context(), "socket.io", "-", "+", 1).Val(); len(got) != 1 || got[0].ID != first {
		t.Errorf("the log begins with %v, want %s: it was trimmed", got, first)
	}
	o = runTool(t, redis, exitOK, "emit", "--stream", "typo", "news")
	if !strings.Contains(o.stderr, "no stream typo yet") {
		t.Errorf("it says nothing of a stream that nobody reads: %q", o.stderr)
	}
}

func TestEmitSaysWhatIsKnownWhenItFails(t *testing.T) {
	redis := realredis.Start(t, realredis.WithUser("reader", "on", ">geheim", "~*", "&*", "+@read", "+@connection", "+info", "+time"))
	addRaw(t, redis, "uid", foreign, "nsp", "/", "type", "13")
	o := call(t, []string{"ROOMBUS_REDIS=" + redis.URLFor("reader", "geheim")}, "emit", "news")
	o.wantSentence(t, exitFailed, "emit: publish in /", "not published", "permissions")
	if strings.Contains(o.stderr, "geheim") {
		t.Errorf("the password is shown: %s", o.stderr)
	}
	redis.Pause()
	defer redis.Resume()
	o = call(t, []string{"ROOMBUS_REDIS=" + redis.URL()}, "emit", "--timeout", "1s", "news")
	o.wantSentence(t, exitFailed, "emit: ", "Redis")
}
