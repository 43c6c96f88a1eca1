package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/adapters/socketio/client"
	"github.com/roombus/roombus/adapters/socketio/engineio"
	"github.com/roombus/roombus/domain"
)

type post struct {
	Title string   `json:"title"`
	Files [][]byte `json:"files"`
}

func TestEventsAndAcks(t *testing.T) {
	io, url := startServer(t, socketio.Config{})
	socketio.OnAck2(io, "echo", func(_ context.Context, _ *socketio.Socket, p post, n int) (post, error) {
		p.Title = fmt.Sprint(p.Title, n)
		return p, nil
	})
	socketio.On(io, "post", func(ctx context.Context, s *socketio.Socket, p post) error {
		return s.Emit(ctx, "posted", p, "more")
	})
	socketio.On0(io, "nothing", func(context.Context, *socketio.Socket) error { return nil })
	c := newClient(t, url, client.Config{})
	s := c.Of("/")
	posted := events[post](s, "posted")
	seen := make(chan string, 10)
	s.OnAny(func(_ context.Context, p domain.Packet) { seen <- p.Event() })
	connect(t, s)
	if !s.Connected() || s.ID() == "" || s.Recovered() {
		t.Errorf("connected %v, id %q, recovered %v", s.Connected(), s.ID(), s.Recovered())
	}
	sent := post{Title: "a", Files: [][]byte{{1, 2}, {}, bytes.Repeat([]byte{3}, 70_000)}}
	echoed, err := client.Decode[post](s.EmitWithAck(patient(t), "echo", sent, 7))
	if err != nil || echoed.Title != "a7" || len(echoed.Files) != 3 || !bytes.Equal(echoed.Files[2], sent.Files[2]) {
		t.Errorf("echo: %q with %d files (%v)", echoed.Title, len(echoed.Files), err)
	}
	if err := s.Emit(patient(t), "post", sent); err != nil {
		t.Fatal(err)
	}
	if p := receive(t, "posted", posted); !bytes.Equal(p.Files[0], []byte{1, 2}) || len(p.Files[2]) != 70_000 {
		t.Errorf("posted: %d files", len(p.Files))
	}
	want(t, "OnAny", receive(t, "any", seen), "posted")
	if answer, err := s.EmitWithAck(patient(t), "nothing"); err != nil || !answer.IsZero() {
		t.Errorf("an empty ack: %v (%v)", answer, err)
	}
}

