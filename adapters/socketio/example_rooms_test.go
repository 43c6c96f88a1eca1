package socketio_test

import (
	"context"
	"fmt"

	"github.com/roombus/roombus/adapters/socketio"
)

// What is emitted to a room reaches its sockets on all nodes.
func ExampleSocket_To() {
	url, stop := serveExample(func(io *socketio.Server) {
		socketio.On(io, "join", func(ctx context.Context, s *socketio.Socket, room string) error {
			return s.Join(ctx, room)
		})
		socketio.On2(io, "say", func(ctx context.Context, s *socketio.Socket, room, text string) error {
			_, err := s.To(room).Emit(ctx, "said", text)
			return err
		})
	})
	defer stop()

	ann, _ := connect(url, "")
	ben, _ := connect(url, "")
	for _, b := range []browser{ann, ben} {
		b.send(`421["join","lobby"]`)
		fmt.Println(b.receive())
	}
	ann.send(`42["say","lobby","hello"]`)
	fmt.Println(ben.receive())
	ann.close()
	ben.close()
	// Output:
	// 431[]
	// 431[]
	// 42["said","hello"]
}

// The clients of a room are asked, and their answers collected.
func ExampleCollect() {
	var server *socketio.Server
	url, stop := serveExample(func(io *socketio.Server) { server = io })
	defer stop()

	b, _ := connect(url, "")
	// JavaScript: socket.on("ready?", (callback) => callback(true))
	go func() {
		b.receive()
		b.send(`430[true]`)
	}()
	ready, err := socketio.Collect[bool](server.EmitWithAck(context.Background(), "ready?"))
	fmt.Println(ready, err)
	b.close()
	// Output: [true] <nil>
}
