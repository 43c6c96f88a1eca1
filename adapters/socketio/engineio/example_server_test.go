package engineio_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/roombus/roombus/adapters/socketio/engineio"
)

// shouter answers every text in capitals.
type shouter struct{}

func (shouter) Open(c *engineio.Conn) engineio.Receiver { return voice{c} }

type voice struct{ conn *engineio.Conn }

func (v voice) Message(data []byte, _ bool) {
	if err := v.conn.Send(engineio.NewFrame([]byte(strings.ToUpper(string(data))))); err != nil {
		fmt.Println("not sent:", err)
	}
}

func (voice) Close(reason engineio.Reason, _ error) { fmt.Println("closed:", reason) }

// A server is an http.Handler. Here its client is a very small one, over
// polling.
func ExampleServer() {
	server, err := engineio.NewServer(shouter{}, engineio.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/engine.io/", server)
	httpServer := httptest.NewServer(mux)
	defer httpServer.Close()

	url := httpServer.URL + "/engine.io/?EIO=4&transport=polling"
	handshake := read(http.Get(url))
	url += "&sid=" + handshake[len(`0{"sid":"`):][:20]
	fmt.Println(read(http.Post(url, "text/plain", strings.NewReader("4hello\x1e4world"))))
	fmt.Printf("%q\n", read(http.Get(url)))
	if err := server.Close(); err != nil {
		fmt.Println(err)
	}
	http.DefaultClient.CloseIdleConnections()
	// Output:
	// ok
	// "4HELLO\x1e4WORLD"
	// closed: server shutting down
}

func read(res *http.Response, err error) string {
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
