package interop_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/internal/testkit/nodejs"
)

// TestMixed02 has one Go node and one Node.js server with the adapter's 0.2 line in one cluster; every operation goes
// in both directions.
func TestMixed02(t *testing.T) {
	m := startMixed(t)
	t.Run("broadcast", m.broadcast)
	t.Run("binary", m.binary)
	t.Run("rooms", m.rooms)
	t.Run("broadcast with acks", m.acks)
	t.Run("server-side emit", m.serverSide)
	t.Run("fetch sockets", m.fetch)
	t.Run("one order on both", m.order)
	t.Run("disconnect", m.disconnect)
	t.Run("server count", m.count)
}

type note struct {
	Text string         `json:"text"`
	Raw  []byte         `json:"raw,omitempty"`
	More map[string]any `json:"more,omitempty"`
}

func (m mixed) broadcast(t *testing.T) {
	ctx := t.Context()
	_, err := m.goNode.io.Emit(ctx, "from go", note{Text: "ünïcode \u2028 <&>"}, 9223372036854775807)
	no(t, "emit", err)
	for _, c := range []*nodejs.Client{m.nora, m.gopher} {
		c.Wait(nodejs.Named("from go"))
	}
	m.jsNode.Emit(nodejs.Target{}, "from js", map[string]any{"a": []any{1, nil, true, "x"}}, 1.5)
	for _, c := range []*nodejs.Client{m.nora, m.gopher} {
		wantArgs(t, c, "from js", `[{"a":[1,null,true,"x"]},1.5]`)
	}
	// Except, by a socket's id.
	_, err = m.goNode.io.Except(m.noraS).Emit(ctx, "not nora")
	no(t, "emit", err)
	m.jsNode.Emit(nodejs.Target{Except: []string{m.gopherS}}, "not gopher")
	// A volatile packet is delivered when nothing is in its way, so nothing must be.
	m.settle()
	_, err = m.goNode.io.Volatile().Emit(ctx, "volatile from go")
	no(t, "emit", err)
	m.settle()
	m.jsNode.Emit(nodejs.Target{Volatile: true}, "volatile from js")
	for _, c := range []*nodejs.Client{m.nora, m.gopher} {
		c.Wait(nodejs.Named("volatile from go"))
		c.Wait(nodejs.Named("volatile from js"))
	}
	m.gopher.Wait(nodejs.Named("not nora"))
	m.nora.Wait(nodejs.Named("not gopher"))
	neither(t, m.nora, "not nora")
	neither(t, m.gopher, "not gopher")
}

func (m mixed) binary(t *testing.T) {
	_, err := m.goNode.io.Emit(t.Context(), "go binary", note{
		Text: "x", Raw: []byte{0, 255, 1}, More: map[string]any{"deep": []any{[]byte("second")}},
	}, []byte{})
	no(t, "emit", err)
	want := `[{"text":"x","raw":{"$bin":"AP8B"},"more":{"deep":[{"$bin":"c2Vjb25k"}]}},{"$bin":""}]`
	wantArgs(t, m.nora, "go binary", want)
	wantArgs(t, m.gopher, "go binary", want)
	m.jsNode.Emit(nodejs.Target{}, "js binary", map[string]any{"b": nodejs.Binary{1, 2, 3}, "n": 1 << 40}, -1, "é")
	want = `[{"b":{"$bin":"AQID"},"n":1099511627776},-1,"é"]`
	wantArgs(t, m.nora, "js binary", want)
	wantArgs(t, m.gopher, "js binary", want)
}

// settle waits until what the Node.js server has published is in the log: it does not say so itself.
func (m mixed) settle() {
	m.jsNode.Emit(nodejs.Target{}, "settled")
	m.nora.Wait(nodejs.Named("settled"))
	m.gopher.Wait(nodejs.Named("settled"))
}

func (m mixed) rooms(t *testing.T) {
	ctx := t.Context()
	io := m.goNode.io
	no(t, "join", io.In(m.noraS, m.gopherS).SocketsJoin(ctx, "by-go"))
	m.jsNode.SocketsJoin(nodejs.Target{}, "by-js")
	m.settle()
	_, err := io.To("by-go").Emit(ctx, "go room")
	no(t, "emit", err)
	m.jsNode.Emit(nodejs.Target{Rooms: []string{"by-go"}}, "js room")
	_, err = io.To("by-js", "by-go").Emit(ctx, "either") // once a socket
	no(t, "emit", err)
	for _, c := range []*nodejs.Client{m.nora, m.gopher} {
		c.Wait(nodejs.Named("go room"))
		c.Wait(nodejs.Named("js room"))
		c.Wait(nodejs.Named("either"))
	}
	no(t, "leave", io.In("by-go").Except(m.gopherS).SocketsLeave(ctx, "by-go"))
	m.jsNode.SocketsLeave(nodejs.Target{Rooms: []string{m.gopherS}}, "by-js")
	m.settle()
	_, err = io.To("by-go").Emit(ctx, "gopher's")
	no(t, "emit", err)
	_, err = io.To("by-js").Emit(ctx, "nora's")
	no(t, "emit", err)
	_, err = io.Emit(ctx, "behind")
	no(t, "emit", err)
	for _, c := range []*nodejs.Client{m.nora, m.gopher} {
		c.Wait(nodejs.Named("behind"))
		if got := c.Events(nodejs.Named("either")); len(got) != 1 {
			t.Errorf("%s got the packet to two rooms %d times", c.Name(), len(got))
		}
	}
	m.gopher.Wait(nodejs.Named("gopher's"))
	m.nora.Wait(nodejs.Named("nora's"))
	neither(t, m.nora, "gopher's")
	neither(t, m.gopher, "nora's")
}

