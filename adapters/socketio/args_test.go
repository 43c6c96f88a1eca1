package socketio_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/testkit/nodejs"
)

// A handler may answer with several values, with none, and with binary among them.
func TestRepliesOfSeveralValues(t *testing.T) {
	h := serve(t, socketio.Config{})
	replies := map[string]socketio.Args{
		"two":        {1, "two"},
		"none":       {},
		"nil":        nil,
		"null":       {nil},
		"binary":     {[]byte{1}, message{Room: "r", File: []byte{2}}},
		"unsendable": {1, func() {}},
	}
	socketio.OnAck(h, "give", func(_ context.Context, _ *socketio.Socket, what string) (socketio.Args, error) {
		return replies[what], nil
	})
	socketio.OnAck0(h, "value", func(context.Context, *socketio.Socket) (domain.Value, error) { return domain.Value{}, nil })
	c, _ := h.join("/")
	c.send(`420["give","two"]`, `421["give","none"]`, `422["give","nil"]`, `423["give","null"]`, `424["value"]`)
	c.want(`430[1,"two"]`, `431[]`, `432[]`, `433[null]`, `434[]`)
	c.send(`425["give","binary"]`)
	c.want(`462-5[{"_placeholder":true,"num":0},{"room":"r","body":"","file":{"_placeholder":true,"num":1}}]`)
	c.wantBinary([]byte{1})
	c.wantBinary([]byte{2})
	h.noFailure()
	c.send(`426["give","unsendable"]`)
	c.want(`436[{"error":"internal error"}]`)
	h.failure()
}

// Of several values a node's answer is the first.
func TestServerSideReplyOfSeveralValues(t *testing.T) {
	h := serve(t, socketio.Config{})
	socketio.OnServerSideAck0(h, "two", func(context.Context) (socketio.Args, error) { return socketio.Args{1, 2}, nil })
	socketio.OnServerSideAck0(h, "none", func(context.Context) (socketio.Args, error) { return nil, nil })
	for event, want := range map[string]string{"two": "1", "none": ""} {
		answers, err := h.ServerSideEmitWithAck(t.Context(), event)
		if err != nil || len(answers) != 1 || string(answers[0].JSON()) != want {
			t.Errorf("%s: answers %v (%v), want %q", event, answers, err, want)
		}
	}
}

func TestEmitWithAckArgs(t *testing.T) {
	h := serve(t, socketio.Config{})
	c, id := h.join("/")
	s, _ := h.Socket(domain.SocketID(id))
	type answer struct {
		number int
		file   []byte
		err    error
	}
	for _, test := range []struct {
		name, answer string
		binary       bool
		want         answer
	}{
		{"two values", `461-0[7,{"_placeholder":true,"num":0},"more"]`, true, answer{7, []byte{9}, nil}},
		{"one value", `431[7]`, false, answer{7, nil, nil}},
		{"none", `432[]`, false, answer{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := make(chan answer, 1)
			go func() {
				number, file, err := socketio.Decode2[int, []byte](s.EmitWithAckArgs(t.Context(), "q"))
				got <- answer{number, file, err}
			}()
			c.text()
			c.send(test.answer)
			if test.binary {
				c.sendBinary([]byte{9})
			}
			if a := receive(t, "the answer", got); a.err != nil || a.number != test.want.number ||
				!bytes.Equal(a.file, test.want.file) {
				t.Errorf("answer %+v, want %+v", a, test.want)
			}
		})
	}
	wrong := []domain.Value{domain.TextValue("x"), domain.TextValue("y")}
	if _, _, err := socketio.Decode2[int, string](wrong, nil); err == nil {
		t.Error("a first value of another shape is no error")
	}
	if _, _, err := socketio.Decode2[string, int](wrong, nil); err == nil {
		t.Error("a second value of another shape is no error")
	}
	if _, _, err := socketio.Decode2[string, string](nil, errors.ErrUnsupported); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("the error became %v", err)
	}
}

// The official client gives and gets several values.
func TestInteropSeveralValues(t *testing.T) {
	eachClient(t, func(t *testing.T, version nodejs.ClientVersion) {
		node := startCluster(t, 1, socketio.Config{})[0]
		socketio.OnAck0(node, "pair", func(context.Context, *socketio.Socket) (socketio.Args, error) {
			return socketio.Args{1, []byte("two")}, nil
		})
		clients := version.Start(t)
		alice := clients.Connect("alice", node.url, nodejs.ConnectOptions{})
		got, err := alice.EmitWithAck(patience, "pair")
		if err != nil || len(got) != 2 {
			t.Errorf("the client's callback got %s (%v), want two values", got, err)
		}
		alice.Answer("who", "ann", 7)
		s, _ := node.Socket(domain.SocketID(alice.ID()))
		name, age, err := socketio.Decode2[string, int](s.Timeout(patience).EmitWithAckArgs(t.Context(), "who"))
		if err != nil || name != "ann" || age != 7 {
			t.Errorf("the client answered %q, %d (%v)", name, age, err)
		}
	})
}
