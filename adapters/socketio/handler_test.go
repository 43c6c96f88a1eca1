package socketio_test

import (
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/domain"
)

type message struct {
	Room string `json:"room"`
	Body string `json:"body"`
	File []byte `json:"file,omitempty"`
}

type receipt struct {
	Length int `json:"length"`
}

func registerAll(h *harness, log chan<- string) {
	note := func(words ...string) { log <- strings.Join(words, " ") }
	socketio.On0(h, "none", func(context.Context, *socketio.Socket) error { note("none"); return nil })
	socketio.On(h, "one", func(_ context.Context, _ *socketio.Socket, a string) error { note("one", a); return nil })
	socketio.On2(h, "two", func(_ context.Context, _ *socketio.Socket, a, b string) error { note("two", a, b); return nil })
	socketio.On3(h, "three", func(_ context.Context, _ *socketio.Socket, a, b, c string) error {
		note("three", a, b, c)
		return nil
	})
	socketio.OnAck0(h, "ack none", func(context.Context, *socketio.Socket) (int, error) { return 0, nil })
	socketio.OnAck(h, "ack one", func(_ context.Context, _ *socketio.Socket, m message) (receipt, error) {
		return receipt{Length: len(m.Body)}, nil
	})
	socketio.OnAck2(h, "ack two", func(_ context.Context, _ *socketio.Socket, a, b int) (int, error) { return a + b, nil })
	socketio.OnAck3(h, "ack three", func(_ context.Context, _ *socketio.Socket, a, b, c int) ([]int, error) {
		return []int{c, b, a}, nil
	})
	socketio.OnAck(h, "raw", func(_ context.Context, _ *socketio.Socket, v domain.Value) (json.RawMessage, error) {
		return json.RawMessage(v.JSON()), nil
	})
	socketio.On(h, "packet", func(_ context.Context, _ *socketio.Socket, p domain.Packet) error {
		note(string(p.JSON()))
		return nil
	})
	socketio.On(h, "private", func(context.Context, *socketio.Socket, string) error {
		return errors.New("the password is hunter2")
	})
	socketio.On(h, "refused", func(context.Context, *socketio.Socket, string) error {
		return errors.Join(errors.New("inner"), &socketio.ClientError{Message: `not "you"`})
	})
	socketio.On0(h, "panic", func(context.Context, *socketio.Socket) error { panic(errors.ErrUnsupported) })
	socketio.On0(h, "goexit", func(context.Context, *socketio.Socket) error { runtime.Goexit(); return nil })
	socketio.OnAck0(h, "unsendable", func(context.Context, *socketio.Socket) (any, error) { return func() {}, nil })
}

