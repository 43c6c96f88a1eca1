package socketio_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/adapters/socketio/engineio"
	"github.com/roombus/roombus/adapters/socketio/parser"
	chromium "github.com/roombus/roombus/internal/testkit/browser"
	"github.com/roombus/roombus/internal/testkit/nodejs"
)

// noScript is the URL of a script that does nothing.
const noScript = "data:text/javascript,"

// A page of another origin connects where it may: with its cookies and a header of its own, which the browser asks about
// before, and gets the server's cookie and a header that it may read. It has the client from there, as a module.
func TestBrowserOtherOrigin(t *testing.T) {
	friend := site(t, http.NotFoundHandler(), noScript)
	cookies := make(chan string, 1_000)
	node := startCluster(t, 1, socketio.Config{
		Client: nodejs.Client48.Bundle(t),
		Engine: engineio.Config{
			CORS:   &engineio.CORS{Origins: []string{friend.URL}, Credentials: true, ExposedHeaders: []string{"X-Node"}},
			Cookie: &http.Cookie{HttpOnly: true, SameSite: http.SameSiteLaxMode},
			Headers: func(h http.Header, r *http.Request) {
				h.Set("X-Node", "one")
				if cookie, err := r.Cookie("io"); err == nil && cookie.Value == r.URL.Query().Get("sid") {
					cookies <- r.URL.Query().Get("transport")
				}
			},
		},
	})[0]
	p := tab{chromium.Open(t, friend.URL), t}
	p.Do(`document.cookie = "user=ann"`)
	p.Do(`import("` + node.url + `/socket.io/socket.io.esm.min.js").then((module) => void (window.io = module.io))`)
	for _, transport := range transports {
		p.Do(`void (notes.length = 0)`)
		p.connect(node.url, transport.use, map[string]any{
			"withCredentials": true, "extraHeaders": map[string]string{"x-tenant": "blue"},
		})
		p.wantAnswer(`"echo", 1, 2`, `[[1,2]]`)
		sockets := node.Sockets()
		if len(sockets) != 1 {
			t.Fatalf("%s: %d sockets", transport.name, len(sockets))
		}
		h := sockets[0].Handshake()
		tenant := strings.Join(h.Headers["x-tenant"], " ")
		if transport.name == "websocket" {
			tenant = "blue" // browsers cannot send headers of their own there
		}
		if !h.CrossDomain || tenant != "blue" || !strings.Contains(strings.Join(h.Headers["cookie"], ";"), "user=ann") {
			t.Errorf("%s: the handshake is %+v", transport.name, h)
		}
		if transport.name != "websocket" { // which has no further requests
			if got := receive(t, "a request with the server's cookie", cookies); got != "polling" {
				t.Errorf("the cookie came with %s", got)
			}
		}
		p.Do(`void socket.disconnect()`)
		receive(t, "the end", node.left)
	}
	const read = `fetch(%s, {headers: {"x-tenant": "blue"}}).then((answer) => answer.headers.get("x-node"))`
	address := p.javascript(node.url + "/socket.io/?EIO=4&transport=polling")
	if got := chromium.Eval[string](p.Page, strings.Replace(read, "%s", address, 1)); got != "one" {
		t.Errorf("the page reads the header %q", got)
	}
	p.WantNoErrors()
}

// A page of an origin that is not allowed does not get in: not over polling, by the browser's doing, and not over
// WebSocket, by AllowRequest's, whose words it does not see.
func TestBrowserForeignOrigin(t *testing.T) {
	const friend = "https://friend.example"
	node := startCluster(t, 1, socketio.Config{
		Client: nodejs.Client48.Bundle(t),
		Engine: engineio.Config{
			CORS: &engineio.CORS{Origins: []string{friend}},
			AllowRequest: func(r *http.Request) error {
				if origin := r.Header.Get("Origin"); origin != friend && r.URL.Query().Get("transport") == "websocket" {
					return errors.New("not from there")
				}
				return nil
			},
		},
	})[0]
	web := site(t, http.NotFoundHandler(), node.url+"/socket.io/socket.io.min.js")
	p := tab{chromium.Open(t, web.URL), t}
	p.open(node.url, []string{"polling"}, map[string]any{"reconnection": false})
	p.noted("connect_error", "xhr poll error", nil)
	p.open(node.url, []string{"websocket"}, map[string]any{"reconnection": false})
	p.noted("connect_error", "websocket error", nil)
	if n := len(node.Sockets()); n != 0 {
		t.Errorf("%d sockets, want none", n)
	}
}

// Over TLS a browser polls by HTTP/2, and upgrades by HTTP/1.1.
func TestBrowserHTTP2(t *testing.T) {
	protocols := make(chan string, 1_000)
	node := startCluster(t, 1, socketio.Config{
		Client: nodejs.Client48.Bundle(t),
		Engine: engineio.Config{Headers: func(_ http.Header, r *http.Request) {
			protocols <- r.URL.Query().Get("transport") + " " + r.Proto
		}},
	})[0]
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", node)
	mux.Handle("/{$}", site(t, node, "/socket.io/socket.io.min.js").Config.Handler)
	web := httptest.NewUnstartedServer(mux)
	web.EnableHTTP2 = true
	web.StartTLS()
	t.Cleanup(func() {
		web.CloseClientConnections()
		web.Close()
	})
	p := tab{chromium.Open(t, web.URL), t}
	p.connect("", nil, nil)
	p.wantAnswer(`"echo", new Blob(["ab"]), 2`, `[[{"bytes":[97,98]},2]]`)
	for _, s := range node.Sockets() {
		if !s.Handshake().Secure || s.Transport() != engineio.WebSocket {
			t.Errorf("the socket is on %s, secure %v", s.Transport(), s.Handshake().Secure)
		}
	}
	p.WantNoErrors()
	seen := map[string]bool{}
	for len(protocols) > 0 {
		seen[<-protocols] = true
	}
	if len(seen) != 2 || !seen["polling HTTP/2.0"] || !seen["websocket HTTP/1.1"] {
		t.Errorf("the requests were %v", seen)
	}
}

// The bundle with the msgpack parser, which the server does not have, is turned away.
func TestBrowserMsgpackIsRefused(t *testing.T) {
	node := startCluster(t, 1, socketio.Config{Client: nodejs.Client48.Bundle(t)})[0]
	p := tab{chromium.Open(t, site(t, node, "/socket.io/socket.io.msgpack.min.js").URL), t}
	p.open("", []string{"websocket"}, map[string]any{"reconnection": false})
	p.noted("disconnect", "transport close")
	if n := node.Stats().Causes[parser.ErrMalformed]; n != 1 {
		t.Errorf("%d connections were closed for what is no packet, want 1", n)
	}
}
