package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/adapters/socketio/client"
	"github.com/roombus/roombus/app"
)

// A service talks to a Socket.IO server, here one of ours; one of Node.js looks the same.
func Example() {
	url, stop := serveExample()
	defer stop()
	ctx := context.Background()

	c, err := client.New(url, client.Config{Auth: map[string]string{"token": "good"}})
	must(err)
	defer c.Close()
	chat := c.Of("/chat")
	news := make(chan string)
	client.On2(chat, "news", func(_ context.Context, room, text string) error {
		news <- room + ": " + text
		return nil
	})
	client.OnAck(chat, "who are you", func(context.Context, string) (string, error) { return "a service", nil })
	must(chat.Connect(ctx))

	answer, err := client.Decode[string](chat.EmitWithAck(ctx, "join", "lobby"))
	must(err)
	fmt.Println(answer)
	fmt.Println(<-news)

	// Output:
	// welcome, a service
	// lobby: somebody came
}

// A server that refuses a namespace says why.
func ExampleConnectError() {
	url, stop := serveExample()
	defer stop()

	c, err := client.New(url, client.Config{Auth: map[string]string{"token": "stolen"}})
	must(err)
	defer c.Close()
	err = c.Of("/chat").Connect(context.Background())
	if refused, ok := errors.AsType[*client.ConnectError](err); ok {
		code, _ := client.Decode[struct{ Code int }](refused.Data, nil)
		fmt.Println(refused.Message, code.Code)
	}

	// Output:
	// who are you? 401
}

// serveExample runs a server until stop is called.
func serveExample() (url string, stop func()) {
	cluster := inmemory.New(inmemory.Config{})
	member := cluster.Member()
	node, err := app.NewNode(member.Log(), member.Channel(), member.Sessions(), app.Config{})
	must(err)
	io, err := socketio.NewServer(node, socketio.Config{})
	must(err)
	chat := io.Of("/chat")
	chat.Use(func(_ context.Context, s *socketio.Socket) error {
		credentials, err := socketio.Decode[struct{ Token string }](s.Handshake().Auth, nil)
		if err != nil || credentials.Token != "good" {
			return &socketio.ConnectError{Message: "who are you?", Data: map[string]int{"code": 401}}
		}
		return nil
	})
	socketio.OnAck(chat, "join", func(ctx context.Context, s *socketio.Socket, room string) (string, error) {
		name, err := socketio.Decode[string](s.EmitWithAck(ctx, "who are you", room))
		if err != nil {
			return "", err
		}
		if err := s.Join(ctx, room); err != nil {
			return "", err
		}
		_, err = chat.To(room).Emit(ctx, "news", room, "somebody came")
		return "welcome, " + name, err
	})
	must(node.Run(context.Background()))
	web := httptest.NewServer(io)
	return web.URL, func() {
		must(io.Close())
		web.Close()
		must(node.Close())
		must(cluster.Close())
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
