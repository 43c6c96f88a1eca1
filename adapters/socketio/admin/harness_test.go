package admin_test

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/adapters/socketio/admin"
	"github.com/roombus/roombus/adapters/socketio/client"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/domain"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// node is a node of a cluster in memory, with a server and what serves the Admin UI.
type node struct {
	io    *socketio.Server
	node  *app.Node
	url   string
	admin *admin.Admin
}

// startNodes runs a node for each config, the first named "one", the others "two" and so on.
func startNodes(t *testing.T, recovery time.Duration, configs ...admin.Config) []*node {
	t.Helper()
	cluster := inmemory.New(inmemory.Config{})
	t.Cleanup(func() {
		if err := cluster.Close(); err != nil {
			t.Errorf("close the cluster: %v", err)
		}
	})
	names := []string{"one", "two", "three"}
	nodes := make([]*node, len(configs))
	for i, config := range configs {
		config.ServerID = names[i]
		if config.OnError == nil {
			config.OnError = func(err error) { t.Errorf("admin: %v", err) }
		}
		nodes[i] = startNode(t, cluster, recovery, config)
	}
	return nodes
}

func startNode(t *testing.T, cluster *inmemory.Cluster, recovery time.Duration, config admin.Config) *node {
	t.Helper()
	member := cluster.Member()
	n := &node{}
	var err error
	n.node, err = app.NewNode(member.Log(), member.Channel(), member.Sessions(), app.Config{
		Name: config.ServerID, Recovery: app.Recovery{Window: recovery},
	})
	if err != nil {
		t.Fatal(err)
	}
	n.io, err = socketio.NewServer(n.node, socketio.Config{OnError: func(_ context.Context, f socketio.Failure) {
		t.Errorf("handler of %q: %v", f.Event, f.Err)
	}})
	if err != nil {
		t.Fatal(err)
	}
	n.io.Of("/chat")
	socketio.On(n.io, "say", func(context.Context, *socketio.Socket, domain.Packet) error { return nil })
	socketio.On(n.io, "rename", func(_ context.Context, s *socketio.Socket, name string) error {
		return s.SetData(map[string]string{"name": name})
	})
	if n.admin, err = admin.New(n.io, config); err != nil {
		t.Fatal(err)
	}
	if err := n.node.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(n.io)
	n.url = web.URL
	t.Cleanup(func() {
		if err := n.admin.Close(); err != nil {
			t.Errorf("close the admin: %v", err)
		}
		if err := n.io.Close(); err != nil {
			t.Errorf("close the server: %v", err)
		}
		web.Close()
		if err := n.node.Close(); err != nil {
			t.Errorf("close the node: %v", err)
		}
	})
	return n
}

// packet is an event that a client has got.
type packet struct {
	event string
	args  []domain.Value
}

// arg is an argument as JSON, "" for none.
func (p packet) arg(i int) string {
	if i >= len(p.args) {
		return ""
	}
	return string(p.args[i].JSON())
}

// into decodes an argument.
func (p packet) into(t *testing.T, i int, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(p.arg(i)), v); err != nil {
		t.Fatalf("argument %d of %s is %s: %v", i, p.event, p.arg(i), err)
	}
}

// journal has all that a client gets, in its order.
type journal struct {
	*client.Socket
	t *testing.T

	mu      sync.Mutex
	packets []packet
	grown   chan struct{}
}

// dial makes a client of a namespace that is not connected yet.
func dial(t *testing.T, url, namespace string, auth any) *journal {
	t.Helper()
	c, err := client.New(url, client.Config{
		Auth: auth, Reconnection: client.Reconnection{Off: true},
		OnError: func(_ context.Context, f client.Failure) { t.Errorf("client's handler of %q: %v", f.Event, f.Err) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	j := &journal{Socket: c.Of(namespace), t: t, grown: make(chan struct{})}
	j.OnAny(func(_ context.Context, p domain.Packet) {
		args, err := p.Args()
		if err != nil {
			t.Errorf("arguments of %s: %v", p.Event(), err)
		}
		j.mu.Lock()
		defer j.mu.Unlock()
		j.packets = append(j.packets, packet{p.Event(), args})
		close(j.grown)
		j.grown = make(chan struct{})
	})
	return j
}

// join connects a client.
func join(t *testing.T, url, namespace string, auth any) *journal {
	t.Helper()
	j := dial(t, url, namespace, auth)
	if err := j.Connect(patient(t)); err != nil {
		t.Fatalf("connect to %s: %v", namespace, err)
	}
	return j
}

func patient(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// emit sends an event.
func (j *journal) emit(event string, args ...any) {
	j.t.Helper()
	if err := j.Emit(patient(j.t), event, args...); err != nil {
		j.t.Fatalf("emit %s: %v", event, err)
	}
}

// wait waits for a packet that has come, or comes.
func (j *journal) wait(what string, is func(p packet) bool) packet {
	j.t.Helper()
	deadline := time.After(patience)
	for seen := 0; ; {
		j.mu.Lock()
		packets, grown := j.packets, j.grown
		j.mu.Unlock()
		for ; seen < len(packets); seen++ {
			if is(packets[seen]) {
				return packets[seen]
			}
		}
		select {
		case <-grown:
		case <-deadline:
			j.t.Fatalf("%s did not come; these did: %v", what, names(packets))
		}
	}
}

// event waits for an event whose first arguments are these, as JSON; "" is any.
func (j *journal) event(name string, args ...string) packet {
	j.t.Helper()
	return j.wait(name, func(p packet) bool {
		for i, arg := range args {
			if arg != "" && p.arg(i) != arg {
				return false
			}
		}
		return p.event == name
	})
}

// all are the packets so far.
func (j *journal) all() []packet {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.packets
}

func names(packets []packet) (names []string) {
	for _, p := range packets {
		text := p.event
		for i := range p.args {
			text += " " + p.arg(i)
		}
		names = append(names, text)
	}
	return names
}

// quote is a text in JSON.
func quote[T ~string](text T) string { return string(domain.TextValue(string(text)).JSON()) }

// until waits for a state that gives no sign.
func until(t *testing.T, what string, so func() bool) {
	t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(patience); !so(); <-ticker.C {
		if time.Now().After(deadline) {
			t.Fatalf("it never came that %s", what)
		}
	}
}
