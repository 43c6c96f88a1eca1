package socketio_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/app"
)

// The examples run a node in memory and, in the place of a browser with the official client, a WebSocket on which the
// packets can be seen as they are: 40 is CONNECT, 42 an event, 43 an acknowledgement, 44 a refusal.

// serveExample runs a node whose server has the given handlers, until stop is called.
func serveExample(register func(io *socketio.Server)) (url string, stop func()) {
	return serveExampleBehind(func(h http.Handler) http.Handler { return h }, socketio.Config{}, register)
}

// serveExampleBehind is serveExample for a server with a config, behind HTTP middleware.
func serveExampleBehind(
	middleware func(http.Handler) http.Handler, config socketio.Config, register func(io *socketio.Server),
) (url string, stop func()) {
	cluster := inmemory.New(inmemory.Config{})
	member := cluster.Member()
	node, err := app.NewNode(member.Log(), member.Channel(), member.Sessions(), app.Config{})
	must(err)
	io, err := socketio.NewServer(node, config)
	must(err)
	register(io)
	must(node.Run(context.Background()))
	web := httptest.NewServer(middleware(io))
	return "ws" + strings.TrimPrefix(web.URL, "http"), func() {
		must(io.Close())
		web.Close()
		must(node.Close())
		must(cluster.Close())
	}
}

// browser is a client.
type browser struct{ conn net.Conn }

// connect connects to the default namespace with an auth payload, which may be empty, and returns the answer too.
func connect(url, auth string) (b browser, answer string) {
	conn, early, _, err := ws.Dial(context.Background(), url+"/socket.io/?EIO=4&transport=websocket")
	must(err)
	conn = withEarly(conn, early)
	b = browser{conn}
	b.receive() // the handshake
	b.send("40" + auth)
	return b, b.receive()
}

func (b browser) send(packet string) { must(wsutil.WriteClientText(b.conn, []byte(packet))) }

func (b browser) sendBinary(data []byte) { must(wsutil.WriteClientBinary(b.conn, data)) }

func (b browser) receive() string {
	must(b.conn.SetReadDeadline(time.Now().Add(patience)))
	packet, err := wsutil.ReadServerText(b.conn)
	must(err)
	return string(packet)
}

func (b browser) close() {
	b.send("1")
	_, _, err := wsutil.ReadServerData(b.conn)
	if err == nil {
		panic("the server goes on talking")
	}
	must(b.conn.Close())
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
