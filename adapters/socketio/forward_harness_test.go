package socketio_test

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/domain"
)

const (
	unknownSession = `{"code":1,"message":"Session ID unknown"}`

	secret = "a secret for tests, of more than 32 characters"
)

// stop is a node of a cluster that passes requests on.
type stop struct {
	*socketio.Server
	node     *app.Node
	web      *httptest.Server
	left     chan string
	failures chan socketio.Failure
}

// stops starts nodes that know each other, at addresses of this machine. change may be nil.
func stops(t testing.TB, count int, change func(i int, c *socketio.Config)) []*stop {
	t.Helper()
	return stopsBehind(t, count, nil, change)
}

// stopsBehind is stops, with listeners that are wrapped.
func stopsBehind(
	t testing.TB, count int, wrap func(net.Listener) net.Listener, change func(i int, c *socketio.Config),
) []*stop {
	t.Helper()
	cluster := inmemory.New(inmemory.Config{})
	t.Cleanup(func() { closing(t, "cluster", cluster.Close) })
	all := make([]*stop, count)
	for i := range all {
		all[i] = startStop(t, cluster, wrap, func(c *socketio.Config) {
			if change != nil {
				change(i, c)
			}
		})
	}
	for _, s := range all {
		waitForNodes(t, s.Namespace, count)
		eventually(t, "all addresses are known", func() bool {
			known := 0
			for _, member := range s.node.Nodes("/") {
				if member.Info.Address != "" {
					known++
				}
			}
			return known == count
		})
	}
	return all
}

func startStop(
	t testing.TB, cluster *inmemory.Cluster, wrap func(net.Listener) net.Listener, change func(c *socketio.Config),
) *stop {
	t.Helper()
	transport := cluster.Member()
	s := &stop{web: httptest.NewUnstartedServer(nil), left: make(chan string, 100), failures: make(chan socketio.Failure, 100)}
	var err error
	s.node, err = app.NewNode(transport.Log(), transport.Channel(), nil, app.Config{
		Address: s.web.Listener.Addr().String(), HeartbeatInterval: 50 * time.Millisecond, HeartbeatTimeout: 10 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	config := socketio.Config{
		Forward: &socketio.Forward{Secret: secret},
		OnError: func(_ context.Context, f socketio.Failure) { s.failures <- f },
	}
	config.Engine.CloseTimeout = 100 * time.Millisecond // the clients here do not answer a close
	change(&config)
	if s.Server, err = socketio.NewServer(s.node, config); err != nil {
		t.Fatal(err)
	}
	socketio.On(s, "say", func(ctx context.Context, _ *socketio.Socket, text string) error {
		_, err := s.Emit(ctx, "said", text)
		return err
	})
	s.OnDisconnect(func(_ context.Context, _ *socketio.Socket, reason socketio.Reason) { s.left <- string(reason) })
	if err := s.node.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.web.Config.Handler = s.Server
	if wrap != nil {
		s.web.Listener = wrap(s.web.Listener)
	}
	s.web.Start()
	web := s.web
	t.Cleanup(func() {
		closing(t, "server", s.Close)
		web.Close()
		closing(t, "node", s.node.Close)
		closing(t, "transport", transport.Close)
	})
	return s
}

// eventually asks until the answer is yes. It is for states that give no sign.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(patience); !f(); <-ticker.C {
		if time.Now().After(deadline) {
			t.Fatalf("it never came that %s", what)
		}
	}
}

// wanderer is a client over long-polling whose requests go where the test says.
type wanderer struct {
	t      testing.TB
	client *http.Client
	sid    string
	header http.Header
}

func newWanderer(t testing.TB) *wanderer {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &wanderer{t: t, client: &http.Client{Transport: transport}, header: http.Header{}}
}

// query is that of a request.
func (v *wanderer) query(transport string) string {
	q := "/socket.io/?EIO=4&transport=" + transport
	if v.sid != "" {
		q += "&sid=" + v.sid
	}
	return q
}

// ask sends a request to a node.
func (v *wanderer) ask(ctx context.Context, to *stop, method, target string, body io.Reader) (reply, error) {
	request, err := http.NewRequestWithContext(ctx, method, to.web.URL+target, body)
	if err != nil {
		return reply{}, err
	}
	request.Header = v.header.Clone()
	response, err := v.client.Do(request)
	if err != nil {
		return reply{}, err
	}
	return readReply(response)
}

// reply is the answer to a request.
type reply struct {
	status int
	text   string
	header http.Header
	// last says that the connection is closed behind it.
	last bool
}

