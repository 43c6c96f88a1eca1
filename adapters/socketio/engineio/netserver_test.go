package engineio

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
)

// TestTLS runs polling over HTTP/2 and a WebSocket over TLS.
func TestTLS(t *testing.T) {
	r := &recorder{events: make(chan event, 16), onMessage: echo}
	server, err := NewServer(r, Config{})
	if err != nil {
		t.Fatal(err)
	}
	httpServer := httptest.NewUnstartedServer(server)
	httpServer.EnableHTTP2 = true
	httpServer.StartTLS()
	defer httpServer.Close()
	defer server.Close()
	h := &host{recorder: r, t: t, server: server, client: httpServer.Client()}
	ask := func(method, query, body, want string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, httpServer.URL+"/?"+query, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := h.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil || res.ProtoMajor != 2 || !strings.HasPrefix(string(text), want) {
			t.Fatalf("%s: %s %q (%v), want HTTP/2 and %q", method, res.Proto, text, err, want)
		}
	}
	ask("GET", "EIO=4&transport=polling", "", "0{")
	c := h.expect("open").conn
	if c.Handshake().TLS == nil {
		t.Error("the handshake says nothing of TLS")
	}
	query := "EIO=4&transport=polling&sid=" + c.ID()
	ask("POST", query, "4hello", "ok")
	ask("GET", query, "", "4hello")

	pool := httpServer.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	dialer := ws.Dialer{TLSConfig: &tls.Config{RootCAs: pool, ServerName: "example.com"}}
	conn, ahead, _, err := dialer.Dial(t.Context(), "wss"+httpServer.URL[len("https"):]+"/?EIO=4&transport=websocket")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var in io.Reader = conn
	if ahead != nil {
		in = io.MultiReader(ahead, conn)
	}
	h.expect("message") // of the polling connection
	h.expect("open")
	if _, err := ws.ReadFrame(in); err != nil { //nolint:staticcheck // the peer is trusted
		t.Fatal(err)
	}
	for _, size := range []int{1, 100_000} {
		if _, err := conn.Write(clientFrame(ws.OpText, true, "4"+strings.Repeat("x", size))); err != nil {
			t.Fatal(err)
		}
		header, err := ws.ReadHeader(in)
		if err != nil || header.Length != int64(size+1) {
			t.Fatalf("header %+v, %v; want a length of %d", header, err, size+1)
		}
		if _, err := io.CopyN(io.Discard, in, header.Length); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAbortOfTLSDoesNotWait has a client that reads nothing, not even the
// goodbye of TLS: abort is called under the connection's lock.
func TestAbortOfTLSDoesNotWait(t *testing.T) {
	web := httptest.NewTLSServer(nil)
	config := web.TLS.Clone()
	web.Close()
	config.SessionTicketsDisabled = true
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		server := tls.Server(far, config)
		shaken := make(chan error, 1)
		go func() { shaken <- server.HandshakeContext(t.Context()) }()
		client := tls.Client(near, &tls.Config{InsecureSkipVerify: true})
		if err := client.HandshakeContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-shaken; err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		(&socket{conn: server}).abort()
		if took := time.Since(begin); took != 0 {
			t.Errorf("abort took %v", took)
		}
		_ = near.Close()
	})
}

// TestPlainResponseWriter has a middleware whose response writer can do nothing
// but write: polling works, a WebSocket is refused with a reason.
func TestPlainResponseWriter(t *testing.T) {
	r := &recorder{events: make(chan event, 16), onMessage: echo}
	refused := make(chan *Refusal, 1)
	server, err := NewServer(r, Config{OnRefused: func(_ *http.Request, r *Refusal) { refused <- r }})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	h := &host{recorder: r, t: t, server: server}
	ask := func(method, query, body string, header http.Header) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		req := httptest.NewRequestWithContext(t.Context(), method, "/?"+query, bytes.NewBufferString(body))
		req.Header = header
		server.ServeHTTP(struct{ http.ResponseWriter }{w}, req)
		return w
	}
	if w := ask("GET", "EIO=4&transport=polling", "", nil); w.Code != 200 {
		t.Fatalf("handshake: %d %s", w.Code, w.Body)
	}
	query := "EIO=4&transport=polling&sid=" + h.expect("open").conn.ID()
	if w := ask("POST", query, "4hello", nil); w.Body.String() != "ok" {
		t.Errorf("POST: %d %s", w.Code, w.Body)
	}
	if w := ask("GET", query, "", nil); w.Body.String() != "4hello" {
		t.Errorf("poll: %d %s", w.Code, w.Body)
	}
	upgrade := http.Header{"Connection": {"upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}}
	for _, query := range []string{"EIO=4&transport=websocket", strings.Replace(query, "=polling", "=websocket", 1)} {
		if w := ask("GET", query, "", upgrade); w.Code != http.StatusInternalServerError {
			t.Errorf("WebSocket: %d, want 500", w.Code)
		}
		if got := <-refused; got.Code != BadRequest || got.Detail == "" {
			t.Errorf("refusal is %v", got)
		}
	}
}

// TestTimeoutsOfTheHTTPServer has a poll that waits longer than the http.Server
// allows a request, and then more requests on the same network connection.
func TestTimeoutsOfTheHTTPServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, Config{}, nil, func(s *http.Server) {
			s.ReadTimeout, s.WriteTimeout, s.IdleTimeout = 5*time.Second, 5*time.Second, time.Hour
		})
		query, _ := h.openPolling()
		h.poll(query, "2")
		h.post(query, "3")
		h.poll(query, "2")
		h.post(query, "3")
		s, _ := h.openWebSocket()
		s.drain(true)
		advance(24 * time.Second)
		s.text("4hello")
		h.expectMessage("hello", false)
		if n := h.server.Len(); n != 2 {
			t.Errorf("%d connections, want 2", n)
		}
	})
}
