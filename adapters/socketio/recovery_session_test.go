package socketio_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/domain"
)

func TestSessionIsKeptFromConnectingOn(t *testing.T) {
	h := recovering(t, socketio.Config{})
	h.Use(func(ctx context.Context, s *socketio.Socket) error {
		if err := s.Join(ctx, "early"); err != nil {
			return err
		}
		return s.SetData("Ann")
	})
	if _, err := h.Emit(t.Context(), "before"); err != nil {
		t.Fatal(err)
	}
	_, s, session := h.enter()
	if got := session.waitFor(h, 1)[0]; got != `kept in [early] with "Ann" at 1` {
		t.Errorf("the session was %s", got)
	}
	if r := s.Recovery(); r != (domain.Recovery{}) || s.Recovered() {
		t.Errorf("the recovery of a new client is %v", r)
	}

	for _, err := range []error{
		s.Join(t.Context(), "blue", "early"),
		h.SocketsJoin(t.Context(), "red", "blue"),
		s.SetData("Bea"),
		s.Leave(t.Context(), "blue", "never"),
		h.In("red").SocketsLeave(t.Context(), "red"),
		s.SaveSession(t.Context()),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	session.wantNotes(h, "join [blue] at 1", "join [red] at 2", `data "Bea"`, "leave [blue] at 2", "leave [red] at 3", "saved")
}

func TestSaveSession(t *testing.T) {
	off := serve(t, socketio.Config{})
	off.Use(func(ctx context.Context, s *socketio.Socket) error { return s.SaveSession(ctx) })
	off.join("/")
	off.noFailure()

	on := recovering(t, socketio.Config{})
	on.Use(func(ctx context.Context, s *socketio.Socket) error {
		if err := s.SaveSession(ctx); !errors.Is(err, socketio.ErrNotConnected) {
			t.Errorf("before the socket is connected: %v, want %v", err, socketio.ErrNotConnected)
		}
		return nil
	})
	on.enter()
}

// TestCase12LossHasAPlace shows that a lost socket takes part in what is in the log up to the place of the loss, and in
// the changes that were asked for before.
func TestCase12LossHasAPlace(t *testing.T) {
	h := recovering(t, socketio.Config{})
	gone := make(chan []string, 1)
	h.OnDisconnect(func(_ context.Context, s *socketio.Socket, _ socketio.Reason) { gone <- s.Rooms() })
	c, s, session := h.enter()
	if err := s.Join(t.Context(), "blue"); err != nil {
		t.Fatal(err)
	}
	h.node.hold()
	if _, err := h.Emit(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Leave(ended, "blue"); !errors.Is(err, context.Canceled) {
		t.Fatalf("leave with an ended context: %v", err)
	}
	if err := h.SocketsJoin(t.Context(), "red"); err != nil {
		t.Fatal(err)
	}
	_ = c.conn.Close()
	if rooms := receive(t, "the disconnect handler", gone); !slices.Equal(rooms, []string{string(s.ID()), "blue"}) {
		t.Errorf("the rooms at the end are %v", rooms)
	}
	if s.Connected() || len(h.Sockets()) != 0 {
		t.Error("the socket is gone, but is listed")
	}
	if err := s.Join(ended, "late"); err == nil {
		t.Error("a socket that is gone joined a room")
	}
	if _, err := h.Emit(t.Context(), "y"); err != nil {
		t.Fatal(err)
	}
	h.node.release()
	session.wantNotes(h, "join [blue] at 0", "leave [blue] at 1", "join [red] at 2", "away at 2")
	if err := h.SocketsJoin(t.Context(), "later"); err != nil {
		t.Fatal(err)
	}
	session.wantNotes(h, "join [blue] at 0", "leave [blue] at 1", "join [red] at 2", "away at 2")
	if reached := h.node.reached(); reached != 0 {
		t.Errorf("%d packets were delivered to a socket that is gone", reached)
	}
}

func TestWhoLeavesDoesNotComeBack(t *testing.T) {
	h := recovering(t, socketio.Config{})
	gone := make(chan struct{}, 1)
	h.OnDisconnect(func(context.Context, *socketio.Socket, socketio.Reason) { gone <- struct{}{} })
	c, _, session := h.enter()
	session.slow = true
	c.send("41")
	session.wantNotes(h, "end")
	select {
	case <-gone:
		t.Error("the end was reported before the session was deleted")
	default:
	}
	close(session.deleted)
	receive(t, "the disconnect handler", gone)
}

// TestCase15DisconnectDeletesTheSession shows that a socket is reported out when its session is deleted, in all ways in
// which a server puts it out.
func TestCase15DisconnectDeletesTheSession(t *testing.T) {
	for name, disconnect := range map[string]func(context.Context, *harness, *socketio.Socket) error{
		"Disconnect": func(ctx context.Context, _ *harness, s *socketio.Socket) error { return s.Disconnect(ctx) },
		"Close":      func(ctx context.Context, _ *harness, s *socketio.Socket) error { return s.Close(ctx) },
	} {
		t.Run(name, func(t *testing.T) {
			h := recovering(t, socketio.Config{})
			c, s, session := h.enter()
			session.slow = true
			soon, cancel := context.WithCancel(t.Context())
			cancel()
			if err := disconnect(soon, h, s); !errors.Is(err, context.Canceled) {
				t.Errorf("with a session that is not deleted yet: %v, want %v", err, context.Canceled)
			}
			c.want("41")
			close(session.deleted)
			if err := disconnect(t.Context(), h, s); err != nil {
				t.Error(err)
			}
			session.wantNotes(h, "end")
		})
	}
	t.Run("through the log", func(t *testing.T) {
		h := recovering(t, socketio.Config{})
		c, s, session := h.enter()
		if err := h.In(string(s.ID())).DisconnectSockets(t.Context(), true); err != nil {
			t.Error(err)
		}
		c.want("41")
		session.wantNotes(h, "end")
	})
	t.Run("one that is away", func(t *testing.T) {
		h := recovering(t, socketio.Config{})
		c, s, session := h.enter()
		_ = c.conn.Close()
		session.wantNotes(h, "away at 0")
		if err := s.Disconnect(t.Context()); err != nil {
			t.Error(err)
		}
		session.wantNotes(h, "away at 0", "end")
	})
	t.Run("one that is about to be away", func(t *testing.T) {
		h := recovering(t, socketio.Config{})
		gone := make(chan struct{}, 1)
		h.OnDisconnect(func(context.Context, *socketio.Socket, socketio.Reason) { gone <- struct{}{} })
		c, _, session := h.enter()
		h.node.hold()
		if err := h.DisconnectSockets(t.Context(), false); err != nil {
			t.Error(err)
		}
		_ = c.conn.Close()
		receive(t, "the disconnect handler", gone)
		h.node.release()
		session.wantNotes(h, "end")
	})
}

// TestCase14Superseded shows that a socket whose client is back elsewhere ends without a word, and leaves the session
// alone.
func TestCase14Superseded(t *testing.T) {
	h := recovering(t, socketio.Config{})
	reasons := make(chan socketio.Reason, 1)
	h.OnDisconnect(func(_ context.Context, _ *socketio.Socket, r socketio.Reason) { reasons <- r })
	c, s, session := h.enter()
	session.lost()
	c.wantClosed()
	if r := receive(t, "the disconnect handler", reasons); r != socketio.ReasonSuperseded {
		t.Errorf("the reason is %q, want %q", r, socketio.ReasonSuperseded)
	}
	if err := s.Err(); !errors.Is(err, domain.ErrSessionLost) {
		t.Errorf("the socket's error is %v, want %v", err, domain.ErrSessionLost)
	}
	session.wantNotes(h)
}