func (m mixed) acks(t *testing.T) {
	m.nora.Answer("who", "nora", nodejs.Binary{1})
	m.gopher.Answer("who", "gopher")
	answers, err := socketio.Collect[string](m.goNode.io.Timeout(5*time.Second).EmitWithAck(t.Context(), "who"))
	no(t, "asked by Go", err)
	if got := sorted(answers...); got != "[gopher nora]" {
		t.Errorf("Go collected %s", got)
	}
	args, err := m.jsNode.EmitWithAck(nodejs.Target{Timeout: 5 * time.Second}, "who")
	no(t, "asked by Node.js", err)
	var names []string
	for _, arg := range args {
		var name string
		no(t, "decode", json.Unmarshal(arg, &name))
		names = append(names, name)
	}
	if got := sorted(names...); got != "[gopher nora]" {
		t.Errorf("Node.js collected %s", got)
	}
	// Binary answers, both ways.
	m.nora.Answer("bytes", nodejs.Binary{7})
	m.gopher.Answer("bytes", nodejs.Binary{8})
	blobs, err := socketio.Collect[[]byte](m.goNode.io.Timeout(5*time.Second).EmitWithAck(t.Context(), "bytes"))
	no(t, "binary asked by Go", err)
	if len(blobs) != 2 || blobs[0][0]+blobs[1][0] != 15 {
		t.Errorf("Go collected %v", blobs)
	}
	args, err = m.jsNode.EmitWithAck(nodejs.Target{Timeout: 5 * time.Second}, "bytes")
	no(t, "binary asked by Node.js", err)
	if got := args.String(); !strings.Contains(got, `{"$bin":"Bw=="}`) || !strings.Contains(got, `{"$bin":"CA=="}`) {
		t.Errorf("Node.js collected %s", got)
	}
}

func (m mixed) serverSide(t *testing.T) {
	ctx := t.Context()
	m.jsNode.OnServerSide("/", "note")
	no(t, "emit", m.goNode.io.ServerSideEmit(ctx, "note", "from go"))
	m.jsNode.ServerSideEmit("/", "note", "from js")
	if got := m.jsNode.Wait(nodejs.OfKind(nodejs.ServerSide), nodejs.Named("note")).Args.String(); got != `["from go"]` {
		t.Errorf("Node.js got %s", got)
	}
	select {
	case got := <-m.goNode.serverSide:
		if got != "from js" {
			t.Errorf("Go got %q", got)
		}
	case <-time.After(15 * time.Second):
		t.Fatal("the server-side emit of Node.js did not arrive")
	}

	m.jsNode.OnServerSide("/", "ask")
	m.jsNode.Answer("/", "ask", map[string]any{"by": "js"}, "ignored")
	answers, err := socketio.Collect[map[string]any](m.goNode.io.ServerSideEmitWithAck(ctx, "ask", 1))
	no(t, "asked by Go", err)
	if len(answers) != 1 || answers[0]["by"] != "js" {
		t.Errorf("Go collected %v", answers)
	}
	args, err := m.jsNode.ServerSideEmitWithAck("/", "double", 21)
	no(t, "asked by Node.js", err)
	if got := args.String(); got != `[{"by":"go","n":42}]` {
		t.Errorf("Node.js collected %s", got)
	}
	// A Go node without a handler answers at once instead of letting the asker time out.
	start := time.Now()
	args, err = m.jsNode.ServerSideEmitWithAck("/", "nobody knows this")
	no(t, "asked by Node.js without a handler", err)
	if len(args) != 1 || time.Since(start) > 4*time.Second {
		t.Errorf("Node.js collected %s after %s", args, time.Since(start))
	}
}

