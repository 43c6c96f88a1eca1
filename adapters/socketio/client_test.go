package socketio_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/roombus/roombus/adapters/socketio"
)

// patience is how long a test waits for what must come.
const patience = 10 * time.Second

// harness is a server on a lone node behind HTTP.
type harness struct {
	*socketio.Server
	t        testing.TB
	node     *loneNode
	http     *httptest.Server
	failures chan socketio.Failure
}

func serve(t *testing.T, config socketio.Config) *harness {
	t.Helper()
	return serveOn(t, &loneNode{}, config)
}

func serveOn(t *testing.T, node *loneNode, config socketio.Config) *harness {
	t.Helper()
	h := &harness{t: t, node: node, failures: make(chan socketio.Failure, 100)}
	if config.OnError == nil {
		config.OnError = func(_ context.Context, f socketio.Failure) { h.failures <- f }
	}
	if config.Engine.CloseTimeout == 0 {
		config.Engine.CloseTimeout = 50 * time.Millisecond // the clients here do not answer a close
	}
	server, err := socketio.NewServer(h.node, config)
	if err != nil {
		t.Fatal(err)
	}
	h.Server = server
	h.http = httptest.NewServer(server)
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Errorf("close the server: %v", err)
		}
		h.http.Close()
	})
	return h
}

// failure returns the next thing that Config.OnError was told.
func (h *harness) failure() socketio.Failure {
	h.t.Helper()
	return receive(h.t, "a failure", h.failures)
}

func (h *harness) noFailure() {
	h.t.Helper()
	select {
	case f := <-h.failures:
		h.t.Errorf("Config.OnError was told of %q: %v", f.Event, f.Err)
	default:
	}
}

// receive waits for a value.
func receive[T any](t testing.TB, what string, from <-chan T) T {
	t.Helper()
	select {
	case v, ok := <-from:
		if !ok {
			t.Fatalf("%s: the channel is closed", what)
		}
		return v
	case <-time.After(patience):
		t.Fatalf("%s: nothing came", what)
		panic("unreachable")
	}
}

// client speaks Engine.IO over a bare WebSocket.
type client struct {
	t    testing.TB
	conn net.Conn
	// engineID is the id of the Engine.IO connection.
	engineID string
	writing  sync.Mutex
}

// dial connects to the harness' server without joining a namespace.
func (h *harness) dial() *client {
	h.t.Helper()
	return dial(h.t, h.http.URL)
}

// dial connects to a server without joining a namespace.
func dial(t testing.TB, server string) *client {
	t.Helper()
	url := "ws" + strings.TrimPrefix(server, "http") + "/socket.io/?EIO=4&transport=websocket&token=x"
	dialer := ws.Dialer{Header: ws.HandshakeHeaderHTTP(http.Header{"Origin": {"http://elsewhere"}})}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, early, _, err := dialer.Dial(ctx, url)
	if err != nil {
		t.Fatalf("dial %s: %v", url, err)
	}
	conn = withEarly(conn, early)
	c := &client{t: t, conn: conn}
	t.Cleanup(func() { _ = conn.Close() })
	open := c.text()
	var handshake struct{ SID string }
	if !strings.HasPrefix(open, "0") || json.Unmarshal([]byte(open[1:]), &handshake) != nil {
		t.Fatalf("expected an open packet, got %q", open)
	}
	c.engineID = handshake.SID
	return c
}

// withEarly puts back what came with the answer to the handshake.
func withEarly(conn net.Conn, early *bufio.Reader) net.Conn {
	if early == nil || early.Buffered() == 0 {
		return conn
	}
	return &prefixed{Conn: conn, reader: io.MultiReader(io.LimitReader(early, int64(early.Buffered())), conn)}
}

// prefixed is a connection of which a part was read already.
type prefixed struct {
	net.Conn
	reader io.Reader
}

func (p *prefixed) Read(b []byte) (int, error) { return p.reader.Read(b) }

// join connects to a namespace of the server and returns the id of the socket.
func (h *harness) join(namespace string) (*client, string) {
	h.t.Helper()
	c := h.dial()
	id := c.join(namespace)
	return c, id
}

