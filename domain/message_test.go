package domain_test

import (
	"testing"

	"github.com/roombus/roombus/domain"
)

// The numbers are those of the wire; they must never change.
func TestKinds(t *testing.T) {
	bodies := []struct {
		body          domain.Body
		number        domain.Kind
		name          string
		roomOperation bool
	}{
		{&domain.InitialHeartbeat{}, 1, "initial heartbeat", false},
		{&domain.Heartbeat{}, 2, "heartbeat", false},
		{&domain.Broadcast{}, 3, "broadcast", false},
		{&domain.Join{}, 4, "join", true},
		{&domain.Leave{}, 5, "leave", true},
		{&domain.Disconnect{}, 6, "disconnect", true},
		{&domain.FetchSockets{}, 7, "fetch sockets", false},
		{&domain.FetchSocketsReply{}, 8, "fetch sockets reply", false},
		{&domain.ServerSideEmit{}, 9, "server-side emit", false},
		{&domain.ServerSideEmitReply{}, 10, "server-side emit reply", false},
		{&domain.AckClientCount{}, 11, "ack client count", false},
		{&domain.Ack{}, 12, "ack", false},
		{&domain.Goodbye{}, 13, "goodbye", false},
	}
	for _, c := range bodies {
		m := &domain.Message{Body: c.body}
		if got := m.Kind(); got != c.number || got.String() != c.name || !got.Valid() {
			t.Errorf("%T is kind %d, %q, valid: %v; want %d, %q", c.body, got, got, got.Valid(), c.number, c.name)
		}
		if _, ok := c.body.(domain.RoomOperation); ok != c.roomOperation {
			t.Errorf("%T is a room operation: %v, want %v", c.body, ok, c.roomOperation)
		}
	}
	for _, number := range []domain.Kind{0, 14, 255} {
		if number.Valid() || number.String() != "unknown kind" {
			t.Errorf("kind %d is valid: %v, %q", number, number.Valid(), number)
		}
	}
}

func TestRequests(t *testing.T) {
	const id = domain.RequestID("0123456789abcdef")
	for _, c := range []struct {
		body    domain.Body
		request domain.RequestID
		answer  bool
	}{
		{&domain.Broadcast{Request: id}, id, false},
		{&domain.Broadcast{}, "", false},
		{&domain.FetchSockets{Request: id}, id, false},
		{&domain.FetchSocketsReply{Request: id}, id, true},
		{&domain.ServerSideEmit{Request: id}, id, false},
		{&domain.ServerSideEmitReply{Request: id}, id, true},
		{&domain.AckClientCount{Request: id}, id, true},
		{&domain.Ack{Request: id}, id, true},
		{&domain.Join{}, "", false},
		{&domain.Goodbye{}, "", false},
	} {
		m := &domain.Message{Body: c.body}
		if got := m.Request(); got != c.request {
			t.Errorf("%T belongs to request %q, want %q", c.body, got, c.request)
		}
		if got := m.Kind().IsAnswer(); got != c.answer {
			t.Errorf("%T is an answer: %v, want %v", c.body, got, c.answer)
		}
	}
}
