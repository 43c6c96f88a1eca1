package socketio_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/adapters/socketio/engineio"
)

// What HTTP middleware has put into the context of the handshake's request is in the context of every handler: a router's
// own authentication serves the sockets, too.
func ExampleConfig_connContext() {
	type userKey struct{}
	login := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), userKey{}, "ann")))
		})
	}
	config := socketio.Config{Engine: engineio.Config{ConnContext: (*http.Request).Context}}
	url, stop := serveExampleBehind(login, config, func(io *socketio.Server) {
		socketio.OnAck0(io, "who am i", func(ctx context.Context, _ *socketio.Socket) (any, error) {
			return ctx.Value(userKey{}), nil
		})
	})
	defer stop()

	b, _ := connect(url, "")
	b.send(`421["who am i"]`)
	fmt.Println(b.receive())
	b.close()
	// Output:
	// 431["ann"]
}