func TestAcksToTheServer(t *testing.T) {
	io, url := startServer(t, socketio.Config{})
	sockets := make(chan *socketio.Socket, 1)
	io.OnConnect(func(_ context.Context, s *socketio.Socket) error { sockets <- s; return nil })
	failures := make(chan client.Failure, 10)
	c := newClient(t, url, client.Config{OnError: func(_ context.Context, f client.Failure) { failures <- f }})
	s := c.Of("/")
	client.OnAck(s, "double", func(_ context.Context, n int) (int, error) { return 2 * n, nil })
	client.OnAck0(s, "bytes", func(context.Context) ([]byte, error) { return []byte("binary"), nil })
	client.OnAck2(s, "join", func(_ context.Context, a, b string) (string, error) { return a + b, nil })
	client.OnAck3(s, "join3", func(_ context.Context, a, b, c string) (string, error) { return a + b + c, nil })
	client.On2(s, "two", func(context.Context, int, int) error { return nil })
	client.On3(s, "three", func(context.Context, int, int, int) error { return nil })
	client.On0(s, "fail", func(context.Context) error { return errors.New("a secret") })
	client.On0(s, "refuse", func(context.Context) error { return &client.ReplyError{Message: "not today"} })
	client.On0(s, "panic", func(context.Context) error { panic("at the disco") })
	client.OnAck0(s, "many", func(context.Context) ([][]byte, error) { return slices.Repeat([][]byte{{1}}, 11), nil })
	client.OnAck0(s, "several", func(context.Context) (client.Args, error) { return client.Args{1, []byte("two")}, nil })
	connect(t, s)
	peer := receive(t, "the server's socket", sockets)
	if n, data, err := socketio.Decode2[int, []byte](peer.EmitWithAckArgs(patient(t), "several")); err != nil || n != 1 || string(data) != "two" {
		t.Errorf("several values: %d %q (%v)", n, data, err)
	}
	for _, test := range []struct {
		event   string
		args    []any
		answer  string
		failure string
	}{
		{"double", []any{21}, `42`, ""},
		{"bytes", nil, `{"_placeholder":true,"num":0}`, ""},
		{"join", []any{"a", "b", "ignored"}, `"ab"`, ""},
		{"join3", []any{"a", "b", "c"}, `"abc"`, ""},
		{"two", []any{1, 2}, ``, ""},
		{"three", []any{1, 2, 3}, ``, ""},
		{"fail", nil, `{"error":"internal error"}`, "a secret"},
		{"refuse", nil, `{"error":"not today"}`, ""},
		{"panic", nil, `{"error":"internal error"}`, "panic: at the disco"},
		{"many", nil, `{"error":"internal error"}`, "the answer has 11 binaries, but Socket.IO takes at most 10"},
		{
			"double", []any{"x"}, `{"error":"event \"double\": argument 1: expected number, found string"}`,
			`event "double": argument 1: expected number, found string`,
		},
	} {
		answer, err := peer.EmitWithAck(patient(t), test.event, test.args...)
		if err != nil || string(answer.JSON()) != test.answer {
			t.Errorf("%s: %s (%v), want %s", test.event, answer.JSON(), err, test.answer)
		}
		if test.failure != "" {
			f := receive(t, "a failure", failures)
			want(t, "failure of "+f.Event, f.Err.Error(), test.failure)
		}
	}
	want(t, "failures left", len(failures), 0)
}

// TestUnknownEvents: as the JavaScript client, ours does not answer what nobody handles.
func TestUnknownEvents(t *testing.T) {
	io, url := startServer(t, socketio.Config{})
	sockets := make(chan *socketio.Socket, 1)
	io.OnConnect(func(_ context.Context, s *socketio.Socket) error { sockets <- s; return nil })
	s := newClient(t, url, client.Config{}).Of("/")
	known := events[int](s, "known")
	connect(t, s)
	peer := receive(t, "the server's socket", sockets)
	if _, err := peer.Timeout(time.Millisecond).EmitWithAck(t.Context(), "unknown"); !errors.Is(err, socketio.ErrAckTimeout) {
		t.Errorf("an event that nobody handles was answered (%v)", err)
	}
	if err := peer.Emit(t.Context(), "known", 1); err != nil {
		t.Fatal(err)
	}
	receive(t, "the event behind", known)
}

func TestNamespacesShareAConnection(t *testing.T) {
	io, url := startServer(t, socketio.Config{})
	for _, name := range []string{"/", "/admin"} {
		socketio.OnAck0(io.Of(name), "where", func(_ context.Context, s *socketio.Socket) (string, error) {
			return s.Namespace().Name() + " " + string(s.Handshake().Auth.JSON()), nil
		})
	}
	dialled := 0
	c := newClient(t, url, client.Config{
		Dial: counting(&dialled),
		AuthFunc: func(_ context.Context, namespace string) (any, error) {
			return map[string]string{"for": namespace}, nil
		},
	})
	root, admin := c.Of("/"), c.Of("admin")
	want(t, "the same socket", c.Of("/admin"), admin)
	connect(t, root)
	connect(t, admin)
	for _, s := range []*client.Socket{root, admin} {
		where, err := client.Decode[string](s.EmitWithAck(patient(t), "where"))
		if err != nil || where != fmt.Sprintf(`%s {"for":%q}`, s.Namespace(), s.Namespace()) {
			t.Errorf("where: %s (%v)", where, err)
		}
	}
	// One that leaves and comes back does so on the same connection, the other stays.
	told := disconnects(admin)
	admin.Disconnect()
	want(t, "reason", receive(t, "the disconnect", told).reason, client.ReasonClientDisconnect)
	if _, err := root.EmitWithAck(patient(t), "where"); err != nil {
		t.Errorf("the other namespace: %v", err)
	}
	connect(t, admin)
	want(t, "connections", dialled, 1)
	// When the last has left the connection ends, and Connect makes another.
	root.Disconnect()
	admin.Disconnect()
	connect(t, root)
	want(t, "connections", dialled, 2)
}

