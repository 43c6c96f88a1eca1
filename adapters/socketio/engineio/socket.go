package engineio

import (
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/gobwas/ws"
)

// socket is a WebSocket: the network connection, its reader's state, and what
// is known of its end. The fields below conn and reader are guarded by Conn.mu,
// once the socket is the connection's.
type socket struct {
	conn   net.Conn
	reader *frameReader

	// last is the close frame's payload that the writer sends when nothing is
	// queued any more; closing says that it shall, sent that it did or cannot.
	last          []byte
	closing, sent bool
	// readerDone says that nothing will be read any more.
	readerDone bool
	// deadline ends the closing.
	deadline time.Time

	// controls counts control packets since window began: see flooded. It is
	// the reader's own.
	controls int
	window   time.Time
}

// maxControls is how many control packets a client may send in a second. More
// is a flood, whose answers would cost more than it.
const maxControls = 100

// hijack turns a verified request into a WebSocket. After an error the response
// is written.
func (s *Server) hijack(w http.ResponseWriter, r *http.Request) (*socket, error) {
	upgrader := ws.HTTPUpgrader{Timeout: s.config.CloseTimeout, Header: w.Header()}
	conn, buffered, _, err := upgrader.Upgrade(r, w)
	if err != nil {
		if conn != nil {
			_ = conn.Close()
		}
		return nil, err
	}
	// What the client has sent already sits in net/http's buffer, which is too
	// large to keep.
	ahead, err := buffered.Peek(buffered.Reader.Buffered())
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return &socket{conn: conn, reader: newFrameReader(conn, ahead, s.config.MaxPayload)}, nil
}

// openWebSocket answers a handshake over WebSocket.
func (s *Server) openWebSocket(w http.ResponseWriter, r *http.Request) {
	c := s.register(r)
	if c == nil {
		unavailable(w)
		return
	}
	c.setCookie(w.Header())
	socket, err := s.hijack(w, r)
	if err != nil {
		c.fail(ReasonTransportError, err)
		s.refused(r, refuse(BadRequest, err.Error()))
		return
	}
	c.mu.Lock()
	c.attach(socket)
	if !c.closed.Load() {
		c.push(c.openPacket(WebSocket))
	}
	c.mu.Unlock()
	s.running.Go(func() {
		c.start()
		c.startHeartbeat()
		c.read(socket)
	})
}

// attach makes the socket the connection's transport. If the connection was
// closed meanwhile, the socket gets what is left and is closed. mu is held.
func (c *Conn) attach(socket *socket) {
	c.socket = socket
	c.writeFunc = c.write
	if c.closed.Load() {
		socket.closeWith(closeCode(c.reason, c.err), c.server.config.CloseTimeout)
		c.lastWords()
	}
	if c.closed.Load() || c.queue != nil {
		c.startWriter()
	}
}

// read is the reader: it handles what the client sends until nothing more can
// come.
func (c *Conn) read(socket *socket) {
	for {
		op, payload, err := socket.reader.next()
		if err == nil {
			err = c.receiveMessage(socket, op, payload)
		}
		if err != nil {
			c.endRead(socket, err)
			return
		}
	}
}

// errClientClosed ends the reader after a close frame.
var errClientClosed = errors.New("engineio: the client closed the WebSocket")