func TestHandlers(t *testing.T) {
	for _, test := range []struct {
		name, send string
		// want is the ack, log what the handler has noted, failure a part of what Config.OnError is told.
		want, log, failure string
	}{
		{"no argument", `42["none"]`, "", "none", ""},
		{"one argument", `42["one","a"]`, "", "one a", ""},
		{"two arguments", `42["two","a","b"]`, "", "two a b", ""},
		{"three arguments", `42["three","a","b","c"]`, "", "three a b c", ""},
		{"more arguments are ignored", `42["one","a","b"]`, "", "one a", ""},
		{"an ack without a reply is empty", `421["one","a"]`, "431[]", "one a", ""},
		{"a zero reply is one", `4212["ack none"]`, "4312[0]", "", ""},
		{"a reply", `421["ack one",{"room":"r","body":"four"}]`, `431[{"length":4}]`, "", ""},
		{"a reply to two", `420["ack two",1,2]`, `430[3]`, "", ""},
		{"a reply to three", `420["ack three",1,2,3]`, `430[[3,2,1]]`, "", ""},
		{"a reply that nobody wants", `42["ack two",1,2]`, "", "", ""},
		{"raw", `421["raw",{"a": [1, null]}]`, `431[{"a":[1,null]}]`, "", ""},
		{"the whole event", `42["packet",1,[2]]`, "", `["packet",1,[2]]`, ""},
		{"the whole event without arguments", `42["packet"]`, "", `["packet"]`, ""},
		{"a wrong shape", `421["one",5]`, `error`, "", `event "one": `},
		{"a wrong shape without an ack", `42["one",5]`, "", "", `event "one": `},
		{"an argument too few", `421["two","a"]`, `error`, "", `event "two": `},
		{"a wrong field", `421["ack one",{"room":7}]`, `error`, "", `"room"`},
		{"an error", `421["private","x"]`, `431[{"error":"internal error"}]`, "", "hunter2"},
		{"an error without an ack", `42["private","x"]`, "", "", "hunter2"},
		{"an error for the client", `421["refused","x"]`, `431[{"error":"not \"you\""}]`, "", ""},
		{"an error for a client that asks no ack", `42["refused","x"]`, "", "", `not "you"`},
		{"a panic", `421["panic"]`, `431[{"error":"internal error"}]`, "", "panic: unsupported operation"},
		{"a handler that ends its goroutine", `42["goexit"]`, "", "", ""},
		{"a reply that cannot be sent", `421["unsendable"]`, `431[{"error":"internal error"}]`, "", "func"},
		{"an unknown event", `421["what"]`, `431[{"error":"unknown event"}]`, "", "no handler"},
		{"an unknown event without an ack", `42["what"]`, "", "", "no handler"},
		{"a number for a name", `421[42]`, `431[{"error":"unknown event"}]`, "", "no handler"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := serve(t, socketio.Config{})
			log := make(chan string, 1)
			registerAll(h, log)
			socketio.OnAck0(h, "fence", func(context.Context, *socketio.Socket) (string, error) { return "ok", nil })
			c, _ := h.join("/")
			c.send(test.send)
			switch test.want {
			case "":
			case "error":
				if got := c.text(); !strings.HasPrefix(got, `431[{"error":"event `) {
					t.Errorf("ack %s, want an error that names the event", got)
				}
			default:
				c.want(test.want)
			}
			// The socket goes on, and nothing else was sent.
			c.send(`4299["fence"]`)
			c.want(`4399["ok"]`)
			if test.log != "" {
				if got := receive(t, "the handler", log); got != test.log {
					t.Errorf("handler got %q, want %q", got, test.log)
				}
			}
			if len(log) > 0 {
				t.Errorf("handler was called: %q", <-log)
			}
			if test.failure != "" {
				f := h.failure()
				if !strings.Contains(f.Err.Error(), test.failure) || f.Socket == nil || f.Namespace != "/" {
					t.Errorf("failure %+v, want one that says %q", f, test.failure)
				}
			}
			h.noFailure()
		})
	}
}

func TestFailureTypes(t *testing.T) {
	h := serve(t, socketio.Config{})
	registerAll(h, make(chan string, 1))
	c, _ := h.join("/")
	c.send(`42["panic"]`, `42["one",5]`)
	var panicked *socketio.PanicError
	if f := h.failure(); !errors.As(f.Err, &panicked) || !errors.Is(f.Err, errors.ErrUnsupported) ||
		!strings.Contains(string(panicked.Stack), "handler_test.go") || f.Event != "panic" {
		t.Errorf("failure %+v, want a *PanicError with the stack", f)
	}
	var argument *socketio.ArgumentError
	if f := h.failure(); !errors.As(f.Err, &argument) || argument.Event != "one" {
		t.Errorf("failure %+v, want an *ArgumentError", f)
	}
}

func TestSeveralHandlersForAnEvent(t *testing.T) {
	h := serve(t, socketio.Config{})
	var order []string
	h.OnAny(func(_ context.Context, _ *socketio.Socket, p domain.Packet) {
		order = append(order, "any "+string(p.JSON()))
	})
	for _, name := range []string{"first", "second"} {
		socketio.OnAck(h, "e", func(_ context.Context, _ *socketio.Socket, _ int) (string, error) {
			order = append(order, name)
			return name, nil
		})
	}
	c, _ := h.join("/")
	c.send(`421["e",1]`)
	c.want(`431["first"]`)
	if got := strings.Join(order, ", "); got != `any ["e",1], first, second` {
		t.Errorf("called in the order %s", got)
	}
}

