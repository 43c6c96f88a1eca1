package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/adapters/socketio/engineio"
	"github.com/roombus/roombus/domain"
)

// TestForwardPolling has each request of a client reach another node.
func TestForwardPolling(t *testing.T) {
	all := stops(t, 3, nil)
	a, b, c := all[0], all[1], all[2]
	v := newWanderer(t)
	v.open(a)
	v.join(b, c)
	for i, to := range []*stop{b, c, a, b} {
		text := fmt.Sprint("text – ", i)
		v.post(to, `42["say","`+text+`"]`)
		v.wantGet(all[(i+1)%3], `42["said","`+text+`"]`)
	}
	// A poll that waits, while another node's client speaks.
	heard := make(chan string, 1)
	go func() {
		got, err := v.ask(t.Context(), b, http.MethodGet, v.query("polling"), nil)
		heard <- fmt.Sprint(got.text, err)
	}()
	other := newWanderer(t)
	other.open(c)
	other.join(c, a)
	other.post(a, `42["say","from c"]`)
	if got := receive(t, "the poll's answer", heard); got != `42["said","from c"]<nil>` {
		t.Errorf("the poll was answered %q", got)
	}
	v.post(c, "1") // goodbye
	if got := receive(t, "the end", a.left); got != string(socketio.ReasonTransportClose) {
		t.Errorf("the socket ended with %q", got)
	}
	eventually(t, "the connection is forgotten", func() bool {
		return v.do(b, http.MethodGet, "").status != http.StatusOK // a last noop is for a poll that may be on its way
	})
	v.wantRefused(b)
	var out, in uint64
	for _, s := range all {
		stats := s.Stats().Forward
		out, in = out+stats.Out, in+stats.In
		if stats.Failed != 0 || stats.Refused != 0 || stats.Tunnels != 0 {
			t.Errorf("a node counts %+v", stats)
		}
	}
	if out != in || out < 10 {
		t.Errorf("%d requests were passed on, %d came; want as many, and more than ten", out, in)
	}
}

// TestForwardUpgrade upgrades to a WebSocket on a node that does not have the connection.
func TestForwardUpgrade(t *testing.T) {
	all := stops(t, 2, func(_ int, c *socketio.Config) { c.Engine.MaxPayload = 4 << 20 })
	a, b := all[0], all[1]
	v := newWanderer(t)
	v.open(a)
	v.join(b, a)
	c := v.upgrade(b)
	for _, size := range []int{1, 1000, 1 << 10, 100_000, 2 << 20} {
		text := strings.Repeat("x", size)
		c.send(`42["say","` + text + `"]`)
		c.want(`42["said","` + text + `"]`)
	}
	if got := b.Stats().Forward.Tunnels; got != 1 {
		t.Errorf("%d tunnels, want 1", got)
	}
	c.send("41")
	if got := receive(t, "the end of the socket", a.left); got != string(socketio.ReasonClientDisconnect) {
		t.Errorf("the socket ended with %q", got)
	}
	_ = c.conn.Close()
	eventually(t, "the tunnel ends with the client", func() bool { return b.Stats().Forward.Tunnels == 0 })
	eventually(t, "the connection ends with the client", func() bool { return a.Connections() == 0 })

	// The owner closes.
	v = newWanderer(t)
	v.open(a)
	v.join(a, a)
	c = v.upgrade(b)
	a.DisconnectSockets(t.Context(), true) //nolint:errcheck // it is seen below
	c.want("41")
	c.wantClosed()
	eventually(t, "the tunnel ends with the owner", func() bool { return b.Stats().Forward.Tunnels == 0 })

	// A second upgrade is turned away by the owner, as on one node.
	v = newWanderer(t)
	v.open(a)
	v.join(a, a)
	c = v.upgrade(b)
	c.send(`42["say","x"]`)
	c.want(`42["said","x"]`)
	second := &wanderer{t: t, client: v.client, sid: v.sid}
	conn := dialWebSocket(t, b, second.query("websocket"))
	conn.wantClosed()
}

