package socketio_test

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/testkit/nodejs"
)

var numbered = regexp.MustCompile(`^/dynamic-\d+$`)

func names(p *socketio.ParentNamespace) []string {
	var names []string
	for _, child := range p.Children() {
		names = append(names, child.Name())
	}
	slices.Sort(names)
	return names
}

// What is registered with a parent holds for its children, and what is registered with a child for that one alone.
func TestParentNamespace(t *testing.T) {
	h := serve(t, socketio.Config{})
	p := h.OfPattern(numbered)
	var made atomic.Int32
	p.OnChild(func(child *socketio.Namespace) {
		made.Add(1)
		if child.Name() == "/dynamic-2" {
			socketio.OnAck0(child, "special", func(context.Context, *socketio.Socket) (string, error) { return "yes", nil })
		}
	})
	p.Use(func(_ context.Context, s *socketio.Socket) error {
		if s.Namespace().Name() == "/dynamic-666" {
			return &socketio.ConnectError{Message: "not there"}
		}
		return nil
	})
	socketio.OnAck0(p, "where", func(_ context.Context, s *socketio.Socket) (string, error) {
		return s.Namespace().Name(), nil
	})
	c := h.dial()
	for _, name := range []string{"/dynamic-1", "/dynamic-2"} {
		c.join(name)
		c.send("42" + name + `,0["where"]`)
		c.want("43" + name + `,0["` + name + `"]`)
	}
	c.send("40/dynamic-x,", "40/dynamic-666,")
	c.want(`44/dynamic-x,{"message":"Invalid namespace"}`, `44/dynamic-666,{"message":"not there"}`)
	c.send(`42/dynamic-2,1["special"]`)
	c.want(`43/dynamic-2,1["yes"]`)
	c.send(`42/dynamic-1,1["special"]`)
	c.want(`43/dynamic-1,1[{"error":"unknown event"}]`)
	if err := p.Emit(t.Context(), "all", 1); err != nil {
		t.Fatal(err)
	}
	got := []string{c.text(), c.text()}
	slices.Sort(got)
	if want := []string{`42/dynamic-1,["all",1]`, `42/dynamic-2,["all",1]`}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	// Of makes a child as well, and finds those that are there; without RemoveEmptyNamespaces all stay.
	if h.Of("/dynamic-1") != h.Of("dynamic-1") || made.Load() != 3 {
		t.Errorf("%d children were told of, want 3", made.Load())
	}
	h.Of("/dynamic-3")
	if got, want := names(p), []string{"/dynamic-1", "/dynamic-2", "/dynamic-3", "/dynamic-666"}; !slices.Equal(got, want) {
		t.Errorf("children %q, want %q", got, want)
	}
	late, _ := h.join("/dynamic-3")
	late.send(`42/dynamic-3,0["where"]`)
	late.want(`43/dynamic-3,0["/dynamic-3"]`)
}

// Whether a function takes a name may depend on who asks; the first parent that takes it gets it.
func TestParentNamespaceByFunction(t *testing.T) {
	h := serve(t, socketio.Config{})
	first := h.OfFunc(func(name string, auth domain.Value) bool {
		if name == "/panic" {
			panic("match")
		}
		return string(auth.JSON()) == `{"token":"good"}`
	})
	second := h.OfFunc(func(name string, _ domain.Value) bool { return strings.HasPrefix(name, "/open") })
	c := h.dial()
	c.send(`40/secret,{"token":"bad"}`)
	c.want(`44/secret,{"message":"Invalid namespace"}`)
	c.send(`40/secret,{"token":"good"}`)
	c.joined("/secret")
	c.join("/open-1")
	c.send(`40/panic,`)
	c.want(`44/panic,{"message":"Invalid namespace"}`)
	if f := h.failure(); f.Namespace != "/panic" || !isPanic(f.Err) {
		t.Errorf("failure %+v, want a panic", f)
	}
	if !slices.Equal(names(first), []string{"/secret"}) || !slices.Equal(names(second), []string{"/open-1"}) {
		t.Errorf("children %q and %q", names(first), names(second))
	}
}

// waitForChildren asks until a parent has so many children: the last farewell tells nobody.
func waitForChildren(t *testing.T, p *socketio.ParentNamespace, want int) {
	t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(patience); len(p.Children()) != want; <-ticker.C {
		if time.Now().After(deadline) {
			t.Fatalf("children %q, want %d", names(p), want)
		}
	}
}

