// Package nodejs drives real Node.js peers for tests: official socket.io-client
// sockets, and Socket.IO servers in a cluster by the adapter
// @socket.io/redis-streams-adapter of either generation (0.2 and 0.3). The
// versions are those of package-lock.json.
//
//	clients := nodejs.StartClients(t)
//	alice := clients.Connect("alice", url, nodejs.ConnectOptions{})
//	reply, err := alice.EmitWithAck(time.Second, "join", "room")
//	message := alice.Wait(nodejs.Named("message"))
//
// All sockets of a Clients live in one Node.js process; everything that happens
// to them is in its [Journal], in order. Methods that return no error end the test
// when they fail, so call them from the test's own goroutine; those that return
// one may be called from any. The processes end with the test, and when the test
// process dies.
package nodejs

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Clients is a Node.js process with any number of client sockets.
type Clients struct {
	*Journal

	peer *peer
}

// ClientVersion is a release of socket.io-client.
type ClientVersion string

// The releases. All of them speak Socket.IO 5 over Engine.IO 4.
const (
	// Client48 is the newest.
	Client48 ClientVersion = "4.8"
	// Client41 is from before recovery (4.6), emits with a timeout (4.4) and several packets of one size limit (4.5).
	Client41 ClientVersion = "4.1"
	// Client31 is the last of the first that speak these protocols.
	Client31 ClientVersion = "3.1"
)

// ClientVersions are all releases, the newest first.
func ClientVersions() []ClientVersion { return []ClientVersion{Client48, Client41, Client31} }

// npm is the name under which the release is installed.
func (v ClientVersion) npm() string {
	if v == Client48 {
		return "socket.io-client"
	}
	return "socket.io-client-" + string(v)
}

// Bundle is the release as browsers load it: socket.io.js, socket.io.min.js, socket.io.msgpack.min.js and their source
// maps, with the newest also socket.io.esm.min.js.
func (v ClientVersion) Bundle(t testing.TB) fs.FS {
	t.Helper()
	return os.DirFS(filepath.Join(install(t), "node_modules", v.npm(), "dist"))
}

// StartClients starts a process without sockets, with the newest client.
func StartClients(t testing.TB) *Clients {
	t.Helper()
	return Client48.Start(t)
}

// Start starts a process without sockets.
func (v ClientVersion) Start(t testing.TB) *Clients {
	t.Helper()
	p := startPeer(t, "the Node.js clients "+string(v), "client.mjs", v.npm())
	return &Clients{Journal: p.journal, peer: p}
}

// ConnectOptions are those of socket.io-client that tests need.
type ConnectOptions struct {
	// Namespace begins with a slash. Default: "/".
	Namespace string
	// Transports in the order in which they are tried. Default: the client's own,
	// which is polling and then an upgrade to WebSocket.
	Transports []string
	// Path is that of the Engine.IO server. Default: "/socket.io".
	Path string
	// Auth is sent with the connection to the namespace.
	Auth map[string]any
	// Query is added to the URL of each request.
	Query map[string]string
	// NoReconnection keeps the client from coming back by itself.
	NoReconnection bool
	// ReconnectionDelay is the time before the first try to come back; later ones
	// take no longer. Default: 50 ms (the client's own is 1 to 5 s).
	ReconnectionDelay time.Duration
	// Extra are further options by their JavaScript names. They win.
	Extra map[string]any
}

func (o ConnectOptions) namespace() string {
	if o.Namespace == "" {
		return "/"
	}
	return o.Namespace
}

func (o ConnectOptions) javascript() map[string]any {
	delay := o.ReconnectionDelay
	if delay == 0 {
		delay = 50 * time.Millisecond
	}
	opts := map[string]any{
		"reconnection":         !o.NoReconnection,
		"reconnectionDelay":    delay.Milliseconds(),
		"reconnectionDelayMax": delay.Milliseconds(),
	}
	if o.Transports != nil {
		opts["transports"] = o.Transports
	}
	if o.Path != "" {
		opts["path"] = o.Path
	}
	if o.Auth != nil {
		opts["auth"] = o.Auth
	}
	if o.Query != nil {
		opts["query"] = o.Query
	}
	maps.Copy(opts, o.Extra)
	return opts
}

// Dial begins to connect a socket with a connection of its own, and does not wait
// for the outcome, which is a Connect or a ConnectError event. The name, unique
// among the Clients, stands in its events.
func (c *Clients) Dial(name, url string, options ConnectOptions) *Client {
	c.t.Helper()
	c.peer.do("connect", request{
		"client": name, "url": url, "nsp": options.namespace(), "opts": options.javascript(),
	}, nil)
	return &Client{clients: c, name: name}
}

