package engineio

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must come.
const patience = 10 * time.Second

// event is one call of a Handler or Receiver.
type event struct {
	conn   *Conn
	kind   string // "open", "message" or "close"
	data   string
	binary bool
	reason Reason
	err    error
}

// recorder is a Handler that notes every call. The hooks run inside the calls.
type recorder struct {
	events    chan event
	onOpen    func(*Conn)
	onMessage func(*Conn, []byte, bool)
	onUpgrade func(*Conn)
}

func (r *recorder) Open(c *Conn) Receiver {
	if r.onOpen != nil {
		r.onOpen(c)
	}
	r.events <- event{conn: c, kind: "open"}
	return recording{r, c}
}

type recording struct {
	r *recorder
	c *Conn
}

func (r recording) Message(data []byte, binary bool) {
	if r.r.onMessage != nil {
		r.r.onMessage(r.c, data, binary)
	}
	r.r.events <- event{conn: r.c, kind: "message", data: string(data), binary: binary}
}

func (r recording) Upgraded() {
	if r.r.onUpgrade != nil {
		r.r.onUpgrade(r.c)
	}
}

func (r recording) Close(reason Reason, err error) {
	r.r.events <- event{conn: r.c, kind: "close", reason: reason, err: err}
}

// echo is an onMessage that sends back what comes.
func echo(c *Conn, data []byte, binary bool) {
	f := NewBinaryFrame(data)
	if !binary {
		f = NewFrame(data)
	}
	// A connection that closes meanwhile needs no echo.
	_ = c.Send(f)
}

// host is a Server behind net/http on connections in memory, or over TCP in the
// subtests of TestOverTCP.
type host struct {
	*recorder
	t        *testing.T
	server   *Server
	listener *pipeListener
	client   *http.Client
}

func newHost(t *testing.T, cfg Config, r *recorder, settings ...func(*http.Server)) *host {
	t.Helper()
	if r == nil {
		r = &recorder{}
	}
	r.events = make(chan event, 4096)
	server, err := NewServer(r, cfg)
	if err != nil {
		t.Fatalf("NewServer: %v", err)
	}
	pipe := net.Pipe
	if strings.HasPrefix(t.Name(), "TestOverTCP/") {
		pipe = func() (near, far net.Conn) { return tcpPipe(t) }
	}
	listener := &pipeListener{pipe: pipe, conns: make(chan net.Conn), done: make(chan struct{})}
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return listener.dial() }}
	h := &host{recorder: r, t: t, server: server, listener: listener, client: &http.Client{Transport: transport}}
	httpServer := &http.Server{Handler: server, ReadHeaderTimeout: time.Minute}
	for _, set := range settings {
		set(httpServer)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := httpServer.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
	})
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if n := server.Len(); n != 0 {
			t.Errorf("%d connections after Close", n)
		}
		transport.CloseIdleConnections()
		if err := httpServer.Close(); err != nil {
			t.Errorf("closing the HTTP server: %v", err)
		}
		serving.Wait()
	})
	return h
}

// tcpPipe is net.Pipe over TCP.
func tcpPipe(t *testing.T) (near, far net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if near, err = net.Dial("tcp", listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if far, err = listener.Accept(); err != nil {
		t.Fatal(err)
	}
	return near, far
}

// pipeListener accepts connections that it makes itself.
type pipeListener struct {
	pipe  func() (near, far net.Conn)
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "pipe"} }

