package socketio_test

import (
	"context"
	"fmt"

	"github.com/roombus/roombus/adapters/socketio"
)

// Handlers have the types of their arguments. What a client sends in another shape never reaches them.
func ExampleOnAck() {
	type Order struct {
		Item  string `json:"item"`
		Count int    `json:"count"`
	}
	type Receipt struct {
		Total float64 `json:"total"`
	}
	url, stop := serveExample(func(io *socketio.Server) {
		socketio.OnAck(io, "order", func(_ context.Context, _ *socketio.Socket, o Order) (Receipt, error) {
			if o.Count < 1 {
				return Receipt{}, &socketio.ClientError{Message: "order at least one"}
			}
			return Receipt{Total: 2.5 * float64(o.Count)}, nil
		})
		socketio.On2(io, "move", func(_ context.Context, _ *socketio.Socket, x, y int) error {
			fmt.Println("moved to", x, y)
			return nil
		})
	})
	defer stop()

	// JavaScript: socket.emit("order", {item: "tea", count: 2}, (receipt) => …)
	b, _ := connect(url, "")
	b.send(`421["order",{"item":"tea","count":2}]`)
	fmt.Println(b.receive())
	b.send(`422["order",{"item":"tea","count":0}]`)
	fmt.Println(b.receive())
	b.send(`423["move",3,4]`)
	fmt.Println(b.receive())
	b.close()
	// Output:
	// 431[{"total":5}]
	// 432[{"error":"order at least one"}]
	// moved to 3 4
	// 433[]
}

// A []byte is binary data, wherever it stands.
func ExampleOn_binary() {
	type Upload struct {
		Name string `json:"name"`
		Data []byte `json:"data"`
	}
	done := make(chan struct{})
	url, stop := serveExample(func(io *socketio.Server) {
		socketio.On(io, "upload", func(_ context.Context, _ *socketio.Socket, u Upload) error {
			defer close(done)
			fmt.Printf("%s: %d bytes\n", u.Name, len(u.Data))
			return nil
		})
	})
	defer stop()

	// JavaScript: socket.emit("upload", {name: "a.png", data: new Uint8Array([1, 2, 3])})
	b, _ := connect(url, "")
	b.send(`451-["upload",{"name":"a.png","data":{"_placeholder":true,"num":0}}]`)
	b.sendBinary([]byte{1, 2, 3})
	<-done
	b.close()
	// Output: a.png: 3 bytes
}

// Middleware decides who may connect; what it learns stays with the socket.
func ExampleNamespace_Use() {
	type User struct {
		Name string `json:"name"`
	}
	url, stop := serveExample(func(io *socketio.Server) {
		io.Use(func(_ context.Context, s *socketio.Socket) error {
			token := string(s.Handshake().Auth.JSON())
			if token != `{"token":"ann's"}` {
				return &socketio.ConnectError{Message: "log in first", Data: map[string]string{"at": "/login"}}
			}
			return s.SetData(User{Name: "Ann"})
		})
		socketio.OnAck0(io, "who am I", func(_ context.Context, s *socketio.Socket) (string, error) {
			user, err := socketio.Data[User](s)
			return user.Name, err
		})
	})
	defer stop()

	stranger, answer := connect(url, "")
	fmt.Println(answer)
	stranger.close()
	ann, _ := connect(url, `{"token":"ann's"}`)
	ann.send(`421["who am I"]`)
	fmt.Println(ann.receive())
	ann.close()
	// Output:
	// 44{"message":"log in first","data":{"at":"/login"}}
	// 431["Ann"]
}