func TestHandshakeIsSeenByTheServer(t *testing.T) {
	requests := make(chan *http.Request, 1)
	io, server := startServer(t, socketio.Config{
		Path: "/chat/io/",
		Engine: engineio.Config{AllowRequest: func(r *http.Request) error {
			requests <- r
			return nil
		}},
	})
	auths := make(chan string, 1)
	io.OnConnect(func(_ context.Context, s *socketio.Socket) error {
		auths <- string(s.Handshake().Auth.JSON())
		return nil
	})
	c := newClient(t, server+"?a=1", client.Config{
		Path: "/chat/io", Query: url.Values{"b": {"2 3"}}, Header: http.Header{"X-Token": {"t"}, "Host": {"example.com"}},
		Auth: struct {
			User string `json:"user"`
		}{"alice"},
	})
	connect(t, c.Of("/"))
	r := receive(t, "a request", requests)
	q := r.URL.Query()
	if r.Header.Get("X-Token") != "t" || r.Host != "example.com" || q.Get("a") != "1" || q.Get("b") != "2 3" || q.Get("EIO") != "4" {
		t.Errorf("header %v, host %s, query %v", r.Header, r.Host, q)
	}
	want(t, "auth", receive(t, "auth", auths), `{"user":"alice"}`)
}

func TestTLS(t *testing.T) {
	io, _ := startServer(t, socketio.Config{})
	web := httptest.NewUnstartedServer(io)
	web.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // the stranger's complaint
	web.StartTLS()
	defer web.Close()
	trusted := web.Client().Transport.(*http.Transport).TLSClientConfig
	c := newClient(t, web.URL, client.Config{TLS: trusted})
	connect(t, c.Of("/"))
	c.Close()
	stranger := newClient(t, web.URL, client.Config{Reconnection: client.Reconnection{Off: true}})
	if err := stranger.Of("/").Connect(patient(t)); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("connected to a server whose certificate is not known: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	io, url := startServer(t, socketio.Config{})
	io.Of("/guarded").Use(func(_ context.Context, s *socketio.Socket) error {
		if string(s.Handshake().Auth.JSON()) == `{"token":"good"}` {
			return nil
		}
		return &socketio.ConnectError{Message: "bad token", Data: map[string]int{"code": 401}}
	})
	token := "bad"
	c := newClient(t, url, client.Config{AuthFunc: func(context.Context, string) (any, error) {
		if token == "" {
			return nil, errors.New("no token")
		}
		return map[string]string{"token": token}, nil
	}})
	s := c.Of("/guarded")
	told := make(chan error, 10)
	s.OnConnectError(func(_ context.Context, err error) { told <- err })
	err := s.Connect(patient(t))
	refused, ok := errors.AsType[*client.ConnectError](err)
	if !ok || refused.Message != "bad token" || string(refused.Data.JSON()) != `{"code":401}` {
		t.Fatalf("refused with %v", err)
	}
	if err := receive(t, "connect_error", told); !errors.Is(err, refused) {
		t.Errorf("connect_error: %v", err)
	}
	token = ""
	if err := s.Connect(patient(t)); err == nil || err.Error() != "auth for /guarded: no token" {
		t.Errorf("without a token: %v", err)
	}
	token = "good"
	connect(t, s)
	unknown := c.Of("/unknown")
	if err := unknown.Connect(patient(t)); err == nil || err.Error() != "connection refused: Invalid namespace" {
		t.Errorf("an unknown namespace: %v", err)
	}
	want(t, "still connected", s.Connected(), true)
}

func TestServersThatAreNone(t *testing.T) {
	for _, test := range []struct {
		name, want string
		handle     http.HandlerFunc
	}{
		{"HTTP", "the server answered with status 418: I make tea", func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "I make tea", http.StatusTeapot)
		}},
		{"other path", `the server answered with status 404`, http.NotFound},
	} {
		t.Run(test.name, func(t *testing.T) {
			web := httptest.NewServer(test.handle)
			defer web.Close()
			c := newClient(t, web.URL, client.Config{Reconnection: client.Reconnection{Off: true}})
			err := c.Of("/").Connect(patient(t))
			refusal, ok := errors.AsType[*client.HandshakeError](err)
			if !ok || !strings.Contains(err.Error(), test.want) || refusal.Status < 400 {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

func TestConfigIsChecked(t *testing.T) {
	for _, test := range []struct {
		url    string
		config client.Config
		want   string
	}{
		{"localhost:3000", client.Config{}, "must begin with http://"},
		{"http://", client.Config{}, "has no host"},
		{"http://h/admin", client.Config{}, "a namespace is chosen by Of"},
		{"http://u:p@h", client.Config{}, "has a user"},
		{"http://h\x7f", client.Config{}, "the server's URL"},
		{"http://h", client.Config{Path: "io"}, "must begin with a slash"},
		{"http://h", client.Config{AckTimeout: -1}, "AckTimeout"},
		{"http://h", client.Config{SendQueue: -1}, "SendQueue"},
		{"http://h", client.Config{Auth: 1}, "no JSON object"},
		{"http://h", client.Config{Auth: map[string][]byte{"a": {1}}}, "binary"},
		{"http://h", client.Config{Auth: make(chan int)}, "auth"},
		{"http://h", client.Config{Auth: 1, AuthFunc: func(context.Context, string) (any, error) { return 1, nil }}, "both"},
		{"http://h", client.Config{Reconnection: client.Reconnection{Factor: 0.5}}, "Factor"},
		{"http://h", client.Config{Reconnection: client.Reconnection{Jitter: 2}}, "Jitter"},
		{"http://h", client.Config{Reconnection: client.Reconnection{Attempts: -1}}, "Attempts"},
		{"http://h", client.Config{Reconnection: client.Reconnection{Delay: -1}}, "Delay"},
	} {
		if _, err := client.New(test.url, test.config); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("New(%q, %+v): %v, want something about %q", test.url, test.config, err, test.want)
		}
	}
}

// TestCloseEndsHandlers: Close ends the context of a handler and waits for it; what waits behind it is dropped, and the
// disconnect handlers are still called. That the handler was interrupted is no failure.
func TestCloseEndsHandlers(t *testing.T) {
	p := startPuppet(t)
	c := newClient(t, p.web.URL, client.Config{})
	s := c.Of("/")
	started := make(chan struct{})
	var story []string
	client.On(s, "n", func(ctx context.Context, n int) error {
		close(started)
		<-ctx.Done()
		story = append(story, fmt.Sprint("event ", n))
		return ctx.Err()
	})
	s.OnDisconnect(func(ctx context.Context, reason client.Reason, _ error) {
		story = append(story, fmt.Sprint(reason, ctx.Err()))
	})
	h := p.join(s, `40{"sid":"s"}`)
	h.send(`42["n",1]`, `42["n",2]`)
	receive(t, "the event", started)
	go h.goodbye()
	c.Close()
	want(t, "story", fmt.Sprint(story), "[event 1 io client disconnect<nil>]")
}