// An empty child goes, by whatever way its last socket went, and comes again.
func TestEmptyNamespacesAreRemoved(t *testing.T) {
	h := serve(t, socketio.Config{RemoveEmptyNamespaces: true})
	p := h.OfPattern(numbered)
	gone := make(chan string, 10)
	p.OnDisconnect(func(_ context.Context, s *socketio.Socket, _ socketio.Reason) { gone <- s.Namespace().Name() })
	p.Use(func(_ context.Context, s *socketio.Socket) error {
		if s.Namespace().Name() == "/dynamic-666" {
			return &socketio.ConnectError{Message: "no"}
		}
		return nil
	})
	h.Of("/dynamic-9") // stays
	c := h.dial()
	c.send("40/dynamic-666,")
	c.want(`44/dynamic-666,{"message":"no"}`)
	waitForChildren(t, p, 1)
	for range 2 {
		c.join("/dynamic-1")
		other, _ := h.join("/dynamic-1")
		c.send("41/dynamic-1,")
		receive(t, "the farewell", gone)
		if len(p.Children()) != 2 {
			t.Errorf("children %q while there is a client", names(p))
		}
		_ = other.conn.Close()
		receive(t, "the farewell", gone)
		waitForChildren(t, p, 1)
	}
	nine, _ := h.join("/dynamic-9")
	nine.send("41/dynamic-9,")
	receive(t, "the farewell", gone)
	nine.join("/dynamic-9")
	if got := names(p); !slices.Equal(got, []string{"/dynamic-9"}) {
		t.Errorf("children %q", got)
	}
}

// Clients can have so many names made, in all.
func TestDynamicNamespacesAreLimited(t *testing.T) {
	h := serve(t, socketio.Config{MaxDynamicNamespaces: 2, RemoveEmptyNamespaces: true})
	p := h.OfPattern(numbered)
	c := h.dial()
	c.join("/dynamic-1")
	c.send("41/dynamic-1,")
	waitForChildren(t, p, 0)
	c.join("/dynamic-2")
	c.send("40/dynamic-3,")
	c.want(`44/dynamic-3,{"message":"Invalid namespace"}`)
	if f := h.failure(); !errors.Is(f.Err, socketio.ErrTooManyNamespaces) || f.Namespace != "/dynamic-3" {
		t.Errorf("failure %+v, want ErrTooManyNamespaces", f)
	}
	c.join("/dynamic-1")
}

// The official client meets children on two nodes.
func TestInteropDynamicNamespaces(t *testing.T) {
	eachClient(t, func(t *testing.T, version nodejs.ClientVersion) {
		nodes := startCluster(t, 2, socketio.Config{RemoveEmptyNamespaces: true})
		for _, n := range nodes {
			p := n.OfPattern(numbered)
			socketio.On(p, "say", func(ctx context.Context, s *socketio.Socket, what string) error {
				_, err := s.Namespace().Emit(ctx, "said", what)
				return err
			})
		}
		clients := version.Start(t)
		options := nodejs.ConnectOptions{Namespace: "/dynamic-7"}
		alice := clients.Connect("alice", nodes[0].url, options)
		bob := clients.Connect("bob", nodes[1].url, options)
		alice.Emit("say", "hello")
		wantArgs(t, "bob", bob.Wait(nodejs.Named("said")).Args, nil, `["hello"]`)
		options.Namespace = "/static-7"
		carol := clients.Dial("carol", nodes[0].url, options)
		if e := carol.Wait(nodejs.OfKind(nodejs.ConnectError)); e.Reason != "Invalid namespace" {
			t.Errorf("refused with %q", e.Reason)
		}
	})
}

// A pattern that takes every name does not take those in which nodes talk among themselves.
func TestReservedNamespacesRefuseClients(t *testing.T) {
	h := serve(t, socketio.Config{})
	h.OfPattern(regexp.MustCompile(`.*`))
	h.Of(domain.NamespaceDiagnostics)
	c := h.dial()
	for _, name := range []string{domain.NamespaceDiagnostics, "/roombus/else"} {
		c.send("40" + name + ",")
		c.want("44" + name + `,{"message":"Invalid namespace"}`)
	}
	c.join("/any")
}