func TestBinary(t *testing.T) {
	h := serve(t, socketio.Config{})
	got := make(chan message, 1)
	socketio.OnAck(h, "upload", func(_ context.Context, _ *socketio.Socket, m message) (message, error) {
		got <- m
		m.File = append([]byte{0}, m.File...)
		return m, nil
	})
	c, _ := h.join("/")
	c.send(`451-7["upload",{"room":"r","body":"b","file":{"_placeholder":true,"num":0}}]`)
	c.sendBinary([]byte{1, 2, 3})
	if m := receive(t, "the handler", got); m.Room != "r" || string(m.File) != "\x01\x02\x03" {
		t.Errorf("handler got %+v", m)
	}
	c.want(`461-7[{"room":"r","body":"b","file":{"_placeholder":true,"num":0}}]`)
	c.wantBinary([]byte{0, 1, 2, 3})

	if _, err := h.Emit(t.Context(), "files", map[string][]byte{"a": {1}, "b": {2}}); err != nil {
		t.Fatal(err)
	}
	c.want(`452-["files",{"a":{"_placeholder":true,"num":0},"b":{"_placeholder":true,"num":1}}]`)
	c.wantBinary([]byte{1})
	c.wantBinary([]byte{2})

	// More than ten, and clients would end the connection.
	if _, err := h.Emit(t.Context(), "files", make11()); !errors.Is(err, domain.ErrInvalidPayload) {
		t.Errorf("11 attachments: %v, want domain.ErrInvalidPayload", err)
	}
	socketio.OnAck0(h, "too many", func(context.Context, *socketio.Socket) ([][]byte, error) { return make11(), nil })
	c.send(`421["too many"]`)
	c.want(`431[{"error":"internal error"}]`)
	if f := h.failure(); f.Event != "too many" {
		t.Errorf("failure %+v", f)
	}
}

func make11() [][]byte {
	list := make([][]byte, 11)
	for i := range list {
		list[i] = []byte{byte(i)}
	}
	return list
}

func TestServerSideEmit(t *testing.T) {
	h := serve(t, socketio.Config{})
	log := make(chan string, 1)
	socketio.OnServerSide0(h, "none", func(context.Context) error { log <- "none"; return nil })
	socketio.OnServerSide(h, "one", func(_ context.Context, a string) error { log <- "one " + a; return nil })
	socketio.OnServerSide2(h, "two", func(_ context.Context, a, b string) error { log <- a + b; return nil })
	socketio.OnServerSideAck0(h, "ack none", func(context.Context) (string, error) { return "none", nil })
	socketio.OnServerSideAck(h, "ack one", func(_ context.Context, a int) (int, error) { return a + 1, nil })
	socketio.OnServerSideAck2(h, "ack two", func(_ context.Context, a, b int) (int, error) { return a + b, nil })
	socketio.OnServerSideAck0(h, "fails", func(context.Context) (int, error) { return 0, errors.New("secret") })

	ctx := t.Context()
	for want, err := range map[string]error{"none": h.ServerSideEmit(ctx, "none")} {
		if got := receive(t, "the handler", log); err != nil || got != want {
			t.Errorf("got %q (%v), want %q", got, err, want)
		}
	}
	if err := h.ServerSideEmit(ctx, "one", "a"); err != nil || receive(t, "the handler", log) != "one a" {
		t.Errorf("one argument: %v", err)
	}
	if err := h.ServerSideEmit(ctx, "two", "a", "b"); err != nil || receive(t, "the handler", log) != "ab" {
		t.Errorf("two arguments: %v", err)
	}
	for _, test := range []struct {
		event string
		args  []any
		want  string
	}{
		{"ack none", nil, `"none"`},
		{"ack one", []any{1}, `2`},
		{"ack two", []any{1, 2}, `3`},
		{"fails", nil, `{"error":"internal error"}`},
		{"one", []any{"x"}, ""}, // a handler that answers nothing
		{"nobody", nil, ""},     // no handler
	} {
		answers, err := h.ServerSideEmitWithAck(ctx, test.event, test.args...)
		if err != nil || len(answers) != 1 || string(answers[0].JSON()) != test.want {
			t.Errorf("%s: answers %v (%v), want %q", test.event, answers, err, test.want)
		}
	}
	if f := h.failure(); f.Event != "fails" || f.Socket != nil {
		t.Errorf("failure %+v", f)
	}
	if sum, err := socketio.Collect[int](h.ServerSideEmitWithAck(ctx, "ack two", 2, 3)); err != nil || sum[0] != 5 {
		t.Errorf("Collect = %v, %v", sum, err)
	}
	if err := h.ServerSideEmit(ctx, "connect"); !errors.Is(err, domain.ErrInvalidPayload) {
		t.Errorf("a reserved name: %v", err)
	}
}
