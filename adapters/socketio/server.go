package socketio

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/roombus/roombus/adapters/socketio/engineio"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// node is what the server needs of the node whose edge it is: an *app.Node. Its methods do what those say.
type node interface {
	ID() domain.NodeID
	Member(namespace string, id domain.NodeID) (domain.Member, bool)
	Attach(e ports.Edge) error
	Open(ctx context.Context, namespace string) error
	Broadcast(ctx context.Context, namespace string, t domain.Target, p domain.Packet) (domain.Offset, error)
	BroadcastWithAck(ctx context.Context, namespace string, t domain.Target, p domain.Packet) ([]domain.Value, error)
	Operate(ctx context.Context, namespace string, op domain.RoomOperation) error
	InOrder(namespace string, change func(at domain.Offset)) (made bool)
	FetchSockets(ctx context.Context, namespace string, t domain.Target) ([]domain.SocketDetails, error)
	ServerSideEmit(ctx context.Context, namespace string, p domain.Packet) error
	ServerSideEmitWithAck(ctx context.Context, namespace string, p domain.Packet) ([]domain.Value, error)
	NodeCount(namespace string) int
	AnnounceDraining(ctx context.Context) error
	FlushSessions(ctx context.Context) error
	RecoveryWindow() time.Duration
	KeepSession(
		namespace string, socket domain.SocketID, rooms []string, data domain.Value, at domain.Offset, lost func(),
	) ports.Session
	Recover(
		ctx context.Context, namespace string, id domain.SessionID, seen domain.Offset, lost func(),
	) (ports.Comeback, domain.Recovery)
}

// Server is a Socket.IO server: an http.Handler for the clients, and an edge of its node. It has the methods of its
// default namespace "/"; Of returns the others.
type Server struct {
	*Namespace
	node   node
	config Config
	engine *engineio.Server
	// bundle has the files of the client that are served, by name.
	bundle map[string]asset
	// recovers says that the node keeps sessions.
	recovers bool
	counters counters
	observed observed
	// annotator is nil for none.
	annotator atomic.Pointer[Annotator]
	// forward is nil when nothing is passed on to other nodes.
	forward *forwarder
	// running counts the goroutines of sockets.
	running sync.WaitGroup

	mu         sync.RWMutex
	namespaces map[string]*Namespace
	parents    []*ParentNamespace // in the order in which they were made; replaced, never changed
	// dynamicNames are those of all children that clients have ever had made.
	dynamicNames map[string]struct{}
	connections  map[*connection]struct{}
	closed       bool

	// closing begins the end, once; done is closed when it is over.
	closing sync.Once
	done    chan struct{}
}

// NewServer attaches a server to a node that does not run yet. The error names the first setting that cannot work, or
// says why the node takes no edge.
func NewServer(node node, config Config) (*Server, error) {
	if node == nil {
		return nil, errors.New("socketio.NewServer: a server needs a node")
	}
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	bundle, err := readBundle(config.Client)
	if err != nil {
		return nil, err
	}
	io := &Server{
		bundle:       bundle,
		node:         node,
		config:       config,
		recovers:     node.RecoveryWindow() > 0,
		namespaces:   make(map[string]*Namespace),
		dynamicNames: make(map[string]struct{}),
		connections:  make(map[*connection]struct{}),
		done:         make(chan struct{}),
	}
	if config.Forward != nil {
		if io.forward, err = newForwarder(node, config.Forward, io.forwardFailed); err != nil {
			return nil, err
		}
		if err := io.forward.plug(&config.Engine); err != nil {
			return nil, err
		}
	}
	io.engine, err = engineio.NewServer(opener{io}, config.Engine)
	if err != nil {
		return nil, err
	}
	if err := node.Attach(edge{io}); err != nil {
		return nil, fmt.Errorf("socketio.NewServer: %w", err)
	}
	io.Namespace = io.Of("/")
	return io, nil
}

// openTimeout bounds how long Of waits for the node to join a namespace.
const openTimeout = 5 * time.Second

// Of returns a namespace, which it makes when there is none of that name yet; clients can connect to it from then on. A
// leading slash may be missing. Where the name matches the pattern of a [ParentNamespace] it is a child of that.
//
// The node joins the namespace, so that other nodes know it there: when the node starts, and if it runs already, at
// once. In that case Of waits for it, for at most 5 s; after a failure, which Config.OnError gets, it is tried again
// when the first client connects or something is emitted.
func (io *Server) Of(name string) *Namespace {
	if !strings.HasPrefix(name, "/") {
		name = "/" + name
	}
	io.mu.Lock()
	ns, ok := io.namespaces[name]
	if !ok {
		ns = io.made(name)
	}
	io.mu.Unlock()
	ns.begin()
	if !ok {
		io.announce(name)
	}
	return ns
}

// ErrNamespaceExists says that there is a namespace of that name already.
var ErrNamespaceExists = errors.New("socketio: there is a namespace of that name already")

