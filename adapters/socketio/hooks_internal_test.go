package socketio

import (
	"context"
	"testing"
	"time"

	"github.com/roombus/roombus/adapters/socketio/parser"
	"github.com/roombus/roombus/domain"
)

// What the hooks and limits cost that nobody uses, and what they cost that somebody does.

func BenchmarkRoomChange(b *testing.B) {
	for _, hooks := range []struct {
		name string
		add  func(ns *Namespace)
	}{
		{"no hook", func(*Namespace) {}},
		{"another hook", func(ns *Namespace) { ns.OnRoomCreated(func(context.Context, string) {}) }},
		{"hook", func(ns *Namespace) { ns.OnJoin(func(context.Context, *Socket, string) {}) }},
	} {
		b.Run(hooks.name, func(b *testing.B) {
			server := &Server{config: Config{HandlerGrace: time.Second, OnError: func(context.Context, Failure) {}}}
			ns := newNamespace(server, "/")
			hooks.add(ns)
			stays, s := &Socket{id: "stays", ns: ns}, &Socket{id: "s", ns: ns}
			ns.rooms.Add(stays)
			ns.rooms.Add(s)
			ns.rooms.Join(stays, "room")
			b.ReportAllocs()
			for b.Loop() {
				ns.mu.Lock()
				ns.rooms.Join(s, "room")
				ns.rooms.Leave(s, "room")
				ns.mu.Unlock()
			}
			server.running.Wait()
		})
	}
}

func BenchmarkLimits(b *testing.B) {
	value, err := domain.NewValue([]byte(`["message","hello"]`))
	if err != nil {
		b.Fatal(err)
	}
	p := parser.Packet{Type: parser.Event, Namespace: "/", Payload: value}
	for _, limit := range []struct {
		name   string
		config RateLimit
	}{
		{"none", RateLimit{}},
		{"socket", RateLimit{Socket: Rate{PerSecond: 1e12}}},
		{"socket and event", RateLimit{
			Socket: Rate{PerSecond: 1e12}, Events: map[string]Rate{"message": {PerSecond: 1e12}},
		}},
	} {
		b.Run(limit.name, func(b *testing.B) {
			s := &Socket{limits: newLimits(&limit.config, "/")}
			b.ReportAllocs()
			for b.Loop() {
				if s.limited(p) {
					b.Fatal("limited")
				}
			}
		})
	}
}

// Changes of rooms that come faster than the application takes them are bounded, and counted.
func TestRoomChangesAreBounded(t *testing.T) {
	failures := make(chan Failure, 10)
	server := &Server{config: Config{
		HandlerGrace: time.Minute, OnError: func(_ context.Context, f Failure) { failures <- f },
	}}
	ns := newNamespace(server, "/")
	entered, release := make(chan struct{}), make(chan struct{})
	told := 0
	ns.OnJoin(func(context.Context, *Socket, string) {
		if told == 0 {
			close(entered)
			<-release
		}
		told++
	})
	s := &Socket{id: "s", ns: ns}
	ns.rooms.Add(s)
	change := func() {
		ns.mu.Lock()
		defer ns.mu.Unlock()
		ns.rooms.Join(s, "room")
		ns.rooms.Leave(s, "room")
	}
	change()
	<-entered
	for range maxRoomChanges + 7 {
		change()
	}
	close(release)
	server.running.Wait()
	if told != maxRoomChanges+1 {
		t.Errorf("told of %d changes, want %d", told, maxRoomChanges+1)
	}
	select {
	case f := <-failures:
		if f.Event != "rooms" || f.Err == nil {
			t.Errorf("the failure is %+v", f)
		}
	default:
		t.Error("nobody was told that 7 are missing")
	}
}