// join connects to a namespace and returns the id of the socket.
func (c *client) join(namespace string) string {
	c.t.Helper()
	c.send("40" + head(namespace))
	return c.joined(namespace)
}

// joined reads the answer to a CONNECT packet.
func (c *client) joined(namespace string) string {
	c.t.Helper()
	answer := c.text()
	body, ok := strings.CutPrefix(answer, "40"+head(namespace))
	var connected struct{ SID string }
	if !ok || json.Unmarshal([]byte(body), &connected) != nil || connected.SID == "" {
		c.t.Fatalf("expected to be connected to %s, got %q", namespace, answer)
	}
	return connected.SID
}

// head is how a namespace stands in a packet.
func head(namespace string) string {
	if namespace == "/" {
		return ""
	}
	return namespace + ","
}

// send sends text packets.
func (c *client) send(packets ...string) {
	c.t.Helper()
	c.writing.Lock()
	defer c.writing.Unlock()
	for _, p := range packets {
		if err := wsutil.WriteClientText(c.conn, []byte(p)); err != nil {
			c.t.Fatalf("send %q: %v", p, err)
		}
	}
}

func (c *client) sendBinary(data []byte) {
	c.t.Helper()
	c.writing.Lock()
	defer c.writing.Unlock()
	if err := wsutil.WriteClientBinary(c.conn, data); err != nil {
		c.t.Fatalf("send binary: %v", err)
	}
}

// read returns the next message; an error when the connection has ended.
func (c *client) read() ([]byte, ws.OpCode, error) {
	if err := c.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return nil, 0, err
	}
	return wsutil.ReadServerData(c.conn)
}

// text returns the next text packet.
func (c *client) text() string {
	c.t.Helper()
	data, op, err := c.read()
	if err != nil {
		c.t.Fatalf("read: %v", err)
	}
	if op != ws.OpText {
		c.t.Fatalf("expected text, got binary %v", data)
	}
	return string(data)
}

// want reads packets and compares them.
func (c *client) want(packets ...string) {
	c.t.Helper()
	for _, want := range packets {
		if got := c.text(); got != want {
			c.t.Fatalf("got packet %q, want %q", got, want)
		}
	}
}

func (c *client) wantBinary(want []byte) {
	c.t.Helper()
	data, op, err := c.read()
	if err != nil || op != ws.OpBinary || !bytes.Equal(data, want) {
		c.t.Fatalf("got %v %q (%v), want binary %q", op, data, err, want)
	}
}

// wantClosed reads until the server has closed the connection, and reports packets that come before.
func (c *client) wantClosed() {
	c.t.Helper()
	data, _, err := c.read()
	if err == nil && string(data) == "1" {
		data, _, err = c.read()
	}
	if err == nil {
		c.t.Fatalf("got packet %q, want the connection closed", data)
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		c.t.Fatal("the connection is not closed")
	}
	_ = c.conn.Close()
}

// poller speaks Engine.IO over long-polling.
type poller struct {
	t   testing.TB
	url string
}

// poll connects over long-polling and joins the default namespace.
func (h *harness) poll() *poller {
	h.t.Helper()
	p := &poller{t: h.t, url: h.http.URL + "/socket.io/?EIO=4&transport=polling"}
	var handshake struct{ SID string }
	if open := p.get(); json.Unmarshal([]byte(open[1:]), &handshake) != nil {
		h.t.Fatalf("expected an open packet, got %q", open)
	}
	p.url += "&sid=" + handshake.SID
	p.post("40")
	if got := p.get(); !strings.HasPrefix(got, `40{"sid":`) {
		h.t.Fatalf("expected to be connected, got %q", got)
	}
	return p
}

func (p *poller) get() string {
	p.t.Helper()
	return p.do(http.Get(p.url))
}

func (p *poller) post(payload string) {
	p.t.Helper()
	p.do(http.Post(p.url, "text/plain", strings.NewReader(payload)))
}

func (p *poller) do(response *http.Response, err error) string {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		p.t.Fatalf("status %s (%v): %s", response.Status, err, body)
	}
	return string(body)
}
