package engineio

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// TestStats lets happen what is counted, each a different number of times.
func TestStats(t *testing.T) {
	h := newHost(t, Config{MaxConnections: 3, AllowRequest: func(r *http.Request) error {
		if r.Header.Get("X-Banned") != "" {
			return &Refusal{Code: 99, Message: "banned"}
		}
		return nil
	}}, nil)
	if s := h.server.Stats(); s.Open != 0 || len(s.Refused) != 6 || len(s.Causes) != len(countedCauses) || s.Closed[otherReason] != 0 {
		t.Errorf("at the beginning: %+v", s)
	}

	// Two by polling, of which one is upgraded, and one by WebSocket: the server is full.
	query, first := h.openPolling()
	other, _ := h.openPolling()
	socket, _ := h.openWebSocket()
	if status, body, _ := h.do("GET", "EIO=4&transport=polling", ""); status != 503 || body != `{"code":3,"message":"The server is full"}` {
		t.Errorf("beyond MaxConnections: %d %q", status, body)
	}
	upgraded := h.upgrade(query)
	if s := h.server.Stats(); s.Open != 3 || s.OpenedPolling != 2 || s.OpenedWebSocket != 1 || s.Upgraded != 1 ||
		s.UpgradesFailed != 0 || s.Unavailable != 1 {
		t.Errorf("with three connections: %+v", s)
	}

	// They end in three ways.
	first.Close("a reason of the application's own")
	upgraded.expectCloseFrame(ws.StatusNormalClosure)
	h.expect("close")
	socket.send(clientFrame(ws.OpText, true, "9"))
	h.expectClose(ReasonParseError)
	if status, _, _ := h.do("POST", other, strings.Repeat("3\x1e", maxControls)+"3"); status != 400 {
		t.Errorf("a flood of pongs in a POST: status %d", status)
	}
	if e := h.expectClose(ReasonTransportError); !errors.Is(e.err, ErrFlood) {
		t.Errorf("closed with %v", e.err)
	}
	h.do("GET", "EIO=3&transport=polling", "")
	h.do("GET", "EIO=4&transport=pigeon", "")
	h.do("GET", "EIO=4&transport=polling", "", "X-Banned", "1")
	s := h.server.Stats()
	for what, counts := range map[string][2]uint64{
		"other":              {s.Closed[otherReason], 1},
		"parse errors":       {s.Closed[ReasonParseError], 1},
		"transport errors":   {s.Closed[ReasonTransportError], 1},
		"unknown packets":    {s.Causes[ErrUnknownPacket], 1},
		"floods":             {s.Causes[ErrFlood], 1},
		"overflows":          {s.Causes[ErrOverflow], 0},
		"unknown transports": {s.Refused[UnknownTransport], 1},
		"unknown versions":   {s.Refused[UnsupportedProtocolVersion], 1},
		"codes of its own":   {s.Refused[Forbidden], 1},
		"floods by POST":     {s.Refused[BadRequest], 1},
		"open":               {uint64(s.Open), 0},
		"unavailable":        {s.Unavailable, 1},
		"volatile":           {s.VolatileDropped, 0},
	} {
		if counts[0] != counts[1] {
			t.Errorf("%s: %d, want %d", what, counts[0], counts[1])
		}
	}
	// A connection that has gone makes room for another.
	h.openPolling()
}

// upgrade replaces a polling connection by a WebSocket.
func (h *host) upgrade(query string) *rawSocket {
	h.t.Helper()
	socket := h.dialWebSocket(strings.Replace(query, "polling", "websocket", 1))
	socket.text("2probe")
	socket.expect(ws.OpText, "3probe")
	socket.text("5")
	// The pong comes when the upgrade is over.
	socket.send(clientFrame(ws.OpPing, true, "over"))
	socket.expect(ws.OpPong, "over")
	return socket
}

