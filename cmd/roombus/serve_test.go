package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/roombus/roombus/internal/testkit/nodejs"
)

func TestServeAnswersAndStops(t *testing.T) {
	p := serveWith(t, nil, "--name", "north")
	if p.name != "north" {
		t.Errorf("the node's name is %q, want north", p.name)
	}
	for path, want := range map[string]string{
		"/":                                   `content="/socket.io/"`,
		"/assets/app.js":                      "socket",
		"/assets/style.css":                   "prefers-color-scheme",
		"/assets/socket.io.min.js":            "Socket.IO v4.8.4",
		"/healthz":                            "alive",
		"/socket.io/?EIO=4&transport=polling": `"sid"`,
		"/socket.io?EIO=4&transport=polling":  `"sid"`,
	} {
		if status, body := p.get(path); status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("GET %s: %d, %q not in %.200q", path, status, want, body)
		}
	}
	if status, _ := p.get("/nowhere"); status != http.StatusNotFound {
		t.Errorf("GET /nowhere: %d, want 404", status)
	}
	waitReady(t, p, http.StatusOK, "ready")
	p.stop()
}

// waitReady asks for readiness until the answer is as wanted.
func waitReady(t *testing.T, p *process, want int, words string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		status, body := p.get("/readyz")
		if status == want && strings.Contains(body, words) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("GET /readyz: %d %s, want %d %s", status, body, want, words)
		}
	}
}

func TestServeOnAnotherPathWithOtherOrigins(t *testing.T) {
	p := serveWith(t, []string{"ROOMBUS_CORS_ORIGIN=https://example.com"}, "--path", "/live")
	if _, body := p.get("/"); !strings.Contains(body, `content="/live/"`) {
		t.Errorf("the page does not know the path /live/: %.600s", body)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+"/live/?EIO=4&transport=polling", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Origin", "https://example.com")
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if got := response.Header.Get("Access-Control-Allow-Origin"); got != "https://example.com" {
		t.Errorf("Access-Control-Allow-Origin is %q, want https://example.com", got)
	}
	p.stop()
}

func TestAPortInUse(t *testing.T) {
	p := serveWith(t, nil)
	addr := strings.TrimPrefix(p.url, "http://")
	call(t, nil, "serve", "--addr", addr).wantSentence(t, exitFailed, addr, "another process has this port", "--addr")
	call(t, nil, "serve", "--addr", "nowhere").wantSentence(t, exitUsage, "--addr", "nowhere")
}

func TestClientsThatAreConnectedDoNotDelayTheStop(t *testing.T) {
	p := serveWith(t, nil)
	clients := nodejs.StartClients(t)
	for i, transports := range [][]string{{"websocket"}, {"polling"}} {
		clients.Connect(fmt.Sprint("client", i), p.url, nodejs.ConnectOptions{Transports: transports, NoReconnection: true})
	}
	// One that has connected and asked for nothing, as browsers do in advance.
	silent, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	begun := time.Now()
	p.stop()
	if took := time.Since(begun); took > 4*time.Second {
		t.Errorf("the stop took %s", took)
	}
	for i := range 2 {
		e := clients.Wait(nodejs.OfKind(nodejs.Disconnect), nodejs.FromClient(fmt.Sprint("client", i)))
		if e.Reason != "transport close" && e.Reason != "transport error" {
			t.Errorf("the client was told %q, want that its connection was closed", e.Reason)
		}
	}
}

func TestASecondSignalEndsItAtOnce(t *testing.T) {
	p := serveWith(t, nil)
	clients := nodejs.StartClients(t)
	clients.Connect("still", p.url, nodejs.ConnectOptions{Transports: []string{"websocket"}})
	clients.Pause() // it does not answer the goodbye, so the stop takes a moment
	defer clients.Resume()
	if err := p.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	p.line("at_most")                             // it is stopping
	again := time.NewTicker(5 * time.Millisecond) // a signal that comes too early is still part of the first
	defer again.Stop()
	deadline := time.After(patience)
	for {
		select {
		case <-p.Exited():
			exit, ok := errors.AsType[*exec.ExitError](p.Err())
			if !ok || !exit.Sys().(syscall.WaitStatus).Signaled() {
				t.Fatalf("it ended with %v, want by the second signal", p.Err())
			}
			return
		case <-again.C:
			_ = p.Signal(syscall.SIGINT) // it may have ended meanwhile
		case <-deadline:
			t.Fatal("it still runs after the second signal")
		}
	}
}

// offset asks to send a message and returns its place in the log.
func offset(t *testing.T, c *nodejs.Client, room string, body any) string {
	t.Helper()
	var reply struct{ Offset, Error string }
	ask(t, c, &reply, "message", map[string]any{"room": room, "body": body})
	if reply.Error != "" || reply.Offset == "" {
		t.Fatalf("%s: the message was answered with %+v, want an offset", c.Name(), reply)
	}
	return reply.Offset
}

// ask sends an event and decodes the answer.
func ask(t *testing.T, c *nodejs.Client, into any, event string, args ...any) {
	t.Helper()
	reply, err := c.EmitWithAck(patience, event, args...)
	if err != nil {
		t.Fatalf("%s: %s: %v", c.Name(), event, err)
	}
	if err := reply.Decode(into); err != nil {
		t.Fatalf("%s: the answer to %s: %v", c.Name(), event, err)
	}
}

func join(t *testing.T, c *nodejs.Client, room string) {
	t.Helper()
	var reply moved
	ask(t, c, &reply, "join", room)
	if !reply.OK || reply.Room != room {
		t.Fatalf("%s: join %s was answered with %+v", c.Name(), room, reply)
	}
}

func leave(t *testing.T, c *nodejs.Client, room string) {
	t.Helper()
	var reply moved
	ask(t, c, &reply, "leave", room)
	if !reply.OK || reply.Room != room {
		t.Fatalf("%s: leave %s was answered with %+v", c.Name(), room, reply)
	}
}

func TestTheDemoRefusesWhatIsWrong(t *testing.T) {
	p := serveWith(t, nil)
	client := nodejs.StartClients(t).Connect("client", p.url, nodejs.ConnectOptions{})
	for name, test := range map[string]struct {
		event string
		arg   any
		words string
	}{
		"no room":         {"join", "", "needs a name"},
		"long room":       {"join", strings.Repeat("ä", maxRoomName+1), "at most 128"},
		"room is no text": {"join", 5, ""},
		"leave no room":   {"leave", "", "needs a name"},
		"no body":         {"message", map[string]any{"room": "den"}, "no body"},
		"large body":      {"message", map[string]any{"room": "den", "body": strings.Repeat("x", maxBody)}, "65536"},
		"large binary":    {"message", map[string]any{"room": "den", "body": make(nodejs.Binary, maxBody)}, "65536"},
		"no message":      {"message", "text", ""},
		"unknown event":   {"nonsense", 1, "unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			var reply struct{ Error string }
			ask(t, client, &reply, test.event, test.arg)
			if reply.Error == "" || !strings.Contains(reply.Error, test.words) {
				t.Errorf("answered with the error %q, want one with %q", reply.Error, test.words)
			}
		})
	}
	join(t, client, strings.Repeat("ä", maxRoomName))
	p.stop()
}
