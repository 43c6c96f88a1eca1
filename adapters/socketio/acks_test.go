package socketio_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/domain"
)

func TestEmitWithAck(t *testing.T) {
	h := serve(t, socketio.Config{})
	c, id := h.join("/")
	s, _ := h.Socket(domain.SocketID(id))
	type answer struct {
		value domain.Value
		err   error
	}
	ask := func(o socketio.DirectOperator, ctx context.Context) <-chan answer {
		answers := make(chan answer, 1)
		go func() {
			v, err := o.EmitWithAck(ctx, "q", 1)
			answers <- answer{v, err}
		}()
		return answers
	}
	wait := s.Timeout(patience)

	first := ask(wait, t.Context())
	c.want(`420["q",1]`)
	c.send(`43999["no such"]`, `430["yes",2]`, `430["again"]`)
	if a := receive(t, "the answer", first); a.err != nil || string(a.value.JSON()) != `"yes"` {
		t.Errorf("answer %s, %v", a.value.JSON(), a.err)
	}

	empty := ask(wait, t.Context())
	c.want(`421["q",1]`)
	c.send(`431[]`)
	if a := receive(t, "the empty answer", empty); a.err != nil || !a.value.IsZero() {
		t.Errorf("answer %s, %v", a.value.JSON(), a.err)
	}

	binary := ask(wait, t.Context())
	c.want(`422["q",1]`)
	c.send(`461-2[{"_placeholder":true,"num":0}]`)
	c.sendBinary([]byte{7})
	if a := receive(t, "the binary answer", binary); a.err != nil || string(a.value.Attachments()[0]) != "\x07" {
		t.Errorf("answer %s, %v", a.value.JSON(), a.err)
	}

	late := ask(s.Timeout(time.Millisecond), t.Context())
	if a := receive(t, "the timeout", late); !errors.Is(a.err, socketio.ErrAckTimeout) {
		t.Errorf("error %v, want ErrAckTimeout", a.err)
	}
	c.want(`423["q",1]`)
	c.send(`433["too late"]`)

	ctx, cancel := context.WithCancel(t.Context())
	given := ask(wait, ctx)
	c.want(`424["q",1]`)
	cancel()
	if a := receive(t, "the end of the context", given); !errors.Is(a.err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", a.err)
	}

	gone := ask(wait, t.Context())
	c.want(`425["q",1]`)
	c.send("41")
	if a := receive(t, "the end of the socket", gone); !errors.Is(a.err, socketio.ErrNotConnected) {
		t.Errorf("error %v, want ErrNotConnected", a.err)
	}
	if _, err := s.EmitWithAck(t.Context(), "q"); !errors.Is(err, socketio.ErrNotConnected) {
		t.Errorf("on a socket that is gone: %v, want ErrNotConnected", err)
	}
}

// A handler may wait for its client's ack, whatever the client has sent meanwhile.
func TestAckOvertakesEvents(t *testing.T) {
	h := serve(t, socketio.Config{})
	got := make(chan string, 1)
	socketio.On0(h, "ask me", func(ctx context.Context, s *socketio.Socket) error {
		answer, err := socketio.Decode[string](s.EmitWithAck(ctx, "q"))
		got <- answer
		return err
	})
	socketio.On0(h, "more", func(context.Context, *socketio.Socket) error { return nil })
	c, _ := h.join("/")
	c.send(`42["ask me"]`)
	c.want(`420["q"]`)
	c.send(`42["more"]`, `42["more"]`, `430["a"]`)
	if answer := receive(t, "the answer", got); answer != "a" {
		t.Errorf("answer %q", answer)
	}
}

func TestBroadcastWithAck(t *testing.T) {
	w := gather(t)
	answers := make(chan []string, 1)
	go func() {
		got, err := socketio.Collect[string](w.To("both").EmitWithAck(t.Context(), "q"))
		if err != nil {
			t.Error(err)
		}
		answers <- got
	}()
	w.ann.want(`420["q"]`)
	w.ben.want(`420["q"]`)
	w.ann.send(`430["a"]`)
	w.ben.send(`430["b"]`, `430["b again"]`)
	if got := receive(t, "the answers", answers); len(got) != 2 || got[0] == got[1] {
		t.Errorf("answers %q", got)
	}
	if got, err := w.To("nobody").EmitWithAck(t.Context(), "q"); err != nil || len(got) != 0 {
		t.Errorf("nobody's answers: %v, %v", got, err)
	}
}

// Late answers are dropped; so are those of sockets that were not asked.
func TestBroadcastWithAckTimesOut(t *testing.T) {
	w := gather(t)
	got, err := w.To("r1").Timeout(5*time.Millisecond).EmitWithAck(t.Context(), "q")
	var partial *domain.PartialError
	if len(got) > 0 || !errors.As(err, &partial) || partial.MissingAcks != 1 {
		t.Errorf("answers %v, %v; want one missing", got, err)
	}
	w.ann.want(`420["q"]`)
	w.ann.send(`430["late"]`)
	w.ben.send(`430["not asked"]`)

	next := make(chan error, 1)
	go func() {
		_, err := w.To("r1").EmitWithAck(t.Context(), "q")
		next <- err
	}()
	w.ann.want(`421["q"]`)
	w.ben.send(`431["not asked"]`)
	w.ann.send(`430["late"]`, `431["in time"]`)
	if err := receive(t, "the second round", next); err != nil {
		t.Error(err)
	}
}
