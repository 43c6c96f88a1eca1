package client_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/roombus/roombus/adapters/socketio/client"
	"github.com/roombus/roombus/internal/testkit/nodejs"
)

// talker is a client that does what a story says: ours or the official one.
type talker interface {
	// join begins to connect and does not wait.
	join()
	emit(event string, args ...any)
	// ask emits an event that asks for an answer, and does not wait for it.
	ask(event string, args ...any)
	// gone waits until the connection is lost.
	gone()
	leave()
}

// TestSeenLikeTheOfficialClient tells ours and socket.io-client of npm the same story, and compares what they send,
// frame by frame.
func TestSeenLikeTheOfficialClient(t *testing.T) {
	official := func(url string) talker {
		clients := nodejs.StartClients(t)
		return &officialTalker{t: t, clients: clients, url: url}
	}
	ours := func(url string) talker {
		c := newClient(t, url, client.Config{Auth: map[string]string{"token": "x"}})
		s := c.Of("/")
		client.OnAck(s, "question", func(_ context.Context, q string) ([]any, error) {
			return []any{"answer to " + q, []byte{9}}, nil
		})
		return &ourTalker{t: t, s: s, went: disconnects(s)}
	}
	want, got := storyOf(t, official), storyOf(t, ours)
	if !slices.Equal(got, want) {
		t.Errorf("we have sent\n\t%s\nand the official client\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
	t.Logf("both have sent\n\t%s", strings.Join(want, "\n\t"))
}

func storyOf(t *testing.T, start func(url string) talker) (story []string) {
	t.Helper()
	p := startPuppet(t)
	requests := make(chan *http.Request, 10)
	handler := p.web.Config.Handler
	p.web.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests <- r
		handler.ServeHTTP(w, r)
	})
	c := start(p.web.URL)
	var h *hand
	next := func(frames int) {
		t.Helper()
		for range frames {
			data, op, err := wsutil.ReadClientData(h.conn)
			switch {
			case err != nil:
				story = append(story, err.Error())
			case op == ws.OpBinary:
				story = append(story, fmt.Sprintf("binary %x", data))
			default:
				story = append(story, string(data))
			}
		}
	}
	open := func() {
		t.Helper()
		h = p.accept(openPacket)
		r := receive(t, "a request", requests)
		story = append(story, r.Method+" "+r.URL.String())
	}

	c.join()
	open()
	next(1)
	h.send(`40{"sid":"one","pid":"p"}`, `42["news",1,"o1"]`, `427["question","life"]`)
	next(2)
	h.send(`451-["news",{"_placeholder":true,"num":0},"o2"]`)
	if err := wsutil.WriteServerBinary(h.conn, []byte{1}); err != nil {
		t.Fatal(err)
	}
	h.send("2", `42["news","o3",3]`)
	next(1)
	c.emit("plain", 1.5, "ü\"\\\n</>", nil, []any{true, map[string]any{}})
	next(1)
	c.emit("binary", nodejs.Binary{1, 2}, []any{nodejs.Binary{3}})
	next(3)
	c.ask("ask", 1)
	next(1)
	h.send(`430["ok"]`)
	c.ask("ask", nodejs.Binary{4})
	next(2)
	h.drop()
	c.gone()
	c.emit("buffered")
	c.ask("buffered")
	open()
	next(1)
	h.send(`42["news",4,"o4"]`, `40{"sid":"one","pid":"p"}`)
	next(2)
	h.drop()
	c.gone()
	open()
	next(1)
	h.send(`40{"sid":"two","pid":"q"}`)
	c.emit("last")
	next(1)
	c.leave()
	next(2)
	c.join() // a server that was left is told of the session all the same
	open()
	next(1)
	h.send(`44{"message":"no"}`)
	next(1)
	return story
}

type ourTalker struct {
	t    *testing.T
	s    *client.Socket
	went <-chan left
}

func (o *ourTalker) join() { go func() { _ = o.s.Connect(o.t.Context()) }() }

func (o *ourTalker) emit(event string, args ...any) {
	if err := o.s.Emit(o.t.Context(), event, plain(args)...); err != nil {
		o.t.Error(err)
	}
}

func (o *ourTalker) ask(event string, args ...any) {
	go func() { _, _ = o.s.EmitWithAck(o.t.Context(), event, plain(args)...) }()
}

func (o *ourTalker) gone() { receive(o.t, "disconnect", o.went) }

func (o *ourTalker) leave() { o.s.Disconnect() }

// plain are arguments without the testkit's type.
func plain(args []any) []any {
	out := slices.Clone(args)
	for i, arg := range out {
		switch arg := arg.(type) {
		case nodejs.Binary:
			out[i] = []byte(arg)
		case []any:
			out[i] = plain(arg)
		}
	}
	return out
}

type officialTalker struct {
	t       *testing.T
	clients *nodejs.Clients
	c       *nodejs.Client
	url     string
}

func (o *officialTalker) join() {
	if o.c != nil {
		o.c.Reconnect()
		return
	}
	o.c = o.clients.Dial("official", o.url, nodejs.ConnectOptions{
		Transports: []string{"websocket"}, Auth: map[string]any{"token": "x"},
	})
	o.c.Answer("question", []any{"answer to life", nodejs.Binary{9}})
}

func (o *officialTalker) emit(event string, args ...any) { o.c.Emit(event, args...) }

func (o *officialTalker) ask(event string, args ...any) {
	go func() { _, _ = o.c.EmitWithAck(patience, event, args...) }()
}

func (o *officialTalker) gone() { o.c.Wait(nodejs.OfKind(nodejs.Disconnect)) }

func (o *officialTalker) leave() { o.c.Disconnect() }
