package socketio_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/domain"
)

// watcher notes what an observer is told, a text each.
type watcher struct{ told chan string }

func (w watcher) note(s *socketio.Socket, what string, about ...any) {
	w.told <- strings.TrimSpace(fmt.Sprintln(append([]any{s.Namespace().Name(), what}, about...)...))
}

func (w watcher) Connected(s *socketio.Socket, rooms []string) {
	w.note(s, "connected", len(rooms), s.Transport(), len(s.ClientID()))
}

func (w watcher) Disconnected(s *socketio.Socket, reason socketio.Reason) {
	w.note(s, "disconnected", reason)
}
func (w watcher) Joined(s *socketio.Socket, room string) { w.note(s, "joined", w.room(s, room)) }
func (w watcher) Left(s *socketio.Socket, room string)   { w.note(s, "left", w.room(s, room)) }

func (w watcher) Received(s *socketio.Socket, p domain.Packet) {
	w.note(s, "received", string(p.JSON()))
}
func (w watcher) Sent(s *socketio.Socket, p domain.Packet) { w.note(s, "sent", string(p.JSON())) }
func (w watcher) Upgraded(s *socketio.Socket)              { w.note(s, "upgraded", s.Transport()) }

func (w watcher) DataChanged(s *socketio.Socket, data domain.Value) {
	w.note(s, "data", string(data.JSON()))
}

func (w watcher) room(s *socketio.Socket, room string) string {
	if room == string(s.ID()) {
		return "its own"
	}
	return room
}

func (w watcher) want(t *testing.T, texts ...string) {
	t.Helper()
	for _, want := range texts {
		if got := receive(t, want, w.told); got != want {
			t.Errorf("told %q, want %q", got, want)
		}
	}
}

func TestObserver(t *testing.T) {
	for name, recovers := range map[string]bool{"without recovery": false, "with recovery": true} {
		t.Run(name, func(t *testing.T) {
			h := serve(t, socketio.Config{})
			if recovers {
				h = recovering(t, socketio.Config{})
			}
			observe(t, h)
		})
	}
}

func observe(t *testing.T, h *harness) {
	chat := h.Of("chat")
	chat.Use(func(ctx context.Context, s *socketio.Socket) error {
		if err := s.SetData("early"); err != nil { // before it is connected nobody is told
			return err
		}
		return s.Join(ctx, "lobby")
	})
	chat.OnAnyOutgoing(func(context.Context, *socketio.Socket, domain.Packet) {}) // goes on as without an observer
	socketio.OnAck(chat, "echo", func(_ context.Context, _ *socketio.Socket, text string) (string, error) { return text, nil })
	w := watcher{make(chan string, 100)}
	stop := h.Observe(w)
	c := h.dial()
	c.send("40/chat,")
	c.text()
	w.want(t, "/chat joined its own", "/chat joined lobby", "/chat connected 2 websocket 12")
	c.send(`42/chat,7["echo","hi"]`)
	c.want(`43/chat,7["hi"]`)
	w.want(t, `/chat received ["echo","hi"]`)
	s := chat.Sockets()[0]
	if chat.Len() != 1 {
		t.Errorf("the namespace has %d sockets", chat.Len())
	}
	if err := s.Join(t.Context(), "lobby", "den"); err != nil { // in one of them it is
		t.Fatal(err)
	}
	if err := s.Leave(t.Context(), "den"); err != nil {
		t.Fatal(err)
	}
	if err := s.SetData(7); err != nil {
		t.Fatal(err)
	}
	w.want(t, "/chat joined den", "/chat left den", "/chat data 7")
	if _, err := chat.Emit(t.Context(), "news", []byte{1}); err != nil {
		t.Fatal(err)
	}
	if err := s.Direct().Emit(t.Context(), "only you"); err != nil {
		t.Fatal(err)
	}
	w.want(t, `/chat sent ["news",{"_placeholder":true,"num":0}]`, `/chat sent ["only you"]`)
	c.send("1")
	w.want(t, "/chat disconnected transport close")
	left := []string{receive(t, "a room", w.told), receive(t, "a room", w.told)}
	slices.Sort(left)
	if want := []string{"/chat left its own", "/chat left lobby"}; !slices.Equal(left, want) {
		t.Errorf("told %q, want %q", left, want)
	}
	stop()
	stop() // does nothing more
	c = h.dial()
	c.send("40/chat,")
	c.text()
	if len(w.told) > 0 {
		t.Errorf("told %q after the end", <-w.told)
	}
}