func (l *pipeListener) dial() (net.Conn, error) {
	near, far := l.pipe()
	select {
	case l.conns <- far:
		return near, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// next waits for the next call of the handler.
func (h *host) next() event {
	h.t.Helper()
	select {
	case e := <-h.events:
		return e
	case <-time.After(patience):
		h.t.Fatal("no event")
		return event{}
	}
}

// expect waits for the next call and checks its kind.
func (h *host) expect(kind string) event {
	h.t.Helper()
	e := h.next()
	if e.kind != kind {
		h.t.Fatalf("got event %+v, want a %s", e, kind)
	}
	return e
}

func (h *host) expectMessage(data string, binary bool) {
	h.t.Helper()
	if e := h.expect("message"); e.data != data || e.binary != binary {
		h.t.Fatalf("got message %q (binary %v), want %q (binary %v)", e.data, e.binary, data, binary)
	}
}

func (h *host) expectClose(reason Reason) event {
	h.t.Helper()
	e := h.expect("close")
	if e.reason != reason {
		h.t.Fatalf("closed with %q (%v), want %q", e.reason, e.err, reason)
	}
	return e
}

// do sends a request and returns status, body and headers.
func (h *host) do(method, query, body string, header ...string) (int, string, http.Header) {
	h.t.Helper()
	status, text, headers, err := h.try(h.t.Context(), method, query, body, header...)
	if err != nil {
		h.t.Fatalf("%s %s: %v", method, query, err)
	}
	return status, text, headers
}

func (h *host) try(ctx context.Context, method, query, body string, header ...string) (int, string, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://host/engine.io/?"+query, strings.NewReader(body))
	if err != nil {
		return 0, "", nil, err
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := h.client.Do(req)
	if err != nil {
		return 0, "", nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, string(text), res.Header, err
}

// request sends a request on a goroutine of its own; status and body come on the
// channel.
func (h *host) request(method, query, body string) <-chan string {
	answer := make(chan string, 1)
	go func() {
		status, text, _, err := h.try(h.t.Context(), method, query, body)
		if err != nil {
			text = err.Error()
		}
		answer <- fmt.Sprint(status, " ", text)
	}()
	return answer
}

var sidPattern = regexp.MustCompile(`"sid":"([A-Za-z0-9_-]{20})"`)

// openPolling makes a polling connection and returns the query for its requests.
func (h *host) openPolling() (query string, c *Conn) {
	h.t.Helper()
	status, body, _ := h.do("GET", "EIO=4&transport=polling", "")
	sid := sidPattern.FindStringSubmatch(body)
	if status != 200 || sid == nil {
		h.t.Fatalf("handshake: %d %q", status, body)
	}
	return "EIO=4&transport=polling&sid=" + sid[1], h.expect("open").conn
}

func (h *host) poll(query, want string) {
	h.t.Helper()
	if status, body, _ := h.do("GET", query, ""); status != 200 || body != want {
		h.t.Fatalf("poll: %d %q, want 200 %q", status, body, want)
	}
}

func (h *host) post(query, body string) {
	h.t.Helper()
	if status, answer, _ := h.do("POST", query, body); status != 200 || answer != "ok" {
		h.t.Fatalf("POST: %d %q, want 200 ok", status, answer)
	}
}

// waiting waits until the connection has a poll that waits.
func (h *host) waiting(c *Conn) {
	h.t.Helper()
	eventually(h.t, "a poll waits", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.poll != nil
	})
}

// settled waits until nothing is queued or on its way.
func (h *host) settled(c *Conn) {
	h.t.Helper()
	eventually(h.t, "nothing is queued", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.packets == 0
	})
}

// eventually asks until the answer is yes. It is for states that give no sign.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(patience)
	for !f() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("it never came that %s", what)
		}
	}
}

// rawSocket is a WebSocket client that can do wrong.
type rawSocket struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
	// header is that of the handshake's answer.
	header http.Header
	// inflates says that frames may be deflated, and deflated that the last one was.
	inflates, deflated bool
}

