package socketio_test

import (
	"context"
	"sync"
	"testing"

	"github.com/gobwas/ws"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/adapters/socketio/parser"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/testkit/conformance"
)

func TestEdgeConformance(t *testing.T) {
	conformance.Edge(t, conformance.EdgeHarness{Open: func(t *testing.T) conformance.EdgeFixture {
		h := serve(t, socketio.Config{})
		h.Of("/other")
		var mu sync.Mutex
		gone := map[domain.SocketID]chan struct{}{} // closed at the socket's end
		ended := func(id domain.SocketID) chan struct{} {
			mu.Lock()
			defer mu.Unlock()
			if gone[id] == nil {
				gone[id] = make(chan struct{})
			}
			return gone[id]
		}
		for _, name := range []string{"/", "/other"} {
			h.Of(name).OnDisconnect(func(_ context.Context, s *socketio.Socket, _ socketio.Reason) { close(ended(s.ID())) })
		}
		return conformance.EdgeFixture{
			Edge: h.node.edge,
			AddSocket: func(namespace string, rooms ...string) conformance.EdgeSocket {
				c, sid := h.join(namespace)
				id := domain.SocketID(sid)
				s, ok := h.Of(namespace).Socket(id)
				if !ok {
					t.Fatalf("socket %s is not there", id)
				}
				if err := s.Join(t.Context(), rooms...); err != nil {
					t.Fatal(err)
				}
				return conformance.EdgeSocket{ID: id, Receive: c.event, Gone: ended(id)}
			},
			OnServerSideEmit: func(event string, answer func(domain.Packet) domain.Value) {
				socketio.OnServerSideAck(h, event, func(_ context.Context, p domain.Packet) (domain.Value, error) {
					return answer(p), nil
				})
			},
		}
	}})
}

// event reads an event with its attachments; answer acknowledges it.
func (c *client) event(t *testing.T) (event domain.Packet, answer func(domain.Value)) {
	t.Helper()
	decoder, err := parser.NewDecoder(parser.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for {
		data, op, err := c.read()
		if err != nil {
			t.Fatalf("read: %v", err)
		}
		add := decoder.AddBinary
		if op == ws.OpText {
			add, data = decoder.Add, data[1:] // without the Engine.IO type
		}
		p, complete, err := add(data)
		switch {
		case err != nil || complete && p.Type != parser.Event:
			t.Fatalf("got a packet of type %v (%v), want an event", p.Type, err)
		case complete && p.HasID:
			return p.Event(), func(v domain.Value) { c.acknowledge(p, v) }
		case complete:
			return p.Event(), nil
		}
	}
}

func (c *client) acknowledge(event parser.Packet, v domain.Value) {
	json, attachments := v.AppendTo([]byte("["), nil)
	args, err := domain.NewValue(append(json, ']'), attachments...)
	if err != nil {
		c.t.Errorf("acknowledge: %v", err)
		return
	}
	c.send("4" + string(parser.AppendText(nil, parser.Packet{
		Type: parser.Ack, Namespace: event.Namespace, ID: event.ID, HasID: true, Payload: args,
	})))
	for _, a := range attachments {
		c.sendBinary(a)
	}
}