// Connect is Dial, and waits until the socket is connected.
func (c *Clients) Connect(name, url string, options ConnectOptions) *Client {
	c.t.Helper()
	client := c.Dial(name, url, options)
	client.Wait(OfKind(Connect))
	return client
}

// Stop ends the process: to the servers, all its clients are gone at once.
func (c *Clients) Stop() { c.peer.end() }

// Pause stops the process, so that its clients answer nothing.
func (c *Clients) Pause() {
	c.t.Helper()
	if err := c.peer.process.Pause(); err != nil {
		c.t.Fatal(err)
	}
}

// Resume lets a paused process go on.
func (c *Clients) Resume() {
	c.t.Helper()
	if err := c.peer.process.Resume(); err != nil {
		c.t.Fatal(err)
	}
}

// Client is a client socket.
type Client struct {
	clients *Clients
	name    string
}

// Name is the name that it was given.
func (c *Client) Name() string { return c.name }

// Share connects a further socket, to another namespace, on the same connection,
// and waits until it is connected.
func (c *Client) Share(name, namespace string, auth map[string]any) *Client {
	c.clients.t.Helper()
	c.clients.peer.do("share", request{"client": name, "of": c.name, "nsp": namespace, "auth": auth}, nil)
	client := &Client{clients: c.clients, name: name}
	client.Wait(OfKind(Connect))
	return client
}

// Wait is [Journal.Wait] for this client's events.
func (c *Client) Wait(matches ...Match) Event {
	c.clients.t.Helper()
	return c.clients.Wait(append(matches, FromClient(c.name))...)
}

// Events is [Journal.Events] for this client's events.
func (c *Client) Events(matches ...Match) []Event {
	return c.clients.Events(append(matches, FromClient(c.name))...)
}

// Emit sends an event. Binary data is of type [Binary].
func (c *Client) Emit(event string, args ...any) {
	c.clients.t.Helper()
	c.clients.peer.do("emit", request{"client": c.name, "event": event, "args": list(args)}, nil)
}

// EmitVolatile sends an event that the client drops when it is not connected.
func (c *Client) EmitVolatile(event string, args ...any) {
	c.clients.t.Helper()
	c.clients.peer.do("emit", request{"client": c.name, "event": event, "args": list(args), "volatile": true}, nil)
}

// EmitWithAck sends an event and returns the server's acknowledgement. If none
// comes in time the error is an [*Error], "operation has timed out".
func (c *Client) EmitWithAck(timeout time.Duration, event string, args ...any) (Args, error) {
	return c.clients.peer.acked("emitWithAck", request{
		"client": c.name, "event": event, "args": list(args), "timeout": timeout.Milliseconds(),
	}, timeout)
}

// Answer sets the acknowledgement that this client sends for each event of that
// name that wants one, from now on.
func (c *Client) Answer(event string, args ...any) {
	c.clients.t.Helper()
	c.clients.peer.do("answer", request{"client": c.name, "event": event, "args": list(args)}, nil)
}

// Ack sends the acknowledgement for an event whose Ack is not 0 and for whose
// name no Answer is set.
func (c *Client) Ack(event Event, args ...any) {
	c.clients.t.Helper()
	c.clients.peer.do("ack", request{"client": c.name, "ack": event.Ack, "args": list(args)}, nil)
}

// Disconnect leaves the namespace, and closes the connection if no other socket
// shares it. The client does not come back by itself.
func (c *Client) Disconnect() {
	c.clients.t.Helper()
	c.clients.peer.do("disconnect", request{"client": c.name}, nil)
}

// Reconnect connects a socket again that has been disconnected, and does not wait
// for the outcome.
func (c *Client) Reconnect() {
	c.clients.t.Helper()
	c.clients.peer.do("reconnect", request{"client": c.name}, nil)
}

// Break cuts the connection below Socket.IO: the TCP connection of a WebSocket, or
// the Engine.IO session of polling. The client then comes back by its own rules.
func (c *Client) Break() {
	c.clients.t.Helper()
	c.clients.peer.do("break", request{"client": c.name}, nil)
}

// Move has the client connect to another server from the next time on, with all that it
// remembers. What is open stays so: see Break.
func (c *Client) Move(url string) {
	c.clients.t.Helper()
	c.clients.peer.do("move", request{"client": c.name, "url": url}, nil)
}

// State is what a client says about itself.
type State struct {
	Socket    string `json:"socket"` // its public id, empty when not connected
	Connected bool   `json:"connected"`
	Transport string `json:"transport"`
	Offset    string `json:"offset"` // that it would send to be recovered
}

// State asks the client for its state.
func (c *Client) State() State {
	c.clients.t.Helper()
	var state State
	c.clients.peer.do("state", request{"client": c.name}, &state)
	return state
}

// ID is the public id of a connected socket.
func (c *Client) ID() string {
	c.clients.t.Helper()
	return c.State().Socket
}