func (h *host) dialWebSocket(query string, header ...string) *rawSocket {
	h.t.Helper()
	conn, err := h.listener.dial()
	if err != nil {
		h.t.Fatalf("dial: %v", err)
	}
	h.t.Cleanup(func() { _ = conn.Close() })
	s := &rawSocket{t: h.t, conn: conn, r: bufio.NewReader(conn)}
	_, err = fmt.Fprintf(conn, "GET /engine.io/?%s HTTP/1.1\r\nHost: host\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nUser-Agent: raw\r\n%s\r\n",
		query, strings.Join(append(header, ""), "\r\n"))
	if err != nil {
		h.t.Fatalf("handshake: %v", err)
	}
	res, err := http.ReadResponse(s.r, nil) //nolint:bodyclose // status 101 has no body
	if err != nil {
		h.t.Fatalf("handshake: %v", err)
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		h.t.Fatalf("handshake: status %d", res.StatusCode)
	}
	if got := res.Header.Get("Sec-WebSocket-Accept"); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		h.t.Fatalf("Sec-WebSocket-Accept is %q", got)
	}
	s.header = res.Header
	return s
}

// openWebSocket makes a WebSocket connection.
func (h *host) openWebSocket(header ...string) (*rawSocket, *Conn) {
	h.t.Helper()
	s := h.dialWebSocket("EIO=4&transport=websocket", header...)
	if op, payload := s.recv(); op != ws.OpText || !sidPattern.Match(payload) {
		h.t.Fatalf("open packet: %v %q", op, payload)
	}
	return s, h.expect("open").conn
}

var mask = [4]byte{1, 2, 3, 4}

// clientFrame is a masked frame.
func clientFrame(op ws.OpCode, fin bool, payload string) []byte {
	var b bytes.Buffer
	data := []byte(payload)
	ws.Cipher(data, mask, 0)
	if err := ws.WriteHeader(&b, ws.Header{Fin: fin, OpCode: op, Masked: true, Mask: mask, Length: int64(len(data))}); err != nil {
		panic(err)
	}
	b.Write(data)
	return b.Bytes()
}

// send writes; the server may close meanwhile, which shows when reading.
func (s *rawSocket) send(frames ...[]byte) {
	for _, f := range frames {
		_, _ = s.conn.Write(f)
	}
}

func (s *rawSocket) text(payload string) { s.send(clientFrame(ws.OpText, true, payload)) }

// recv reads one frame, which must be whole and unmasked.
func (s *rawSocket) recv() (ws.OpCode, []byte) {
	s.t.Helper()
	op, payload, err := s.read()
	if err != nil {
		s.t.Fatalf("reading a frame: %v", err)
	}
	return op, payload
}

func (s *rawSocket) read() (ws.OpCode, []byte, error) {
	_ = s.conn.SetReadDeadline(time.Now().Add(patience))
	h, err := ws.ReadHeader(s.r)
	if err != nil {
		return 0, nil, err
	}
	s.deflated = h.Rsv1() && s.inflates
	if h.Masked || !h.Fin || h.Rsv != 0 && !s.deflated {
		return 0, nil, fmt.Errorf("bad frame header %+v", h)
	}
	payload := make([]byte, h.Length)
	_, err = io.ReadFull(s.r, payload)
	return h.OpCode, payload, err
}

func (s *rawSocket) expect(op ws.OpCode, want string) {
	s.t.Helper()
	if got, payload := s.recv(); got != op || string(payload) != want {
		s.t.Fatalf("got frame %#x %q, want %#x %q", got, payload, op, want)
	}
}

// expectCloseFrame reads up to a close frame and checks its code; 0 means none.
// Then the network connection must end.
func (s *rawSocket) expectCloseFrame(code ws.StatusCode) {
	s.t.Helper()
	for {
		op, payload, err := s.read()
		if err != nil {
			s.t.Fatalf("no close frame: %v", err)
		}
		if op != ws.OpClose {
			continue
		}
		if got, _ := ws.ParseCloseFrameData(payload); got != code {
			s.t.Fatalf("close frame with code %d, want %d", got, code)
		}
		break
	}
	s.send(clientFrame(ws.OpClose, true, "\x03\xe8"))
	if _, _, err := s.read(); err == nil {
		s.t.Fatal("a frame after the close frame")
	}
}
