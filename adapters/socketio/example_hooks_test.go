package socketio_test

import (
	"context"
	"fmt"

	"github.com/roombus/roombus/adapters/socketio"
)

// Who may join a room is asked in one place, whichever handler acts for the client.
func ExampleNamespace_AuthorizeJoin() {
	url, stop := serveExample(func(io *socketio.Server) {
		io.AuthorizeJoin(func(_ context.Context, _ *socketio.Socket, room string) error {
			if room == "staff" {
				return &socketio.ClientError{Message: "for staff only"}
			}
			return nil
		})
		socketio.On(io, "join", func(ctx context.Context, s *socketio.Socket, room string) error {
			return s.Join(ctx, room)
		})
	})
	defer stop()

	ann, _ := connect(url, "")
	ann.send(`421["join","staff"]`)
	fmt.Println(ann.receive())
	ann.send(`422["join","lobby"]`)
	fmt.Println(ann.receive())
	ann.close()
	// Output:
	// 431[{"error":"for staff only"}]
	// 432[]
}

// A room exists on a node while a socket of the node is in it.
func ExampleNamespace_OnRoomCreated() {
	told := make(chan string)
	url, stop := serveExample(func(io *socketio.Server) {
		io.OnRoomCreated(func(_ context.Context, room string) { told <- "created " + room })
		io.OnRoomDeleted(func(_ context.Context, room string) { told <- "deleted " + room })
		io.OnConnect(func(ctx context.Context, s *socketio.Socket) error { return s.Join(ctx, "lobby") })
	})
	defer stop()

	ann, _ := connect(url, "")
	fmt.Println(<-told)
	ann.close()
	fmt.Println(<-told)
	// Output:
	// created lobby
	// deleted lobby
}
