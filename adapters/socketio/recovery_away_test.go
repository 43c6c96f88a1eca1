package socketio_test

import (
	"context"
	"errors"
	"testing"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/domain"
)

// TestCase15DisconnectedWhileAway shows that who was ordered to disconnect, wherever and whenever, does not come back.
func TestCase15DisconnectedWhileAway(t *testing.T) {
	for name, order := range map[string]func(ctx context.Context, a, b *station, v *traveller) error{
		"ordered before, on its own node": func(ctx context.Context, a, _ *station, v *traveller) error {
			s, ok := a.Socket(domain.SocketID(v.sid))
			if !ok {
				return errors.New("there is no such socket")
			}
			return s.Disconnect(ctx)
		},
		"ordered while away, by another node": func(ctx context.Context, a, b *station, v *traveller) error {
			_ = v.conn.Close()
			<-a.went
			return b.In(v.sid).DisconnectSockets(ctx, true)
		},
		"left by itself": func(_ context.Context, a, _ *station, v *traveller) error {
			v.send("41")
			<-a.went
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			nodes := stations(t, 2, inmemory.Config{})
			v := &traveller{}
			v.arrive(t, nodes[0])
			v.ask("join", "red")
			if err := order(t.Context(), nodes[0], nodes[1], v); err != nil {
				t.Fatal(err)
			}
			_ = v.conn.Close()
			receive(t, "the first connection", nodes[0].came)
			for _, at := range []*station{nodes[1], nodes[0]} {
				again := &traveller{pid: v.pid, offset: v.offset}
				again.arrive(t, at)
				if again.recovered {
					t.Error("the client has its session again")
				}
				if outcome := receive(t, "the next connection", at.came).Outcome; outcome == domain.Recovered || outcome == 0 {
					t.Errorf("the outcome is %q", outcome)
				}
			}
		})
	}
}

// TestCase15DisconnectOfASocketThatMoved puts a client out by a socket that it had before it came back.
func TestCase15DisconnectOfASocketThatMoved(t *testing.T) {
	for _, back := range []int{0, 1} {
		t.Run([]string{"to the same node", "to another node"}[back], func(t *testing.T) {
			nodes := stations(t, 2, inmemory.Config{})
			v := &traveller{}
			v.arrive(t, nodes[0])
			v.ask("save")
			s, ok := nodes[0].Socket(domain.SocketID(v.sid))
			if !ok {
				t.Fatal("there is no such socket")
			}
			v.arrive(t, nodes[back])
			if !v.recovered {
				t.Fatalf("the client was not recovered: %v", outcome(t, v, nodes[back]))
			}
			v.ask("rooms")
			receive(t, "the end of the old socket", nodes[0].went)
			if err := s.Disconnect(t.Context()); err != nil {
				t.Fatal(err)
			}
			v.client.want("41")
		})
	}
}