func TestAllowRequestRefusal(t *testing.T) {
	cause := errors.New("no ticket")
	var told []*Refusal
	h := newHost(t, Config{
		AllowRequest: func(r *http.Request) error {
			if r.Header.Get("X-Own") != "" {
				return fmt.Errorf("refused: %w", &Refusal{Code: BadRequest, Message: "come back later", Err: cause})
			}
			return cause
		},
		OnRefused: func(_ *http.Request, r *Refusal) { told = append(told, r) },
	}, nil)
	if status, body, _ := h.do("GET", "EIO=4&transport=polling", ""); status != 403 || body != `{"code":4,"message":"no ticket"}` {
		t.Errorf("an error: %d %s", status, body)
	}
	if status, body, _ := h.do("GET", "EIO=4&transport=polling", "", "X-Own", "1"); status != 400 || body != `{"code":3,"message":"come back later"}` {
		t.Errorf("a refusal: %d %s", status, body)
	}
	for i, r := range told {
		if !errors.Is(r, cause) {
			t.Errorf("refusal %d, %v, does not say its cause", i, r)
		}
	}
	if len(told) != 2 {
		t.Errorf("told of %d refusals, want 2", len(told))
	}
}

func TestResponseHeaders(t *testing.T) {
	h := newHost(t, Config{
		InitialHeaders: func(h http.Header, _ *http.Request) { h.Set("X-Initial", "yes"); h.Set("X-Both", "initial") },
		Headers:        func(h http.Header, r *http.Request) { h.Set("X-All", r.Method); h.Set("X-Both", "all") },
	}, nil)
	check := func(what string, header http.Header, initial, all, both string) {
		t.Helper()
		if header.Get("X-Initial") != initial || header.Get("X-All") != all || header.Get("X-Both") != both {
			t.Errorf("%s: %v", what, header)
		}
	}
	_, body, header := h.do("GET", "EIO=4&transport=polling", "")
	check("handshake", header, "yes", "GET", "all")
	conn := h.expect("open").conn
	query := "EIO=4&transport=polling&sid=" + sidPattern.FindStringSubmatch(body)[1]
	_, _, header = h.do("POST", query, "4hello")
	check("POST", header, "", "POST", "all")
	if err := conn.Send(NewFrame([]byte("hello"))); err != nil {
		t.Fatal(err)
	}
	_, _, header = h.do("GET", query, "")
	check("poll", header, "", "GET", "all")
	check("upgrade", h.upgrade(query).header, "", "GET", "all")
	socket, _ := h.openWebSocketAfterMessage()
	check("WebSocket", socket.header, "yes", "GET", "all")
	_, _, header = h.do("GET", "EIO=3&transport=polling", "")
	check("refusal", header, "", "", "")
}

// openWebSocketAfterMessage is openWebSocket when a message is still to be taken.
func (h *host) openWebSocketAfterMessage() (*rawSocket, *Conn) {
	h.t.Helper()
	h.expect("message")
	return h.openWebSocket()
}

// TestHandshakeKeepsRequest: what is packed comes out as it was.
func TestHandshakeKeepsRequest(t *testing.T) {
	for _, address := range []string{"/engine.io/?EIO=4&a=b%20c&a=%C3%A4", "//odd//path?x#y", "http://proxy.example/engine.io/?EIO=4", "*"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.RemoteAddr = "[2001:db8::1]:1234"
		r.Header = http.Header{"Cookie": {"a=1", "b=2"}, "X-Empty": {""}, "X-None": {}}
		p := packHandshake(r, time.Unix(1, 2))
		got := p.unpack()
		if got.Method != r.Method || got.URL.String() != r.URL.String() || got.URL.Query().Encode() != r.URL.Query().Encode() ||
			got.Host != r.Host || got.RemoteAddr != r.RemoteAddr || !got.Time.Equal(time.Unix(1, 2)) || got.TLS != nil {
			t.Errorf("%s: %+v", address, got)
		}
		if len(got.Header) != 2 || !slices.Equal(got.Header["Cookie"], r.Header["Cookie"]) || !slices.Equal(got.Header["X-Empty"], []string{""}) {
			t.Errorf("%s: headers %v", address, got.Header)
		}
	}
}