// TestWithoutForwardTheWrongNodeRefuses is what Node.js does.
func TestWithoutForwardTheWrongNodeRefuses(t *testing.T) {
	all := stops(t, 2, func(_ int, c *socketio.Config) { c.Forward = nil })
	v := newWanderer(t)
	v.open(all[0])
	if len(v.sid) != 20 {
		t.Errorf("the id is %q; without Forward it names nobody", v.sid)
	}
	v.wantRefused(all[1])
	v.join(all[0], all[0])
	if stats := all[1].Stats(); stats.Forward != (socketio.ForwardStats{}) || stats.Engine.Refused[engineio.UnknownSession] != 1 {
		t.Errorf("the node counts %+v", stats)
	}
}

// TestForwardedRequestIsAsItCame has the application of the owner look at requests.
func TestForwardedRequestIsAsItCame(t *testing.T) {
	seen := make(chan *http.Request, 10)
	all := stops(t, 2, func(i int, c *socketio.Config) {
		if i == 0 {
			c.Engine.Headers = func(h http.Header, r *http.Request) {
				h.Set("X-Owner", "yes")
				seen <- r
			}
		}
		c.Engine.CORS = &engineio.CORS{Origins: []string{"http://page"}, Credentials: true}
	})
	v := newWanderer(t)
	v.header.Set("Origin", "http://page")
	v.open(all[0])
	receive(t, "the handshake", seen)
	v.header.Set("X-Forwarded-For", "192.0.2.7, 192.0.2.8")
	v.header.Set("Forwarded", "for=192.0.2.7")
	v.header.Set("Connection", "X-Hop")
	v.header.Set("X-Hop", "between two")
	v.header.Set("Cookie", "a=b")
	got := v.do(all[1], http.MethodPost, "40")
	if got.text != "ok" || got.header.Get("X-Owner") != "yes" {
		t.Errorf("the answer is %q with %v", got.text, got.header)
	}
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin": "http://page", "Access-Control-Allow-Credentials": "true", "Vary": "Origin",
	} {
		if values := got.header.Values(name); len(values) != 1 || values[0] != want {
			t.Errorf("%s is %q, want %q once", name, values, want)
		}
	}
	r := receive(t, "the request", seen)
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err != nil || host != "127.0.0.1" {
		t.Errorf("it came from %q", r.RemoteAddr)
	}
	if "http://"+r.Host != all[1].web.URL {
		t.Errorf("the host is %q, want the one that the client asked for", r.Host)
	}
	for name, want := range map[string]string{
		"X-Forwarded-For": "192.0.2.7, 192.0.2.8", "Forwarded": "for=192.0.2.7", "X-Forwarded-Host": "", "Cookie": "a=b", "X-Hop": "",
		"Roombus-Forwarded": "",
	} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	// A preflight is answered where it lands.
	got = v.do(all[1], http.MethodOptions, "")
	if got.status != http.StatusNoContent || len(got.header.Values("Access-Control-Allow-Origin")) != 1 {
		t.Errorf("the preflight was answered %d with %v", got.status, got.header)
	}
	// Other methods are not passed on.
	if got := v.do(all[1], http.MethodDelete, ""); got.status != http.StatusBadRequest {
		t.Errorf("DELETE was answered %d", got.status)
	}
	if got := all[1].Stats().Forward.Out; got != 1 {
		t.Errorf("%d requests were passed on, want 1", got)
	}
}