// Make makes a namespace as Of does, but for one that must not be there yet, ErrNamespaceExists, and that clients can
// connect to only when prepare has returned: so that there is no moment in which nobody asks who they are, also when the
// server is at work already. prepare registers its handlers. It is no child of a [ParentNamespace].
func (io *Server) Make(name string, prepare func(ns *Namespace)) (*Namespace, error) {
	if !strings.HasPrefix(name, "/") {
		name = "/" + name
	}
	ns := newNamespace(io, name)
	prepare(ns)
	io.mu.Lock()
	if _, exists := io.namespaces[name]; exists {
		io.mu.Unlock()
		return nil, fmt.Errorf("%w: %s", ErrNamespaceExists, name)
	}
	io.namespaces[name] = ns
	io.mu.Unlock()
	io.announce(name)
	return ns, nil
}

// announce has the node join a namespace.
func (io *Server) announce(name string) {
	ctx, cancel := context.WithTimeout(context.Background(), openTimeout)
	defer cancel()
	if err := io.node.Open(ctx, name); err != nil {
		io.fail(ctx, Failure{Namespace: name, Err: err})
	}
}

// made makes a namespace that stays: a child of a parent whose pattern its name matches, as in Node.js. The server's lock
// is held.
func (io *Server) made(name string) *Namespace {
	for _, p := range io.parents {
		if p.pattern != nil && p.pattern.MatchString(name) {
			ns := io.newChild(p, name)
			ns.pinned = true
			return ns
		}
	}
	ns := newNamespace(io, name)
	io.namespaces[name] = ns
	return ns
}

// Namespaces are those that there are on this node, in no order.
func (io *Server) Namespaces() []*Namespace {
	io.mu.RLock()
	defer io.mu.RUnlock()
	return slices.Collect(maps.Values(io.namespaces))
}

func (io *Server) lookup(namespace string) (*Namespace, bool) {
	io.mu.RLock()
	defer io.mu.RUnlock()
	ns, ok := io.namespaces[namespace]
	return ns, ok
}

// ServeHTTP answers the requests of clients. Mount it at the path that they use; see Config.Path. It takes paths as they
// are, whatever prefix is before, so that it works behind http.StripPrefix and routers as well as without.
func (io *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	if !strings.HasSuffix(path, "/") {
		path += "/"
	}
	if io.serveBundle(w, r) {
		return
	}
	if !io.answers(path) {
		http.NotFound(w, r)
		return
	}
	if io.forward != nil {
		var ok bool
		if r, ok = io.forward.admit(w, r); !ok {
			return
		}
	}
	io.engine.ServeHTTP(w, r)
}

// Connections is the number of clients that are connected to this node; a client counts once, in however many
// namespaces it is.
func (io *Server) Connections() int { return io.engine.Len() }

// EngineStats counts connections: how they began, were refused, and ended, and which limits they met. It is Stats().Engine.
func (io *Server) EngineStats() engineio.Stats { return io.engine.Stats() }

// CountTraffic has packets and bytes counted from now on, for Stats().Engine.Traffic. See engineio.Server.CountTraffic.
func (io *Server) CountTraffic() { io.engine.CountTraffic() }

// lastOrders bounds how long Close waits for what was emitted before it.
const lastOrders = time.Second

// Close refuses new clients, waits for at most 1 s until what this node has emitted so far is with its own clients,
// ends all connections with ReasonServerShuttingDown and returns when every goroutine of the server has ended: when the
// handlers have returned, whose contexts end after Config.HandlerGrace. Clients come back by themselves, to whichever
// node they are sent. It may be called again, and then waits likewise; a handler must not call it. The error is always
// nil.
func (io *Server) Close() error {
	io.beginClose()
	<-io.done
	return nil
}

// Done is closed when the server has closed.
func (io *Server) Done() <-chan struct{} { return io.done }

func (io *Server) beginClose() {
	io.closing.Do(func() { go io.close() })
}

func (io *Server) close() {
	defer close(io.done)
	io.mu.Lock()
	io.closed = true
	io.mu.Unlock()
	io.sendOut(context.Background())
	for _, c := range io.open() {
		c.shut(ReasonServerShuttingDown, nil)
	}
	_ = io.engine.Close() // is always nil
	if io.forward != nil {
		io.forward.close()
	}
	io.finishHooks()
	io.running.Wait()
}

// forwardFailed tells the application of a request that was not passed on, or not accepted.
func (io *Server) forwardFailed(err error) {
	io.fail(context.Background(), Failure{Event: "forward", Err: err})
}

// fail tells the application of a failure.
func (io *Server) fail(ctx context.Context, f Failure) { io.config.OnError(ctx, f) }

func (io *Server) forget(c *connection) {
	io.mu.Lock()
	defer io.mu.Unlock()
	delete(io.connections, c)
}

// opener is the server as its engine sees it.
type opener struct{ server *Server }

// Open begins a connection.
func (o opener) Open(engine *engineio.Conn) engineio.Receiver {
	c := newConnection(o.server, engine)
	o.server.mu.Lock()
	closed := o.server.closed
	o.server.connections[c] = struct{}{}
	o.server.mu.Unlock()
	if closed {
		c.close(ReasonServerShuttingDown, nil)
	} else {
		c.expectConnect()
	}
	return c
}
