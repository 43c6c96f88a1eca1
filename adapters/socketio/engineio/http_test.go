package engineio

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestRefusals(t *testing.T) {
	forbid := func(r *http.Request) error {
		if r.Header.Get("X-Token") == "" {
			return errors.New(`no "token"`)
		}
		return nil
	}
	upgrade := []string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}
	tests := []struct {
		name, method, query string
		header              []string
		status              int
		body                string
	}{
		{"no transport", "GET", "EIO=4", nil, 400, `{"code":0,"message":"Transport unknown"}`},
		{"unknown transport", "GET", "EIO=4&transport=smoke", nil, 400, `{"code":0,"message":"Transport unknown"}`},
		{"JSONP", "GET", "EIO=4&transport=jsonp&j=1", nil, 400, `{"code":0,"message":"Transport unknown"}`},
		{"unknown session, GET", "GET", "EIO=4&transport=polling&sid=abc", nil, 400, `{"code":1,"message":"Session ID unknown"}`},
		{"unknown session, POST", "POST", "EIO=4&transport=polling&sid=abc", nil, 400, `{"code":1,"message":"Session ID unknown"}`},
		{"unknown session, WebSocket", "GET", "EIO=4&transport=websocket&sid=abc", upgrade, 400, `{"code":1,"message":"Session ID unknown"}`},
		{"handshake by POST", "POST", "EIO=4&transport=polling", nil, 400, `{"code":2,"message":"Bad handshake method"}`},
		{"preflight without CORS", "OPTIONS", "EIO=4&transport=polling", nil, 400, `{"code":2,"message":"Bad handshake method"}`},
		{"websocket without upgrade", "GET", "EIO=4&transport=websocket", nil, 400, `{"code":3,"message":"Bad request"}`},
		{"upgrade to polling", "GET", "EIO=4&transport=polling", upgrade, 400, `{"code":3,"message":"Bad request"}`},
		{"forbidden", "GET", "EIO=4&transport=polling", nil, 403, `{"code":4,"message":"no \"token\""}`},
		{"forbidden WebSocket", "GET", "EIO=4&transport=websocket", upgrade, 403, `{"code":4,"message":"no \"token\""}`},
		{"version 3", "GET", "EIO=3&transport=polling", []string{"X-Token", "1"}, 400, `{"code":5,"message":"Unsupported protocol version"}`},
		{"no version", "GET", "transport=polling", []string{"X-Token", "1"}, 400, `{"code":5,"message":"Unsupported protocol version"}`},
		{"version 3 by WebSocket", "GET", "EIO=3&transport=websocket", append([]string{"X-Token", "1"}, upgrade...), 400, `{"code":5,"message":"Unsupported protocol version"}`},
	}
	var refusals []*Refusal
	h := newHost(t, Config{AllowRequest: forbid, OnRefused: func(_ *http.Request, r *Refusal) { refusals = append(refusals, r) }}, nil)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			refusals = nil
			status, body, header := h.do(test.method, test.query, "", test.header...)
			if status != test.status || body != test.body {
				t.Errorf("answer is %d %s, want %d %s", status, body, test.status, test.body)
			}
			if got := header.Get("Content-Type"); got != "application/json" {
				t.Errorf("content type is %q", got)
			}
			if header.Get("Access-Control-Allow-Origin") != "" {
				t.Error("a CORS header, which nobody asked for")
			}
			if len(refusals) != 1 || !strings.HasPrefix(refusals[0].Error(), refusals[0].Message+" (code ") {
				t.Errorf("OnRefused was told %v", refusals)
			}
		})
	}
	if n := h.server.Len(); n != 0 {
		t.Errorf("%d connections", n)
	}
}