// TestForwardedBehindAPrefix mounts the servers below a path that is taken off.
func TestForwardedBehindAPrefix(t *testing.T) {
	all := stops(t, 2, nil)
	for _, s := range all {
		s.web.Config.Handler = http.StripPrefix("/api/v1", s.Server)
	}
	v := newWanderer(t)
	ask := func(to *stop, method, query, body string) string {
		got, err := v.ask(t.Context(), to, method, "/api/v1/socket.io/?EIO=4&x=a%20b;c&transport=polling"+query, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		return got.text
	}
	open := ask(all[0], http.MethodGet, "", "")
	sid, _, _ := strings.Cut(strings.TrimPrefix(open, `0{"sid":"`), `"`)
	if got := ask(all[1], http.MethodPost, "&sid="+sid, "40"); got != "ok" {
		t.Errorf("the POST was answered %q", got)
	}
}

// TestForwardedPollIsLeft has the client leave a poll at the wrong node: it has left.
func TestForwardedPollIsLeft(t *testing.T) {
	all := stops(t, 2, nil)
	v := newWanderer(t)
	v.open(all[0])
	v.join(all[0], all[0])
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() {
		_, err := v.ask(ctx, all[1], http.MethodGet, v.query("polling"), nil)
		gone <- err
	}()
	eventually(t, "the poll has arrived", func() bool { return all[0].Stats().Forward.In == 1 })
	cancel()
	if err := receive(t, "the poll's end", gone); !errors.Is(err, context.Canceled) {
		t.Errorf("the poll ended with %v", err)
	}
	if got := receive(t, "the end", all[0].left); got != string(socketio.ReasonTransportError) {
		t.Errorf("the socket ended with %q", got)
	}
	if stats := all[1].Stats(); stats.Forward.Failed != 0 || stats.Engine.Refused[engineio.UnknownSession] != 0 {
		t.Errorf("a client that leaves counts as %+v", stats.Forward)
	}
}

// TestForwardedBodyIsLimited sends more than MaxPayload.
func TestForwardedBodyIsLimited(t *testing.T) {
	all := stops(t, 2, func(_ int, c *socketio.Config) { c.Engine.MaxPayload = 1000 })
	for name, body := range map[string]io.Reader{
		"announced":     strings.NewReader("4" + strings.Repeat("x", 1000)),
		"not announced": io.MultiReader(strings.NewReader("4"), strings.NewReader(strings.Repeat("x", 1000))),
	} {
		v := newWanderer(t)
		v.open(all[0])
		v.join(all[0], all[0])
		got, err := v.ask(t.Context(), all[1], http.MethodPost, v.query("polling"), body)
		if err != nil || got.status != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: %+v (%v), want 413", name, got, err)
		}
		if got := receive(t, "the end", all[0].left); got != string(socketio.ReasonTransportError) {
			t.Errorf("%s: the socket ended with %q", name, got)
		}
	}
	if got := all[0].Stats().Engine.Causes[engineio.ErrTooLarge]; got != 2 {
		t.Errorf("%d connections ended for what was too large, want 2", got)
	}
}

// TestForwardedBodyThatNeverEnds: the owner gives up, and so does the node between.
func TestForwardedBodyThatNeverEnds(t *testing.T) {
	all := stops(t, 2, func(_ int, c *socketio.Config) {
		c.Engine.PingInterval, c.Engine.PingTimeout = 50*time.Millisecond, 50*time.Millisecond
	})
	v := newWanderer(t)
	v.open(all[0])
	got := raw(t, all[1], "POST "+v.query("polling")+" HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n4hello")
	if got.status != http.StatusBadRequest || !got.last {
		t.Errorf("got %+v, want 400 and the connection closed", got)
	}
}

// TestForwardToNobody: the owner cannot be reached.
func TestForwardToNobody(t *testing.T) {
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := nobody.Addr().String()
	if err := nobody.Close(); err != nil {
		t.Fatal(err)
	}
	node := &loneNode{}
	for name, at := range map[string]string{
		"AAAAAAAAAAE": address, "AAAAAAAAAAI": "host/path:80", "AAAAAAAAAAM": "user@host:80", "AAAAAAAAAAQ": "host",
	} {
		if node.members == nil {
			node.members = map[domain.NodeID]string{}
		}
		node.members[idOf(t, name)] = at
	}
	h := serveOn(t, node, socketio.Config{Forward: &socketio.Forward{Secret: secret}})
	get := func(sid string) (int, string) {
		t.Helper()
		response, err := http.Get(h.http.URL + "/socket.io/?EIO=4&transport=polling&sid=" + sid)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(text)
	}
	const random = "01234567890123456789"
	for _, sid := range []string{
		random + "AAAAAAAAAAE", random + "AAAAAAAAAAI", random + "AAAAAAAAAAM", random + "AAAAAAAAAAQ", // in membership
		random + "AAAAAAAAAAU", random, random + "AAAAAAAAAA%0A", random + "AAAAAAAAAAF", random + "ASNFZ4mrze8", // not, or itself
	} {
		if status, text := get(sid); status != http.StatusBadRequest || text != unknownSession {
			t.Errorf("%s: %d %s", sid, status, text)
		}
	}
	if stats := h.Stats(); stats.Forward.Failed != 4 || stats.Forward.Out != 0 || stats.Engine.Refused[engineio.UnknownSession] != 9 {
		t.Errorf("the node counts %+v", stats.Forward)
	}
	// Failures are told once a second.
	f := h.failure()
	if !errors.Is(f.Err, socketio.ErrForwardFailed) || f.Event != "forward" {
		t.Errorf("OnError was told %q: %v", f.Event, f.Err)
	}
}