func readReply(response *http.Response) (reply, error) {
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return reply{response.StatusCode, string(text), response.Header, response.Close}, err
}

// do is ask, with an answer.
func (v *wanderer) do(to *stop, method, body string) reply {
	v.t.Helper()
	got, err := v.ask(v.t.Context(), to, method, v.query("polling"), strings.NewReader(body))
	if err != nil {
		v.t.Fatalf("%s: %v", method, err)
	}
	return got
}

// get polls a node.
func (v *wanderer) get(to *stop) string {
	v.t.Helper()
	got := v.do(to, http.MethodGet, "")
	if got.status != http.StatusOK {
		v.t.Fatalf("poll: %d %s", got.status, got.text)
	}
	return got.text
}

// wantGet polls a node until something other than pings and noops comes, and compares it.
func (v *wanderer) wantGet(to *stop, want string) {
	v.t.Helper()
	for {
		switch got := v.get(to); got {
		case "2", "6":
		case want:
			return
		default:
			v.t.Fatalf("poll: %q, want %q", got, want)
		}
	}
}

func (v *wanderer) post(to *stop, payload string) {
	v.t.Helper()
	if got := v.do(to, http.MethodPost, payload); got.status != http.StatusOK || got.text != "ok" {
		v.t.Fatalf("POST: %d %s", got.status, got.text)
	}
}

// open begins a connection at a node.
func (v *wanderer) open(at *stop) {
	v.t.Helper()
	open := v.get(at)
	var handshake struct{ SID string }
	if !strings.HasPrefix(open, "0") || json.Unmarshal([]byte(open[1:]), &handshake) != nil {
		v.t.Fatalf("expected an open packet, got %q", open)
	}
	v.sid = handshake.SID
}

// join joins the default namespace, over the nodes that are named.
func (v *wanderer) join(post, get *stop) {
	v.t.Helper()
	v.post(post, "40")
	if got := v.get(get); !strings.HasPrefix(got, `40{"sid":`) {
		v.t.Fatalf("expected to be connected, got %q", got)
	}
}

// upgrade replaces polling by a WebSocket at a node. Its client reads and writes packets.
func (v *wanderer) upgrade(at *stop) *client {
	v.t.Helper()
	c := dialWebSocket(v.t, at, v.query("websocket"))
	c.send("2probe")
	c.want("3probe")
	c.send("5")
	return c
}

// wantRefused sends a request that must be refused as that of a connection which nobody has.
func (v *wanderer) wantRefused(to *stop) {
	v.t.Helper()
	if got := v.do(to, http.MethodGet, ""); got.status != http.StatusBadRequest || got.text != unknownSession {
		v.t.Fatalf("got %d %s, want 400 and code 1", got.status, got.text)
	}
}

// failure returns the next thing that Config.OnError was told.
func (s *stop) failure(t testing.TB) error {
	t.Helper()
	f := receive(t, "a failure", s.failures)
	if f.Event != "forward" {
		t.Errorf("the failure is one of %q: %v", f.Event, f.Err)
	}
	return f.Err
}

// signed signs a request as a node does, written down from the description of the header.
func signed(key, method, target, client string, at time.Time) string {
	encode := base64.RawURLEncoding.EncodeToString
	stamp, from := fmt.Sprint(at.UnixMilli()), encode([]byte(client))
	mac := hmac.New(sha256.New, []byte(key))
	fmt.Fprintf(mac, "roombus forward\n1\n%s\n%s\n%s\n%s\n", method, target, stamp, from)
	return "1." + stamp + "." + from + "." + encode(mac.Sum(nil))
}

// raw sends bytes to a node and returns its answer; what is in the request need not be right.
func raw(t testing.TB, to *stop, request string) reply {
	t.Helper()
	conn, err := net.Dial("tcp", to.web.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := readReply(response)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// dialWebSocket opens a WebSocket for a connection, and says nothing.
func dialWebSocket(t testing.TB, at *stop, query string) *client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, early, _, err := ws.Dial(ctx, "ws"+strings.TrimPrefix(at.web.URL, "http")+query)
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &client{t: t, conn: withEarly(conn, early)}
}

// idOf is the node that the end of a connection's id names.
func idOf(t testing.TB, suffix string) domain.NodeID {
	t.Helper()
	id, err := base64.RawURLEncoding.DecodeString(suffix)
	if err != nil {
		t.Fatal(err)
	}
	return domain.NodeID(hex.EncodeToString(id))
}
