package main

import (
	"errors"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/roombus/roombus/internal/testkit/nodejs"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

func TestRedisThatCannotServe(t *testing.T) {
	server := realredis.Start(t, realredis.WithPassword("geheim-default"),
		realredis.WithUser("weak", "on", ">geheim-weak", "~*", "&*", "+ping", "+@connection"),
		realredis.WithUser("blind", "on", ">geheim-blind", "~other", "&*", "+@all"))
	gone := realredis.Start(t)
	gone.Stop()
	for name, test := range map[string]struct {
		url   string
		code  int
		words []string
	}{
		"nobody there":          {gone.URL(), exitFailed, []string{"Redis", "reach", gone.Addr()}},
		"nobody there, secret":  {"redis://me:geheim@" + gone.Addr(), exitFailed, []string{"Redis", "reach"}},
		"no such host":          {"redis://:geheim@nowhere.invalid:6379", exitFailed, []string{"Redis"}},
		"wrong password":        {server.URLFor("", "geheim-wrong"), exitFailed, []string{"password"}},
		"no password":           {"redis://" + server.Addr(), exitFailed, []string{"password"}},
		"wrong user":            {server.URLFor("nobody", "geheim-default"), exitFailed, []string{"user"}},
		"no rights":             {server.URLFor("weak", "geheim-weak"), exitFailed, []string{"rights", "XADD"}},
		"no rights for the key": {server.URLFor("blind", "geheim-blind"), exitFailed, []string{"rights", "socket.io"}},
		"no URL":                {"localhost:6379", exitUsage, []string{"--redis", "redis://"}},
		"unknown scheme":        {"http://me:geheim@localhost", exitUsage, []string{"--redis", "scheme"}},
		"no port":               {"redis://me:gehe/im@localhost:many", exitUsage, []string{"--redis"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, level := range []string{"info", "debug"} {
				o := call(t, []string{"ROOMBUS_REDIS=" + test.url}, "serve", "--addr", "127.0.0.1:0", "--log-level", level)
				if level == "info" {
					o.wantSentence(t, test.code, test.words...)
				}
				if strings.Contains(o.stderr+o.stdout, "gehe") {
					t.Errorf("the password is shown with --log-level %s:\n%s", level, o.stderr)
				}
			}
		})
	}
}

func TestAKeyThatIsNoStream(t *testing.T) {
	server := realredis.Start(t)
	if err := server.Client().Set(t.Context(), "mine", "text", 0).Err(); err != nil {
		t.Fatal(err)
	}
	o := call(t, nil, "serve", "--addr", "127.0.0.1:0", "--redis", server.URL(), "--stream", "mine")
	o.wantSentence(t, exitFailed, "mine", "no stream")
}

func TestReadinessFollowsTheLog(t *testing.T) {
	server := realredis.Start(t)
	p := serveWith(t, nil, "--redis", server.URL())
	waitReady(t, p, http.StatusOK, "ready")
	server.Pause()
	waitReady(t, p, http.StatusServiceUnavailable, "has not been able to read its log")
	if status, _ := p.get("/healthz"); status != http.StatusOK {
		t.Errorf("GET /healthz while Redis is away: %d, want 200", status)
	}
	server.Resume()
	waitReady(t, p, http.StatusOK, "ready")
	p.stop()
}

// It is an issue's own case: the bad entry is skipped and named, and the next message arrives.
func TestABadEntryIsNamedAndTheNextMessageArrives(t *testing.T) {
	server := realredis.Start(t)
	p := serveWith(t, nil, "--redis", server.URL())
	client := nodejs.StartClients(t).Connect("client", p.url, nodejs.ConnectOptions{})
	join(t, client, "den")
	id, err := server.Client().XAdd(t.Context(), &redis.XAddArgs{
		Stream: "socket.io", Values: []string{"nsp", "/", "type", "3"},
	}).Result()
	if err != nil {
		t.Fatal(err)
	}
	if got := p.line("entry")["entry"]; got != id {
		t.Errorf("the entry %v was named, want %s", got, id)
	}
	offset(t, client, "den", "after it")
	client.Wait(nodejs.Named("message"))
	p.stop()
}

func TestRedisIsStoppedAndStartedBetweenTwoMessages(t *testing.T) {
	server := realredis.Start(t, realredis.WithFsyncAlways())
	a, b := serveWith(t, nil, "--redis", server.URL()), serveWith(t, nil, "--redis", server.URL())
	clients := nodejs.StartClients(t)
	alice := clients.Connect("alice", a.url, nodejs.ConnectOptions{})
	bob := clients.Connect("bob", b.url, nodejs.ConnectOptions{})
	join(t, bob, "den")
	before := offset(t, alice, "den", "before")
	server.Restart()
	after := offset(t, alice, "den", "after")
	if before == after {
		t.Errorf("both messages are at %s", before)
	}
	for _, want := range []string{"before", "after"} {
		if got := received(t, bob); got.Body != want {
			t.Errorf("bob received %q, want %q", got.Body, want)
		}
	}
	if more := bob.Events(nodejs.Named("message")); len(more) != 2 {
		t.Errorf("bob received %d messages, want 2", len(more))
	}
	a.stop()
	b.stop()
}

func TestWhileRedisIsAwayNothingIsSilent(t *testing.T) {
	server := realredis.Start(t)
	p := serveWith(t, nil, "--redis", server.URL())
	client := nodejs.StartClients(t).Connect("client", p.url, nodejs.ConnectOptions{})
	join(t, client, "den")
	server.Pause()
	var reply struct{ Offset, Error string }
	ask(t, client, &reply, "message", map[string]any{"room": "den", "body": "into nowhere"})
	if reply.Offset != "" || !strings.Contains(reply.Error, "published") {
		t.Errorf("the message was answered with %+v, want an error that says what is known", reply)
	}

	// It stops nevertheless, and says that the others could not be told.
	if err := p.Terminate(patience); err != nil {
		t.Fatal(err)
	}
	exit, ok := errors.AsType[*exec.ExitError](p.Err())
	if !ok || exit.ExitCode() != exitFailed || !strings.Contains(p.Log(), "leave the cluster: ") {
		t.Errorf("it ended with %v, want exit code %d and a sentence; it has written:\n%s", p.Err(), exitFailed, p.Log())
	}
	server.Resume()
}