// TestForwardWaitsForANodeThatIsNew: a node joins, and its clients' requests come at once.
func TestForwardWaitsForANodeThatIsNew(t *testing.T) {
	cluster := inmemory.New(inmemory.Config{})
	t.Cleanup(func() { closing(t, "cluster", cluster.Close) })
	same := func(*socketio.Config) {}
	old := startStop(t, cluster, nil, same)
	v := newWanderer(t)
	v.open(old)
	young := startStop(t, cluster, nil, same)
	v.join(young, young)
	w := newWanderer(t)
	w.open(young)
	w.join(old, old)
}

// TestForwardCloses closes the node between, with a poll and a WebSocket under way.
func TestForwardCloses(t *testing.T) {
	for _, drain := range []bool{false, true} {
		all := stops(t, 2, nil)
		polling, upgraded := newWanderer(t), newWanderer(t)
		polling.open(all[0])
		polling.join(all[0], all[0])
		upgraded.open(all[0])
		upgraded.join(all[0], all[0])
		socket := upgraded.upgrade(all[1])
		socket.send(`42["say","x"]`)
		socket.want(`42["said","x"]`)
		polling.wantGet(all[0], `42["said","x"]`)
		status := make(chan int, 1)
		go func() {
			got, err := polling.ask(t.Context(), all[1], http.MethodGet, polling.query("polling"), nil)
			if err != nil {
				t.Error(err)
				status <- 0
				return
			}
			status <- got.status
		}()
		eventually(t, "the poll has arrived", func() bool { return all[0].Stats().Forward.In == 2 })
		if drain {
			if err := all[1].Drain(t.Context()); err != nil {
				t.Error(err)
			}
		}
		closing(t, "server", all[1].Close)
		if got := receive(t, "the poll's answer", status); got != http.StatusServiceUnavailable {
			t.Errorf("the poll was answered %d, want 503", got)
		}
		socket.wantClosed()
		for range 2 {
			receive(t, "the end of a socket", all[0].left)
		}
		if got := all[1].Stats().Forward.Tunnels; got != 0 {
			t.Errorf("%d tunnels after Close", got)
		}
	}
}

// TestForwardConfig names what cannot work.
func TestForwardConfig(t *testing.T) {
	for want, config := range map[string]socketio.Config{
		"Forward.Secret has 5 characters":        {Forward: &socketio.Forward{Secret: "short"}},
		"Forward.OldSecrets[0] has 0 characters": {Forward: &socketio.Forward{Secret: secret, OldSecrets: []string{""}}},
		"Engine.IDSuffix":                        {Forward: &socketio.Forward{Secret: secret}, Engine: engineio.Config{IDSuffix: "x"}},
	} {
		_, err := socketio.NewServer(&loneNode{}, config)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "short") {
			t.Errorf("%v, want words of %q and no secret", err, want)
		}
	}
	for address, want := range map[string]string{
		"": "no address", "host": "no host:port", ":80": "no host name", "0.0.0.0:80": "no one machine", "[::]:80": "no one machine",
		"host:0": "no port", "host:http": "no port", "ho st:80": "characters", "host:80/x": "no port", "a@b:80": "characters",
	} {
		_, err := socketio.NewServer(&loneNode{address: &address}, socketio.Config{Forward: &socketio.Forward{Secret: secret}})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "app.Config.Address") {
			t.Errorf("address %q: %v, want words of %q", address, err, want)
		}
	}
	if _, err := socketio.NewServer(&loneNode{id: "short"}, socketio.Config{Forward: &socketio.Forward{Secret: secret}}); err == nil {
		t.Error("a node whose id does not fit is accepted")
	}
}
