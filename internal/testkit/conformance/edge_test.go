package conformance_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/testkit/conformance"
	"github.com/roombus/roombus/ports"
)

// The kit for edges is tried on an edge of lists and loops.

func TestEdge(t *testing.T) {
	conformance.Edge(t, conformance.EdgeHarness{Open: func(*testing.T) conformance.EdgeFixture {
		e := &listEdge{answers: map[string]func(domain.Packet) domain.Value{}}
		return conformance.EdgeFixture{Edge: e, AddSocket: e.add, OnServerSideEmit: e.answer}
	}})
}

func TestDecorator(t *testing.T) {
	conformance.Decorator(t, conformance.Decorators{
		Log:      func(inner ports.Log) ports.Log { return wrappedLog{inner} },
		Channel:  func(inner ports.Channel) ports.Channel { return wrappedChannel{inner} },
		Sessions: func(inner ports.Sessions) ports.Sessions { return wrappedSessions{inner} },
		Edge:     func(inner ports.Edge) ports.Edge { return wrappedEdge{inner} },
	})
}

type (
	wrappedLog      struct{ ports.Log }
	wrappedChannel  struct{ ports.Channel }
	wrappedSessions struct{ ports.Sessions }
	wrappedEdge     struct{ ports.Edge }
)

func (w wrappedLog) Unwrap() any      { return w.Log }
func (w wrappedChannel) Unwrap() any  { return w.Channel }
func (w wrappedSessions) Unwrap() any { return w.Sessions }
func (w wrappedEdge) Unwrap() any     { return w.Edge }

type listEdge struct {
	mu      sync.Mutex
	sockets []*listSocket
	answers map[string]func(domain.Packet) domain.Value
}

type listSocket struct {
	id        domain.SocketID
	namespace string
	rooms     []string
	packets   chan delivered
	gone      chan struct{}
}

type delivered struct {
	packet domain.Packet
	answer func(domain.Value)
}

func (e *listEdge) add(namespace string, rooms ...string) conformance.EdgeSocket {
	e.mu.Lock()
	defer e.mu.Unlock()
	id := domain.SocketID(fmt.Sprintf("socket-%013d", len(e.sockets)))
	s := &listSocket{
		id: id, namespace: namespace, rooms: append([]string{string(id)}, rooms...),
		packets: make(chan delivered, 1000), gone: make(chan struct{}),
	}
	e.sockets = append(e.sockets, s)
	return conformance.EdgeSocket{ID: id, Gone: s.gone, Receive: func(t *testing.T) (domain.Packet, func(domain.Value)) {
		t.Helper()
		select {
		case d := <-s.packets:
			return d.packet, d.answer
		case <-t.Context().Done():
			t.Fatal("no packet came")
			panic("not reached")
		}
	}}
}

func (e *listEdge) answer(event string, answer func(domain.Packet) domain.Value) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.answers[event] = answer
}

// each calls do with the sockets that are meant, and counts them.
func (e *listEdge) each(namespace string, target domain.Target, do func(*listSocket)) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for _, s := range slices.Clone(e.sockets) {
		in := func(room string) bool { return slices.Contains(s.rooms, room) }
		if s.namespace == namespace && target.Includes(in) {
			n++
			do(s)
		}
	}
	return n
}

func (e *listEdge) Deliver(_ context.Context, d *domain.Delivery) int {
	return e.each(d.Namespace, d.Target, func(s *listSocket) { s.packets <- delivered{d.Packet, d.Ack} })
}

func (e *listEdge) Apply(_ context.Context, namespace string, op domain.RoomOperation, _ domain.Offset) int {
	switch op := op.(type) {
	case *domain.Join:
		return e.each(namespace, op.Target, func(s *listSocket) { s.rooms = append(s.rooms, op.Rooms...) })
	case *domain.Leave:
		return e.each(namespace, op.Target, func(s *listSocket) {
			s.rooms = slices.DeleteFunc(s.rooms, func(room string) bool { return slices.Contains(op.Rooms, room) })
		})
	case *domain.Disconnect:
		return e.each(namespace, op.Target, func(s *listSocket) {
			close(s.gone)
			e.sockets = slices.DeleteFunc(e.sockets, func(other *listSocket) bool { return other == s })
		})
	default:
		return 0
	}
}

func (e *listEdge) Sockets(_ context.Context, namespace string, t *domain.Target) []domain.SocketDetails {
	var list []domain.SocketDetails
	e.each(namespace, *t, func(s *listSocket) {
		list = append(list, domain.SocketDetails{ID: s.id, Rooms: slices.Clone(s.rooms)})
	})
	return list
}

func (e *listEdge) ServerSideEmit(_ context.Context, _ string, p domain.Packet, reply func(domain.Value)) {
	e.mu.Lock()
	answer := e.answers[p.Event()]
	e.mu.Unlock()
	value := domain.Value{}
	if answer != nil {
		value = answer(p)
	}
	if reply != nil {
		reply(value)
	}
}
