package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/roombus/roombus/cmd/roombus/internal/logview"
	"github.com/roombus/roombus/internal/testkit/child"
	"github.com/roombus/roombus/internal/testkit/need"
	"github.com/roombus/roombus/internal/testkit/nodejs"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

type replacement struct {
	pattern *regexp.Regexp
	with    string
}

// normal replaces what is different in every run.
var normal = []replacement{
	{regexp.MustCompile(`\d\d:\d\d:\d\d\.\d{3}`), "TIME"},
	{regexp.MustCompile(`\b1\d{12}-\d+\b`), "OFFSET"},
	{regexp.MustCompile(`\b[0-9a-f]{32}\b`), "TRACE"},
	{regexp.MustCompile(`\b[0-9a-f]{16}\b`), "ID"},
	{regexp.MustCompile(`version (\S+)`), "version V"},
}

func normalized(s string) string {
	for _, n := range normal {
		s = n.pattern.ReplaceAllString(s, n.with)
	}
	return s
}

// addRaw puts an entry into the log as it is.
func addRaw(t *testing.T, server *realredis.Server, fields ...string) string {
	t.Helper()
	id, err := server.Client().XAdd(t.Context(), &redis.XAddArgs{Stream: "socket.io", Values: fields}).Result()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

const foreign = "00000000000000aa"

// fill puts one of everything into the log, as Go nodes, Node.js servers and emitters write it.
func fill(t *testing.T, server *realredis.Server) (first string) {
	t.Helper()
	first = addRaw(t, server, "uid", foreign, "nsp", "/", "type", "2")
	addRaw(t, server, "uid", "emitter", "nsp", "/chat", "type", "3",
		"data", `{"packet":{"type":2,"data":["news",{"a":1},"two"],"nsp":"/chat"},"opts":{"rooms":["a","b c"],"flags":{"volatile":true},"except":["d"]}}`)
	addRaw(t, server, "uid", foreign, "nsp", "/", "type", "4", "data", `{"opts":{"rooms":["a"],"except":[],"flags":{}},"rooms":["x","y"]}`)
	addRaw(t, server, "uid", foreign, "nsp", "/", "type", "6", "data", `{"opts":{"rooms":[],"except":[],"flags":{}},"close":true}`)
	addRaw(t, server, "uid", foreign, "nsp", "/", "type", "7", "data", `{"opts":{"rooms":[],"except":[],"flags":{}},"requestId":"00000000000000bb"}`)
	addRaw(t, server, "uid", foreign, "nsp", "/", "type", "11", "data", `{"requestId":"00000000000000bb","clientCount":3}`)
	addRaw(t, server, "uid", foreign, "nsp", "/", "type", "3") // no node can read it
	addRaw(t, server, "uid", foreign, "nsp", "/", "type", "3",
		"data", `{"packet":{"type":2,"data":["\u001b[2J","\u009b31m\u202e"]},"opts":{"rooms":["\u001b]0;x\u0007"],"except":[],"flags":{}}}`)
	addRaw(t, server, "uid", "\x1b[31m", "nsp", "/\x1b[1m", "type", "13")
	return first
}

func TestTailShowsEverythingDecoded(t *testing.T) {
	server := realredis.Start(t)
	first := fill(t, server)
	o := runTool(t, server, exitOK, "tail", "--since", "begin", "--no-follow", "--all")
	want := `TIME  OFFSET  heartbeat  ID  /
TIME  OFFSET  broadcast  emitter  /chat  to a,"b c" except d  volatile  news  {"a":1} "two"
TIME  OFFSET  join       ID  /  to a  join x,y
TIME  OFFSET  disconnect  ID  /  to all  disconnect, and close the connections
TIME  OFFSET  fetch-sockets  ID  /  to all  request ID
TIME  OFFSET  ack-client-count  ID  /  delivered to 3 sockets  request ID
TIME  OFFSET  BAD ENTRY: nodes skip it: field data: missing
TIME  OFFSET  broadcast  ID  /  to "\x1b]0;x\a"  "\x1b[2J"  "\u009b31m\u202e"
TIME  OFFSET  goodbye    "\x1b[31m"  "/\x1b[1m"
`
	if got := normalized(o.stdout); got != want {
		t.Errorf("it shows\n%s\nwant\n%s", got, want)
	}
	if o.stderr != "" {
		t.Errorf("stderr: %s", o.stderr)
	}
	for name, test := range map[string]struct {
		flags []string
		kinds []string
	}{
		"all but heartbeats":  {nil, []string{"broadcast", "join", "disconnect", "fetch-sockets", "ack-client-count", "bad", "broadcast", "goodbye"}},
		"namespace":           {[]string{"--namespace", "/chat"}, []string{"broadcast", "bad"}},
		"room":                {[]string{"--room", "a"}, []string{"broadcast", "join", "bad"}},
		"room that is joined": {[]string{"--room", "y", "--room", "d"}, []string{"join", "bad"}},
		"kinds":               {[]string{"--kind", "heartbeat", "--kind", "join"}, []string{"heartbeat", "join", "bad"}},
		"node":                {[]string{"--node", "emitter"}, []string{"broadcast", "bad"}},
		"event":               {[]string{"--event", "news"}, []string{"broadcast", "bad"}},
		"two filters":         {[]string{"--event", "news", "--namespace", "/"}, []string{"bad"}},
		"limit":               {[]string{"--limit", "2"}, []string{"broadcast", "join"}},
		"since an offset":     {[]string{"--since", first, "--kind", "heartbeat"}, []string{"heartbeat", "bad"}},
		"since a duration":    {[]string{"--since", "10m", "--kind", "join"}, []string{"join", "bad"}},
	} {
		t.Run(name, func(t *testing.T) {
			args := []string{"tail", "--json", "--no-follow"}
			if !slices.Contains(test.flags, "--since") {
				args = append(args, "--since", "begin")
			}
			var kinds []string
			for _, r := range objects[logview.Record](t, runTool(t, server, exitOK, append(args, test.flags...)...)) {
				if r.Type != "entry" {
					r.Kind = r.Type
				}
				kinds = append(kinds, r.Kind)
			}
			if !slices.Equal(kinds, test.kinds) {
				t.Errorf("it shows %v, want %v", kinds, test.kinds)
			}
		})
	}
	t.Run("payload none", func(t *testing.T) {
		o := runTool(t, server, exitOK, "tail", "--since", "begin", "--no-follow", "--event", "news", "--payload", "none")
		if strings.Contains(o.stdout, "two") || !strings.Contains(o.stdout, "news") {
			t.Errorf("it shows:\n%s", o.stdout)
		}
	})
	t.Run("color", func(t *testing.T) {
		args := []string{"tail", "--since", "begin", "--no-follow"}
		if o := runTool(t, server, exitOK, append(args, "--color", "always")...); !strings.Contains(o.stdout, "\x1b[32mbroadcast\x1b[0m") {
			t.Errorf("nothing is painted: %q", o.stdout)
		}
		for color, env := range map[string][]string{"auto": nil, "never": nil} {
			o := call(t, append(env, "ROOMBUS_REDIS="+server.URL()), append(args, "--color", color)...)
			if strings.ContainsRune(o.stdout, '\x1b') {
				t.Errorf("--color %s without a terminal: an escape sequence is written: %q", color, o.stdout)
			}
		}
	})
	if keys := server.Client().Keys(t.Context(), "*").Val(); !slices.Equal(keys, []string{"socket.io"}) {
		t.Errorf("it has left %q in Redis", keys)
	}
}

// On a terminal there are colours, unless NO_COLOR is set.
func TestColorsOnATerminal(t *testing.T) {
	if _, err := exec.LookPath("script"); err != nil {
		need.Missing(t, "script is not there, which gives a program a terminal; install it (Debian: bsdutils)")
	}
	server := realredis.Start(t)
	fill(t, server)
	for env, want := range map[string]bool{"NO_COLOR=": true, "NO_COLOR=1": false} {
		cmd := exec.CommandContext(t.Context(), "script", "-qec", program+" tail --since begin --no-follow", "/dev/null")
		cmd.Env = append(cmd.Environ(), "TERM=xterm", env, "ROOMBUS_REDIS="+server.URL())
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("script: %v: %s", err, out)
		}
		if got := bytes.Contains(out, []byte("\x1b[32mbroadcast")); got != want {
			t.Errorf("with %s it is painted: %v, want %v:\n%q", env, got, want, out)
		}
	}
}

