package interop

import (
	"context"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/testkit/child"
	"github.com/roombus/roombus/internal/testkit/need"
)

// pythonPatience is how long the client may take for a step.
const pythonPatience = 30 * time.Second

// TestPython lets the client of python-socketio live through a scenario, over each
// transport: events and acks in both directions, binary, namespaces, rooms, and a
// disconnect by the server.
func TestPython(t *testing.T) {
	python := need.Python(t)
	for _, test := range []struct {
		name       string
		transports []string
		used       string
	}{
		{"polling", []string{"polling"}, "polling"},
		{"websocket", []string{"websocket"}, "websocket"},
		{"upgrade", nil, "websocket"},
	} {
		t.Run(test.name, func(t *testing.T) {
			url := servePython(t)
			lines := make(chan string, 100)
			client, err := child.Start(t, child.Config{
				Name: "python-socketio", Path: python,
				Args:   append([]string{filepath.Join("testdata", "client.py"), url}, test.transports...),
				OnLine: func(line []byte) { lines <- string(line) }, KeepLines: true,
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{
				`["transport", "` + test.used + `"]`,
				`["echo", [1.5, {"a": [null, true, "ü` + "\u2028" + `"]}]]`,
				`["binary", [{"bytes": "010200"}, {"file": {"bytes": "ff"}, "none": {"bytes": ""}}]]`,
				`["large", 100000]`,
				`["asked", ["answer", {"bytes": "05"}, ["how", {"bytes": "0900"}]]]`,
				`["chat", "/chat"]`,
				`["auth", "good python"]`,
				`["joined", "room"]`,
				`["news", "for the room", {"bytes": "0102"}]`,
				`["over", ["/chat"]]`,
			} {
				select {
				case got := <-lines:
					if got != want {
						t.Errorf("the client says\n%s\nwant\n%s", got, want)
					}
				case <-client.Exited():
					t.Fatalf("the client ended (%v) without saying %s", client.Err(), want)
				case <-time.After(pythonPatience):
					t.Fatalf("the client does not say %s", want)
				}
			}
			select {
			case <-client.Exited():
				if err := client.Err(); err != nil {
					t.Errorf("the client ended: %v", err)
				}
			case <-time.After(pythonPatience):
				t.Error("the client does not end")
			}
		})
	}
}

// servePython starts a node in memory with what the scenario asks of it.
func servePython(t *testing.T) (url string) {
	t.Helper()
	cluster := inmemory.New(inmemory.Config{})
	transport := cluster.Member()
	node, err := app.NewNode(transport.Log(), transport.Channel(), nil, app.Config{})
	if err != nil {
		t.Fatal(err)
	}
	io, err := socketio.NewServer(node, socketio.Config{
		OnError: func(_ context.Context, f socketio.Failure) { t.Errorf("%s: %v", f.Event, f.Err) },
	})
	if err != nil {
		t.Fatal(err)
	}
	socketio.OnAck2(io, "echo", func(_ context.Context, _ *socketio.Socket, a, b domain.Value) ([]domain.Value, error) {
		return []domain.Value{a, b}, nil
	})
	socketio.OnAck(io, "ask me", func(ctx context.Context, s *socketio.Socket, question string) (domain.Value, error) {
		return s.EmitWithAck(ctx, "ask", question, []byte{9, 0})
	})
	socketio.OnAck0(io.Of("/chat"), "where", func(_ context.Context, s *socketio.Socket) (string, error) {
		return s.Namespace().Name(), nil
	})
	socketio.OnAck0(io, "auth", func(_ context.Context, s *socketio.Socket) (string, error) {
		h := s.Handshake()
		auth, err := socketio.Decode[struct {
			Token string `json:"token"`
		}](h.Auth, nil)
		return auth.Token + " " + h.Headers["x-from"][0], err
	})
	socketio.OnAck(io, "join", func(ctx context.Context, s *socketio.Socket, room string) (string, error) {
		if err := s.Join(ctx, room); err != nil {
			return "", err
		}
		_, err := io.To(room).Emit(ctx, "news", "for the "+room, []byte{1, 2})
		return room, err
	})
	socketio.On0(io, "farewell", func(ctx context.Context, s *socketio.Socket) error { return s.Disconnect(ctx) })
	if err := node.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(io)
	t.Cleanup(func() {
		for _, end := range []func() error{io.Close, node.Close, transport.Close, cluster.Close} {
			if err := end(); err != nil {
				t.Errorf("closing: %v", err)
			}
		}
		server.Close()
	})
	return server.URL
}