func (m mixed) fetch(t *testing.T) {
	ctx := t.Context()
	m.jsNode.SetData("/", m.noraS, map[string]any{"user": "n", "blob": nodejs.Binary{9}})
	socket := <-m.goNode.connected
	no(t, "set data", socket.SetData(note{Text: "g", Raw: []byte{5}}))

	remotes, err := m.goNode.io.FetchSockets(ctx)
	no(t, "fetched by Go", err)
	found := make(map[string]socketio.RemoteSocket)
	for _, r := range remotes {
		found[string(r.ID())] = r
	}
	if len(found) != 2 {
		t.Fatalf("Go fetched %d sockets, want 2", len(found))
	}
	nora := found[m.noraS]
	data, err := socketio.Data[struct {
		User string
		Blob []byte
	}](nora)
	no(t, "data", err)
	if data.User != "n" || string(data.Blob) != "\x09" {
		t.Errorf("Go read nora's data %+v", data)
	}
	if h := nora.Handshake(); h.Address == "" || h.URL == "" || h.Time.IsZero() || len(h.Query["EIO"]) == 0 {
		t.Errorf("Go read nora's handshake %+v", h)
	}

	remote, err := m.jsNode.FetchSockets(nodejs.Target{Rooms: []string{m.gopherS}})
	no(t, "fetched by Node.js", err)
	if len(remote) != 1 || remote[0].ID != m.gopherS {
		t.Fatalf("Node.js fetched %+v", remote)
	}
	if got := string(remote[0].Data); got != `{"text":"g","raw":{"$bin":"BQ=="}}` {
		t.Errorf("Node.js read the data %s", got)
	}
	var handshake struct {
		Headers map[string]any
		Time    string
		Address string
		Issued  float64
		URL     string
		Auth    map[string]any
		Query   map[string]any
	}
	no(t, "handshake", json.Unmarshal(remote[0].Handshake, &handshake))
	if handshake.Auth["token"] != "g" || handshake.Query["EIO"] != "4" || handshake.Issued == 0 || handshake.Time == "" {
		t.Errorf("Node.js read the handshake %s", remote[0].Handshake)
	}
}

// order sends from both sides at once: both clients must see each sender's messages in its order. (Between senders
// Node.js makes no promise: it delivers locally first.)
func (m mixed) order(t *testing.T) {
	const each = 200
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	failed := make(chan error, 1)
	go func() {
		for i := range each {
			if _, err := m.goNode.io.Emit(ctx, "seq", "go", i); err != nil {
				failed <- err
				return
			}
		}
		failed <- nil
	}()
	for i := range each {
		m.jsNode.Emit(nodejs.Target{}, "seq", "js", i)
	}
	no(t, "emit", <-failed)
	for _, c := range []*nodejs.Client{m.nora, m.gopher} {
		next := map[string]int{}
		for range 2 * each {
			var from string
			var i int
			no(t, "decode", c.Wait(nodejs.Named("seq")).Args.Decode(&from, &i))
			if i != next[from] {
				t.Fatalf("%s got number %d of %s, want %d", c.Name(), i, from, next[from])
			}
			next[from]++
		}
	}
}

func (m mixed) disconnect(t *testing.T) {
	no(t, "disconnect", m.goNode.io.In(m.noraS).DisconnectSockets(t.Context(), false))
	if got := m.nora.Wait(nodejs.OfKind(nodejs.Disconnect)).Reason; got != "io server disconnect" {
		t.Errorf("nora's reason is %q", got)
	}
	m.jsNode.DisconnectSockets(nodejs.Target{Rooms: []string{m.gopherS}}, true)
	if got := m.gopher.Wait(nodejs.OfKind(nodejs.Disconnect)).Reason; got != "io server disconnect" && got != "transport close" {
		t.Errorf("gopher's reason is %q", got)
	}
}

func (m mixed) count(t *testing.T) {
	m.goNode.close(t) // says goodbye
	start := time.Now()
	waitFor(t, "Node.js counts itself alone", func() bool { return m.jsNode.ServerCount("/") == 1 })
	if waited := time.Since(start); waited > 5*time.Second {
		t.Errorf("Node.js counted a node that had said goodbye for %s", waited)
	}
}

// TestNodeJSAmongThemselves has two Node.js servers and a Go node that has nothing to say: what the two ask each other
// must be answered as if the Go node were not there, and soon.
func TestNodeJSAmongThemselves(t *testing.T) {
	m := startMixed(t)
	other := nodejs.StartServer(t, nodejs.ServerConfig{Adapter: nodejs.Adapter02, RedisURL: m.redis.URL()})
	for _, s := range []*nodejs.Server{m.jsNode, other} {
		waitFor(t, "all three are counted", func() bool { return s.ServerCount("/") == 3 })
	}
	m.nora.Answer("q", "nora")
	m.gopher.Disconnect()
	start := time.Now()

	sockets, err := other.FetchSockets(nodejs.Target{})
	no(t, "fetch sockets", err)
	if len(sockets) != 1 || sockets[0].ID != m.noraS {
		t.Errorf("fetched %+v, want nora alone", sockets)
	}
	args, err := other.EmitWithAck(nodejs.Target{Timeout: 5 * time.Second}, "q")
	no(t, "broadcast with ack", err)
	if got := args.String(); got != `["nora"]` {
		t.Errorf("collected %s", got)
	}
	m.jsNode.OnServerSide("/", "ask")
	m.jsNode.Answer("/", "ask", "js")
	args, err = other.ServerSideEmitWithAck("/", "ask")
	no(t, "server-side emit", err)
	if !strings.Contains(args.String(), `"js"`) {
		t.Errorf("collected %s", args)
	}
	if waited := time.Since(start); waited > 4*time.Second {
		t.Errorf("the answers took %s", waited)
	}

	m.jsNode.Stop() // says goodbye
	waitFor(t, "the Go node counts one less", func() bool { return m.goNode.io.NodeCount() == 2 })
}