func TestClientID(t *testing.T) {
	h := serve(t, socketio.Config{})
	h.Of("chat")
	c, _ := h.join("/")
	c.send("40/chat,")
	c.text()
	other, _ := h.join("/")
	ids := map[string]int{}
	for _, s := range slices.Concat(h.Sockets(), h.Of("chat").Sockets()) {
		ids[s.ClientID()]++
		if strings.Contains(c.engineID+other.engineID, s.ClientID()) {
			t.Error("the id shows that of the connection")
		}
	}
	if len(ids) != 2 {
		t.Errorf("three sockets of two clients have the ids %v", ids)
	}
}

// TestWithoutRecovery: a namespace can keep no sessions where the node does.
func TestWithoutRecovery(t *testing.T) {
	h := recovering(t, socketio.Config{})
	plain := h.Of("plain")
	plain.WithoutRecovery()
	c := h.dial()
	c.send(`40/plain,{"pid":"private-x","offset":"1","token":"a"}`)
	var ids map[string]string
	answer := c.text()
	if err := json.Unmarshal([]byte(strings.TrimPrefix(answer, "40/plain,")), &ids); err != nil || len(ids) != 1 {
		t.Errorf("the answer to CONNECT is %s", answer)
	}
	s := plain.Sockets()[0]
	if s.Recovered() || s.Recovery().Outcome != domain.RecoveryDisabled {
		t.Errorf("the recovery is %+v", s.Recovery())
	}
	if err := s.Emit(t.Context(), "hello", "you"); err != nil {
		t.Fatal(err)
	}
	c.want(`42/plain,["hello","you"]`) // a text at the end is taken for no offset by who has no session
	if _, err := plain.Emit(t.Context(), "all"); err != nil {
		t.Fatal(err)
	}
	c.want(`42/plain,["all"]`)
	if err := s.SetData(1); err != nil {
		t.Error(err)
	}
	if len(h.node.kept) > 0 {
		t.Error("a session was kept")
	}
	h.enter() // in another namespace it still is
}

func TestOnBroadcast(t *testing.T) {
	h := serve(t, socketio.Config{})
	told := make(chan string, 10)
	h.OnBroadcast(func(p domain.Packet) { told <- p.Event() })
	emit := func(event string) {
		t.Helper()
		if _, err := h.To("nobody").Emit(t.Context(), event); err != nil {
			t.Fatal(err)
		}
	}
	emit("one")
	if got := receive(t, "a broadcast", told); got != "one" {
		t.Errorf("told of %s", got)
	}
	h.OnBroadcast(nil)
	emit("two")
	if len(told) > 0 {
		t.Errorf("told of %s", <-told)
	}
}

func TestMake(t *testing.T) {
	h := serve(t, socketio.Config{})
	ns, err := h.Make("guarded", func(ns *socketio.Namespace) {
		c := h.dial() // is not let in yet
		c.send("40/guarded,")
		c.want(`44/guarded,{"message":"Invalid namespace"}`)
		ns.Use(func(context.Context, *socketio.Socket) error { return &socketio.ConnectError{Message: "no"} })
	})
	if err != nil || ns != h.Of("/guarded") {
		t.Errorf("made %v, %v", ns, err)
	}
	c := h.dial()
	c.send("40/guarded,")
	c.want(`44/guarded,{"message":"no"}`)
	if _, err := h.Make("/guarded", func(*socketio.Namespace) {}); !errors.Is(err, socketio.ErrNamespaceExists) {
		t.Errorf("made twice: %v", err)
	}
}

// badge is an annotator that adds a word.
type badge struct{}

func (badge) Annotate(_ *socketio.Socket, data domain.Value) domain.Value {
	text, _ := data.Text()
	return domain.TextValue("badge " + text)
}

func (badge) Strip(data domain.Value) domain.Value {
	text, _ := data.Text()
	return domain.TextValue(strings.TrimPrefix(text, "badge "))
}

func TestAnnotator(t *testing.T) {
	h := serve(t, socketio.Config{})
	h.join("/")
	if err := h.Sockets()[0].SetData("Ann"); err != nil {
		t.Fatal(err)
	}
	fetched := func() (shown, told string) {
		t.Helper()
		sockets, err := h.FetchSockets(t.Context())
		if err != nil || len(sockets) != 1 {
			t.Fatalf("%d sockets, %v", len(sockets), err)
		}
		shown, err = socketio.Data[string](sockets[0])
		if err != nil {
			t.Fatal(err)
		}
		told, _ = sockets[0].Details().Data.Text()
		return shown, told
	}
	h.Annotate(badge{})
	if shown, told := fetched(); shown != "Ann" || told != "badge Ann" {
		t.Errorf("with an annotator %q and %q", shown, told)
	}
	h.Annotate(nil)
	if shown, told := fetched(); shown != "Ann" || told != "Ann" {
		t.Errorf("without %q and %q", shown, told)
	}
	if got := len(h.Namespaces()); got != 1 {
		t.Errorf("%d namespaces", got)
	}
}