// following is a running `roombus tail`.
type following struct {
	*child.Process

	t     *testing.T
	lines chan string
}

func follow(t *testing.T, redis *realredis.Server, flags ...string) *following {
	t.Helper()
	f := &following{t: t, lines: make(chan string, 10_000)}
	var err error
	f.Process, err = child.Start(t, child.Config{
		Name: "roombus tail", Path: program, Args: append([]string{"tail"}, flags...),
		Env: []string{"ROOMBUS_REDIS=" + redis.URL()}, KeepLines: true,
		OnLine: func(line []byte) { f.lines <- string(line) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// line waits for a line with a text.
func (f *following) line(with string) string {
	f.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case line := <-f.lines:
			if strings.Contains(line, with) {
				return line
			}
		case <-f.Exited():
			f.t.Fatalf("roombus tail ended (%v) before it has shown %q:\n%s", f.Err(), with, f.Log())
		case <-deadline:
			f.t.Fatalf("roombus tail has not shown %q:\n%s", with, f.Log())
		}
	}
}

// interrupt presses Ctrl-C.
func (f *following) interrupt() {
	f.t.Helper()
	if err := f.Signal(syscall.SIGINT); err != nil {
		f.t.Fatal(err)
	}
	select {
	case <-f.Exited():
	case <-time.After(patience):
		f.t.Fatalf("roombus tail did not end when it was told to")
	}
	if err := f.Err(); err != nil {
		f.t.Errorf("roombus tail ended with %v, want exit code 0:\n%s", err, f.Log())
	}
}

// waitFollows makes sure that a tail from now on has begun: an entry that is added now and then is seen.
func (f *following) waitFollows(server *realredis.Server) {
	f.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		addRaw(f.t, server, "uid", "emitter", "nsp", "/", "type", "3",
			"data", `{"packet":{"type":2,"data":["begun"]},"opts":{"rooms":[],"except":[],"flags":{}}}`)
		select {
		case line := <-f.lines:
			if strings.Contains(line, "begun") {
				return
			}
		case <-time.After(50 * time.Millisecond):
		}
	}
	f.t.Fatalf("roombus tail shows nothing:\n%s", f.Log())
}

// What a mixed cluster says is shown as it happens: by Go nodes with their names, and by both lines of Node.js.
func TestTailFollowsAMixedCluster(t *testing.T) {
	redis := realredis.Start(t)
	north := serveWith(t, nil, "--redis", redis.URL(), "--name", "north")
	old := nodejs.StartServer(t, nodejs.ServerConfig{Adapter: nodejs.Adapter02, RedisURL: redis.URL()})
	newer := nodejs.StartServer(t, nodejs.ServerConfig{Adapter: nodejs.Adapter03, RedisURL: redis.URL()})
	shows := follow(t, redis)
	shows.waitFollows(redis)
	alice := nodejs.StartClients(t).Connect("alice", north.url, nodejs.ConnectOptions{})
	join(t, alice, "den")
	offset(t, alice, "den", "hello")
	line := shows.line("message")
	for _, want := range []string{"broadcast", "north", "to den", `"body":"hello"`, "trace "} {
		if !strings.Contains(line, want) {
			t.Errorf("%q is not in: %s", want, line)
		}
	}
	old.Emit(nodejs.Target{Rooms: []string{"den"}}, "old", nodejs.Binary{1, 2, 3}, "text")
	if line := shows.line("old"); !strings.Contains(line, "to den") || !strings.Contains(line, "+ 1 binary, 3 B") {
		t.Errorf("what 0.2 has emitted is shown as: %s", line)
	}
	newer.SocketsJoin(nodejs.Target{Rooms: []string{"den"}}, "attic")
	if line := shows.line("join"); !strings.Contains(line, "join attic") {
		t.Errorf("what 0.3 has done is shown as: %s", line)
	}

	// A gap, a reset and an entry that cannot be read, in their places.
	addRaw(t, redis, "uid", foreign, "nsp", "/", "type", "99")
	shows.line("BAD ENTRY")
	if err := shows.Pause(); err != nil {
		t.Fatal(err)
	}
	for range 2000 {
		addRaw(t, redis, "uid", foreign, "nsp", "/", "type", "2")
	}
	redis.Client().XTrimMaxLen(t.Context(), "socket.io", 10)
	if err := shows.Resume(); err != nil {
		t.Fatal(err)
	}
	shows.line("GAP: ")
	redis.Client().Del(t.Context(), "socket.io")
	addRaw(t, redis, "uid", foreign, "nsp", "/", "type", "13")
	shows.line("RESET: ")
	shows.interrupt()
	north.stop()
}

// Ctrl-C ends it also when nobody takes its output, and when Redis stands still.
func TestTailEndsWhenItIsTold(t *testing.T) {
	server := realredis.Start(t)
	shows := follow(t, server)
	shows.waitFollows(server)
	server.Restart()
	shows.line("CANNOT READ")
	shows.line("READS AGAIN")
	shows.waitFollows(server)
	server.Pause()
	shows.interrupt()
	server.Resume()

	cmd := exec.CommandContext(t.Context(), program, "tail", "--since", "begin", "--payload", "full")
	cmd.Env = append(cmd.Environ(), "ROOMBUS_REDIS="+server.URL())
	pipe, err := cmd.StdoutPipe() // that nobody reads
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		addRaw(t, server, "uid", "emitter", "nsp", "/", "type", "3", "data",
			`{"packet":{"type":2,"data":["large","`+strings.Repeat("x", 100_000)+`"]},"opts":{"rooms":[],"except":[],"flags":{}}}`)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(pipe, make([]byte, 1<<20)); err != nil { // it writes, and will be stuck
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		// Whether it was stuck already, and says so, depends on when the signal came.
		if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || exit.ExitCode() != exitFailed) {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(patience):
		t.Error("it did not end although it was told to")
	}
}

// Who reads the first lines only, as head does, gets no complaint.
func TestAPipeThatIsClosedEndsItQuietly(t *testing.T) {
	server := realredis.Start(t)
	for range 20_000 / 100 {
		pipe := server.Client().Pipeline()
		for range 100 {
			pipe.XAdd(t.Context(), &redis.XAddArgs{Stream: "socket.io", Values: []string{"uid", foreign, "nsp", "/", "type", "13"}})
		}
		if _, err := pipe.Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-c", `set -o pipefail; "$0" tail --since begin | head -n 2`, program)
	cmd.Env = append(cmd.Environ(), "ROOMBUS_REDIS="+server.URL())
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil || stderr.Len() > 0 || strings.Count(stdout.String(), "\n") != 2 {
		t.Errorf("it ended with %v, and has written %q and %q", err, stdout.String(), stderr.String())
	}
}

// Several streams are shown as one, in the order of time.
func TestTailOfSeveralStreams(t *testing.T) {
	redis := realredis.Start(t)
	north := serveWith(t, nil, "--redis", redis.URL(), "--name", "north", "--stream-count", "4")
	var want []string
	for _, namespace := range []string{"/", "/admin", "/users", "/a", "/notifications", "/chat", "/admin", "/"} {
		o := runTool(t, redis, exitOK, "emit", "--stream-count", "4", "--namespace", namespace, "--json", "hello")
		want = append(want, string(objects[emitted](t, o)[0].Offset)+" "+namespace)
	}
	var got, streams []string
	for _, r := range objects[logview.Record](t, runTool(t, redis, exitOK, "tail", "--stream-count", "4", "--since", "begin", "--no-follow", "--json", "--event", "hello")) {
		got = append(got, string(r.Offset)+" "+r.Namespace)
		streams = append(streams, r.Stream)
	}
	if !slices.Equal(got, want) {
		t.Errorf("it shows\n%q, want\n%q", got, want)
	}
	if !slices.Contains(streams, "socket.io--3") || !slices.Contains(streams, "socket.io-0") {
		t.Errorf("the streams are %q", streams)
	}
	north.stop()
}

// The JSON of the tools is plain ASCII where it has to be, whatever is in the log.
func TestJSONHasNoControlCharacters(t *testing.T) {
	server := realredis.Start(t)
	fill(t, server)
	o := runTool(t, server, exitOK, "tail", "--since", "begin", "--no-follow", "--json", "--all")
	for line := range strings.Lines(o.stdout) {
		if strings.ContainsAny(line, "\x1b\u009b\u202e\x07") || !json.Valid([]byte(line)) {
			t.Errorf("%q", line)
		}
	}
}