func TestRefusalsOfSession(t *testing.T) {
	h := newHost(t, Config{}, nil)
	query, _ := h.openPolling()
	_, socketConn := h.openWebSocket()
	socketQuery := "EIO=4&sid=" + socketConn.ID()
	tests := []struct{ name, method, query, body string }{
		{"polling on a WebSocket connection", "GET", socketQuery + "&transport=polling", `{"code":3,"message":"Bad request"}`},
		{"websocket without upgrade", "GET", socketQuery + "&transport=websocket", `{"code":3,"message":"Bad request"}`},
		{"other transport without upgrade", "GET", strings.Replace(query, "=polling", "=websocket", 1), `{"code":3,"message":"Bad request"}`},
		{"other version", "GET", strings.Replace(query, "EIO=4", "EIO=3", 1), `{"code":3,"message":"Bad request"}`},
		{"PUT", "PUT", query, `{"code":3,"message":"Bad request"}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if status, body, _ := h.do(test.method, test.query, ""); status != 400 || body != test.body {
				t.Errorf("answer is %d %s, want 400 %s", status, body, test.body)
			}
		})
	}
	if n := h.server.Len(); n != 2 {
		t.Errorf("%d connections are left, want 2: a refused request closes none", n)
	}
}

func TestRefusedWebSocketHandshake(t *testing.T) {
	refused := make(chan *Refusal, 1)
	h := newHost(t, Config{OnRefused: func(_ *http.Request, r *Refusal) { refused <- r }}, nil)
	status, _, _ := h.do("GET", "EIO=4&transport=websocket", "", "Connection", "Upgrade", "Upgrade", "websocket",
		"Sec-WebSocket-Version", "8", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
	if status != http.StatusUpgradeRequired {
		t.Errorf("status is %d, want 426", status)
	}
	if r := <-refused; r.Code != BadRequest {
		t.Errorf("refusal is %v", r)
	}
	eventually(t, "the connection is gone", func() bool { return h.server.Len() == 0 })
}

// TestHandshakeThatIsNotTaken has a client that asks for a WebSocket and does not
// read the answer.
func TestHandshakeThatIsNotTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := make(chan *Refusal, 1)
		h := newHost(t, Config{CloseTimeout: time.Second, OnRefused: func(_ *http.Request, r *Refusal) { refused <- r }}, nil)
		conn, err := h.listener.dial()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, err = io.WriteString(conn, "GET /?EIO=4&transport=websocket HTTP/1.1\r\nHost: host\r\nConnection: Upgrade\r\n"+
			"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if r := <-refused; !errors.Is(r, os.ErrDeadlineExceeded) || time.Since(began) > time.Second {
			t.Errorf("after %v: %v", time.Since(began), r)
		}
		synctest.Wait()
		if s := h.server.Stats(); s.Open != 0 || s.Closed[ReasonTransportError] != 1 {
			t.Errorf("the counts are %+v", s)
		}
	})
}

func TestHandshake(t *testing.T) {
	h := newHost(t, Config{PingInterval: 3 * time.Second, PingTimeout: 1500 * time.Millisecond, MaxPayload: 99}, nil)
	status, body, header := h.do("GET", "EIO=4&transport=polling&user=ada", "", "X-Test", "yes")
	c := h.expect("open").conn
	want := `0{"sid":"` + c.ID() + `","upgrades":["websocket"],"pingInterval":3000,"pingTimeout":1500,"maxPayload":99}`
	if status != 200 || body != want {
		t.Errorf("answer is %d %s, want 200 %s", status, body, want)
	}
	if got := header.Get("Content-Type"); got != "text/plain; charset=UTF-8" {
		t.Errorf("content type is %q", got)
	}
	if got := header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("cache control is %q", got)
	}
	if header.Get("Set-Cookie") != "" {
		t.Error("a cookie, which nobody asked for")
	}
	hs := c.Handshake()
	if hs.Method != http.MethodGet || hs.URL.Query().Get("user") != "ada" || hs.Header.Get("X-Test") != "yes" || hs.Host != "host" ||
		hs.RemoteAddr == "" || hs.TLS != nil || time.Since(hs.Time) > time.Minute {
		t.Errorf("handshake is %+v", hs)
	}
	if c.Transport() != Polling {
		t.Errorf("transport is %q", c.Transport())
	}
}

func TestHandshakeUpgrades(t *testing.T) {
	tests := []struct {
		name string
		cfg  Config
		want string
	}{
		{"both", Config{}, `"upgrades":["websocket"]`},
		{"switched off", Config{NoUpgrades: true}, `"upgrades":[]`},
		{"polling alone", Config{Transports: []Transport{Polling}}, `"upgrades":[]`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := newHost(t, test.cfg, nil)
			if _, body, _ := h.do("GET", "EIO=4&transport=polling", ""); !strings.Contains(body, test.want) {
				t.Errorf("handshake is %s, want %s in it", body, test.want)
			}
		})
	}
}

func TestTransportsThatAreOff(t *testing.T) {
	h := newHost(t, Config{Transports: []Transport{WebSocket}}, nil)
	if status, body, _ := h.do("GET", "EIO=4&transport=polling", ""); status != 400 || body != `{"code":0,"message":"Transport unknown"}` {
		t.Errorf("answer is %d %s", status, body)
	}
	h.openWebSocket()
}

func TestCookie(t *testing.T) {
	h := newHost(t, Config{Cookie: &http.Cookie{HttpOnly: true, SameSite: http.SameSiteLaxMode}}, nil)
	_, _, header := h.do("GET", "EIO=4&transport=polling", "")
	c := h.expect("open").conn
	if got, want := header.Get("Set-Cookie"), "io="+c.ID()+"; Path=/; HttpOnly; SameSite=Lax"; got != want {
		t.Errorf("cookie is %q, want %q", got, want)
	}
}

func TestCORS(t *testing.T) {
	named := &CORS{Origins: []string{"https://a.example"}, Credentials: true, MaxAge: time.Minute}
	exposed := &CORS{Origins: []string{"*"}, ExposedHeaders: []string{"X-Trace", "X-Node"}}
	asked := &CORS{AllowOrigin: func(o string) bool { return strings.HasSuffix(o, ".example") }, Headers: []string{"X-A", "X-B"}, Methods: []string{"GET"}}
	tests := []struct {
		name           string
		cors           *CORS
		method, origin string
		status         int
		want           map[string]string
	}{
		{"listed", named, "GET", "https://a.example", 200, map[string]string{"Access-Control-Allow-Origin": "https://a.example", "Access-Control-Allow-Credentials": "true", "Vary": "Origin"}},
		{"not listed", named, "GET", "https://b.example", 200, map[string]string{"Access-Control-Allow-Origin": "", "Access-Control-Allow-Credentials": "", "Vary": "Origin"}},
		{"no origin", named, "GET", "", 200, map[string]string{"Access-Control-Allow-Origin": ""}},
		{"all", &CORS{Origins: []string{"*"}}, "GET", "https://b.example", 200, map[string]string{"Access-Control-Allow-Origin": "*"}},
		{"asked", asked, "GET", "https://c.example", 200, map[string]string{"Access-Control-Allow-Origin": "https://c.example"}},
		{"exposed", exposed, "GET", "https://b.example", 200, map[string]string{"Access-Control-Expose-Headers": "X-Trace,X-Node"}},
		{"preflight, exposed", exposed, "OPTIONS", "https://b.example", 204, map[string]string{"Access-Control-Expose-Headers": "X-Trace,X-Node"}},
		{"preflight", named, "OPTIONS", "https://a.example", 204, map[string]string{
			"Access-Control-Allow-Origin": "https://a.example", "Access-Control-Allow-Methods": "GET,POST",
			"Access-Control-Allow-Headers": "x-token", "Access-Control-Max-Age": "60",
		}},
		{"preflight, set", asked, "OPTIONS", "https://c.example", 204, map[string]string{"Access-Control-Allow-Methods": "GET", "Access-Control-Allow-Headers": "X-A,X-B"}},
		{"preflight, not allowed", named, "OPTIONS", "https://b.example", 204, map[string]string{"Access-Control-Allow-Methods": "", "Access-Control-Allow-Origin": ""}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := newHost(t, Config{CORS: test.cors}, nil)
			header := []string{"Access-Control-Request-Headers", "x-token"}
			if test.origin != "" {
				header = append(header, "Origin", test.origin)
			}
			status, _, got := h.do(test.method, "EIO=4&transport=polling", "", header...)
			if status != test.status {
				t.Errorf("status is %d, want %d", status, test.status)
			}
			for name, want := range test.want {
				if got.Get(name) != want {
					t.Errorf("%s is %q, want %q", name, got.Get(name), want)
				}
			}
		})
	}
}

func TestConfigErrors(t *testing.T) {
	tests := []struct {
		name string
		cfg  Config
		want string
	}{
		{"negative duration", Config{PingTimeout: -1}, "PingTimeout"},
		{"duration too small", Config{PingInterval: time.Microsecond}, "PingInterval"},
		{"negative size", Config{QueueBytes: -1}, "QueueBytes"},
		{"negative number", Config{MaxConnections: -1}, "MaxConnections"},
		{"unknown transport", Config{Transports: []Transport{"smoke"}}, `"smoke"`},
		{"CORS for nobody", Config{CORS: &CORS{}}, "Origins"},
		{"CORS credentials for all", Config{CORS: &CORS{Origins: []string{"*"}, Credentials: true}}, "Credentials"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := NewServer(&recorder{}, test.cfg)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, want %s in it", err, test.want)
			}
		})
	}
	if _, err := NewServer(nil, Config{}); err == nil {
		t.Error("no error without a Handler")
	}
}

func TestEmptyWaitsForLastWords(t *testing.T) {
	h := newHost(t, Config{}, nil)
	query, conn := h.openPolling()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.server.Empty(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("with a connection, and a context that has ended: %v", err)
	}
	h.server.StopAccepting()
	empty := make(chan error, 1)
	go func() { empty <- h.server.Empty(t.Context()) }()
	if err := conn.Send(NewFrame([]byte("last"))); err != nil {
		t.Fatalf("Send: %v", err)
	}
	conn.Close(ReasonServerShuttingDown)
	h.expectClose(ReasonServerShuttingDown)
	select {
	case err := <-empty:
		t.Errorf("empty (%v) although a client has not fetched what is left for it", err)
	default:
	}
	if status, body, _ := h.do("GET", query, ""); status != http.StatusOK || !strings.HasPrefix(body, "4last") {
		t.Errorf("the last poll is answered with %d %q", status, body)
	}
	if err := <-empty; err != nil {
		t.Error(err)
	}
	if err := h.server.Empty(ended); err != nil {
		t.Errorf("without a connection: %v", err)
	}
}

func TestStopAcceptingAndClose(t *testing.T) {
	h := newHost(t, Config{}, nil)
	query, _ := h.openPolling()
	socket, socketConn := h.openWebSocket()
	h.server.StopAccepting()
	if status, _, _ := h.do("GET", "EIO=4&transport=polling", ""); status != http.StatusServiceUnavailable {
		t.Errorf("handshake after StopAccepting: %d, want 503", status)
	}
	h.post(query, "4still here")
	h.expectMessage("still here", false)
	if n := h.server.Len(); n != 2 {
		t.Errorf("%d connections, want 2", n)
	}
	if err := socketConn.Send(NewFrame([]byte("last"))); err != nil {
		t.Fatalf("Send: %v", err)
	}
	closed := make(chan error, 1)
	go func() { closed <- h.server.Close() }()
	socket.expect(0x1, "4last")
	socket.expectCloseFrame(1001)
	if err := <-closed; err != nil {
		t.Errorf("Close: %v", err)
	}
	for range 2 {
		h.expectClose(ReasonServerShuttingDown)
	}
	if err := h.server.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if status, body, _ := h.do("GET", query, ""); status != http.StatusServiceUnavailable || !strings.Contains(body, "shutting down") {
		t.Errorf("request after Close: %d %s, want 503", status, body)
	}
}
