package socketio

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/roombus/roombus/adapters/socketio/engineio"
	"github.com/roombus/roombus/adapters/socketio/parser"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/handlers"
)

// connection is a client: one Engine.IO connection, with a socket for each namespace that the client has joined. It is
// the engine's Receiver.
type connection struct {
	server  *Server
	engine  *engineio.Conn
	decoder *parser.Decoder
	// unfinished counts the sockets whose middleware or connect handlers are at work, and those that are gone and whose
	// handlers have not ended; one that ended while it was connecting counts twice for a while.
	unfinished atomic.Int32
	// limits are the client's buckets, one set a namespace, the oldest first. The goroutine that reads uses them.
	limits []*limits
	// connects counts how often the client has asked to be connected since window began. The goroutine that reads uses them.
	connects int
	window   time.Time

	mu     sync.Mutex
	closed bool
	// sockets has one socket a namespace at the most. One that the server has put out stays until the client connects
	// again, because packets of it may still be on their way.
	sockets []*Socket
	// timer closes the connection of a client that joins nothing.
	timer *time.Timer
}

// maxUnfinished is how many sockets of one client may have something at work on the server before they are connected or
// when they are gone. A client that asks for one more is closed: connecting and leaving again and again, it could
// otherwise have any number of handlers run at the same time.
const maxUnfinished = 100

// flooded counts a wish to be connected and says whether it is one too many.
func (c *connection) flooded(now time.Time) bool {
	if now.Sub(c.window) > time.Second {
		c.window, c.connects = now, 0
	}
	c.connects++
	return c.connects > c.server.config.MaxSockets+maxUnfinished
}

func newConnection(server *Server, engine *engineio.Conn) *connection {
	decoder, _ := parser.NewDecoder(server.config.Parser) // NewServer has checked the config
	return &connection{server: server, engine: engine, decoder: decoder}
}

// Message is Receive for who does not know that.
func (c *connection) Message(data []byte, binary bool) {
	if work := c.Receive(data, binary); work != nil {
		go work()
	}
}

// Receive takes a message of the client. It returns what is to be done for it on a goroutine that may take its time, nil
// for nothing.
func (c *connection) Receive(data []byte, binary bool) (work func()) {
	add := c.decoder.Add
	if binary {
		add = c.decoder.AddBinary
	}
	p, complete, err := add(data)
	switch {
	case err != nil:
		c.close(ReasonParseError, err)
	case complete:
		return c.packet(p)
	}
	return nil
}

// Upgraded is told that the connection is a WebSocket now.
func (c *connection) Upgraded() {
	o := c.server.observed.by()
	for _, s := range c.all() {
		if o != nil && s.Connected() {
			o.Upgraded(s)
		}
		if len(s.ns.reg.upgrade.All()) > 0 {
			s.jobs.Offer(&c.server.running, math.MaxInt, handlers.Job{Do: s.upgraded}) // it comes but once
		}
	}
}

// Close is told that the connection has ended.
func (c *connection) Close(reason engineio.Reason, err error) {
	c.shut(reason, err)
	c.server.forget(c)
}

// packet hands a packet to its socket, and returns what is to be done for it.
func (c *connection) packet(p parser.Packet) (work func()) {
	if p.Type == parser.Connect {
		return c.connect(p.Namespace, p.Payload)
	}
	s := c.find(p.Namespace)
	switch {
	case s == nil || p.Type == parser.ConnectError || s.state.Load() == stateConnecting:
		// As in Node.js: the client is out of step.
		c.close(ReasonForcedServerClose, ErrNotJoined)
	case p.Type == parser.Disconnect:
		c.forget(s)
		s.end(ReasonClientDisconnect, nil, left)
	default:
		return s.receive(p)
	}
	return nil
}

// connect begins a socket. A client may ask again while the middleware is still at work, because it has changed its
// mind twice: the first attempt is then dropped without a word. It returns what is to be done for it.
func (c *connection) connect(namespace string, auth domain.Value) (work func()) {
	if c.flooded(time.Now()) {
		c.close(ReasonForcedServerClose, ErrConnectFlood)
		return nil
	}
	ns, ok := c.server.enter(namespace, auth)
	if !ok {
		c.server.counters.refused.Add(1)
		_ = c.engine.Send(connectErrorFrame(namespace, &ConnectError{Message: "Invalid namespace"}))
		return nil
	}
	if old := c.find(namespace); old != nil {
		if !old.abandon() {
			ns.release()
			c.close(ReasonForcedServerClose, ErrJoinedTwice)
			return nil
		}
		c.forget(old)
	}
	if c.unfinished.Add(1) > maxUnfinished {
		ns.release()
		c.close(ReasonForcedServerClose, ErrUnfinished)
		return nil
	}
	if len(c.all()) >= c.server.config.MaxSockets { // only this goroutine adds sockets
		ns.release()
		c.close(ReasonForcedServerClose, ErrTooManySockets)
		return nil
	}
	s := newSocket(c, ns, auth)
	if !c.add(s) {
		ns.release()
		return nil
	}
	work, _ = s.jobs.Enqueue(&c.server.running, handlers.Bounds{Jobs: 1}, c.engine.Done(), handlers.Job{Do: s.connect})
	return work
}

// joined is called when the client has joined a namespace.
func (c *connection) joined() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
}

// expectConnect closes the connection if the client has joined nothing after a while.
func (c *connection) expectConnect() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.timer = time.AfterFunc(c.server.config.ConnectTimeout, func() { c.close(ReasonForcedServerClose, ErrConnectTimeout) })
	}
}

// close ends the connection and its sockets. The cause is counted before anybody is told of the end.
func (c *connection) close(reason Reason, err error) {
	if c.refuse() {
		c.server.counters.cause(err)
	}
	c.endAll(reason, err)
	c.engine.Close(reason)
}

// disconnect ends the connection on the server's behalf, after a farewell to each of its sockets.
func (c *connection) disconnect() {
	for _, s := range c.all() {
		s.end(ReasonServerDisconnect, nil, putOut)
	}
	c.engine.Close(ReasonForcedServerClose)
}

// shut ends the sockets and refuses new ones.
func (c *connection) shut(reason Reason, err error) {
	c.refuse()
	c.endAll(reason, err)
}

// refuse lets nobody join any more. It reports whether it was the first to do so.
func (c *connection) refuse() (first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	first = !c.closed
	c.closed = true
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
	return first
}

func (c *connection) endAll(reason Reason, err error) {
	for _, s := range c.all() {
		s.end(reason, err, lost)
	}
}

// find returns the socket in a namespace, nil for none.
func (c *connection) find(namespace string) *Socket {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.sockets {
		if s.ns.name == namespace {
			return s
		}
	}
	return nil
}

func (c *connection) all() []*Socket {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.sockets)
}

// add notes a socket; false says that the connection is closed.
func (c *connection) add(s *Socket) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.sockets = append(c.sockets, s)
	return true
}

func (c *connection) forget(s *Socket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sockets = slices.DeleteFunc(c.sockets, func(other *Socket) bool { return other == s })
}