// receiveMessage handles one message or control frame. Its error ends the
// reader.
func (c *Conn) receiveMessage(socket *socket, op ws.OpCode, payload []byte) error {
	switch op {
	case ws.OpBinary:
		c.heard.Store(true)
		c.deliver(payload, true)
		return nil
	case ws.OpClose:
		answer, err := closeAnswer(payload)
		if err != nil {
			return err
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.shut(ReasonTransportClose, nil, false)
		if !socket.sent {
			socket.last = answer
		}
		return errClientClosed
	case ws.OpText:
		if len(payload) > 0 && payload[0] == packetMessage {
			c.receivePacket(payload, false)
			return nil
		}
	default: // control frames are counted
	}
	if socket.flooded(time.Now()) {
		return &frameError{ws.StatusPolicyViolation, "too many control packets a second"}
	}
	switch op {
	case ws.OpText:
		c.receivePacket(payload, false)
	case ws.OpPing:
		c.heard.Store(true)
		c.mu.Lock()
		defer c.mu.Unlock()
		if !c.closed.Load() {
			c.push(newControl(ws.OpPong, payload))
		}
	default: // a pong of WebSocket answers nothing: our pings are packets
	}
	return nil
}

// endRead closes the connection for the error that ended the reader, and the
// network connection unless the writer still has something to say.
func (c *Conn) endRead(socket *socket, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	socket.readerDone = true
	broken := new(frameError)
	switch {
	case errors.As(err, &broken):
		c.shut(ReasonTransportError, err, false)
	case errors.Is(err, errClientClosed):
	default:
		// The network connection is gone: nobody is there for a close frame.
		if errors.Is(err, io.EOF) {
			err = nil // says no more than the reason
		}
		c.shut(ReasonTransportClose, err, false)
		socket.sent = true
	}
	if socket.sent {
		socket.abort()
	}
}

// flooded counts a control packet and says whether it is one too many.
func (s *socket) flooded(now time.Time) bool {
	if now.Sub(s.window) > time.Second {
		s.window, s.controls = now, 0
	}
	s.controls++
	return s.controls > maxControls
}

// closeWith makes the writer send a close frame with the code when the queue is
// empty, all within wait. The connection's mu is held.
func (s *socket) closeWith(code ws.StatusCode, wait time.Duration) {
	s.closing, s.deadline = true, time.Now().Add(wait)
	s.last = ws.NewCloseFrameBody(code, "")
	// A deadline that cannot be set belongs to a connection that is closed.
	_ = s.conn.SetWriteDeadline(s.deadline)
}

// abort closes the network connection. It may be called more than once, and
// never blocks: it is called under Conn.mu.
func (s *socket) abort() {
	// It was closed already or it is now; there is nobody to tell. What is
	// under TLS goes first: tls.Conn.Close alone would say goodbye, and wait 5 s
	// for a client that does not read.
	if wrapped, ok := s.conn.(interface{ NetConn() net.Conn }); ok {
		_ = wrapped.NetConn().Close()
	}
	_ = s.conn.Close()
}

// closeCode is the WebSocket close code for a reason.
func closeCode(reason Reason, err error) ws.StatusCode {
	broken := new(frameError)
	switch {
	case errors.As(err, &broken):
		return broken.code
	case reason == ReasonServerShuttingDown:
		return ws.StatusGoingAway
	case reason == ReasonParseError:
		return ws.StatusUnsupportedData
	case err != nil:
		return ws.StatusPolicyViolation
	default:
		return ws.StatusNormalClosure
	}
}

// startWriter starts the writer unless one runs. mu is held; the connection or
// its reader is counted as running, so that another may be.
func (c *Conn) startWriter() {
	if c.writing || c.socket.sent {
		return
	}
	c.writing = true
	c.server.running.Add(1)
	go c.writeFunc()
}

// write is the writer. It runs while there is something to send, and takes all
// that is queued at each turn.
func (c *Conn) write() {
	defer c.server.running.Done()
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.writing {
		b := c.take()
		if b == nil {
			c.writing = c.socket.closing && !c.socket.sent
			if c.writing {
				c.writeLast()
			}
			continue
		}
		c.mu.Unlock()
		err := writeBatch(c.socket.conn, b)
		c.mu.Lock()
		c.settle(b)
		if err != nil {
			c.shut(ReasonTransportError, err, false)
			c.socket.sent = true
			c.socket.abort()
		}
	}
}

// writeLast sends the close frame. Then the reader has a while to see the
// client's, after which the network connection is closed: closing it at once
// could make the client lose what it has not read. mu is held, and let go
// during the write.
func (c *Conn) writeLast() {
	frame := newControl(ws.OpClose, c.socket.last)
	c.mu.Unlock()
	_, err := c.socket.conn.Write(frame.wire)
	c.mu.Lock()
	c.socket.sent = true
	if err != nil || c.socket.readerDone {
		c.socket.abort()
		return
	}
	_ = c.socket.conn.SetReadDeadline(c.socket.deadline)
}
