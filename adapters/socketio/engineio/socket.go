package engineio

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/gobwas/ws"
)

// socket is a WebSocket: the network connection, its reader's state, and what
// is known of its end. The fields below conn and reader are guarded by Conn.mu,
// once the socket is the connection's.
type socket struct {
	conn   net.Conn
	reader *frameReader
	// raw is nil where writing cannot be tried without waiting.
	raw syscall.RawConn
	// watch is in use where raw is not nil.
	watch watch

	// last is the close frame's payload that the writer sends when nothing is
	// queued any more; closing says that it shall, sent that it did or cannot.
	last          []byte
	closing, sent bool
	// readerDone says that nothing will be read any more.
	readerDone bool
	// deadline ends the closing.
	deadline time.Time

	// worked is how long what has come was worked for without a pause, most how
	// long the messages of this time can take. Both are the reader's own.
	worked, most time.Duration

	// late counts what has come since the connection was closed. It is the
	// reader's own.
	late int

	// controls counts control packets since window began: see flooded. It is
	// the reader's own.
	controls int
	window   time.Time
}

// maxControls is how many control packets a client may send in a second. More
// is a flood, whose answers would cost more than it.
const maxControls = 100

// maxLate is how many messages are read after the connection was closed, until
// the client's close frame should have come. A client that floods would otherwise
// be read for all of CloseTimeout, at the cost of all others.
const maxLate = 1000

// badHandshake is the refusal of a request that could not become a WebSocket.
func badHandshake(err error) *Refusal {
	refusal := refuse(BadRequest, err.Error())
	refusal.Err = err
	return refusal
}

// hijack turns a verified request into a WebSocket. After an error the response
// is written.
func (s *Server) hijack(w http.ResponseWriter, r *http.Request) (*socket, error) {
	upgrader := ws.HTTPUpgrader{Timeout: s.config.CloseTimeout, Header: w.Header()}
	extension := deflateOffer()
	if s.config.Deflate {
		upgrader.Negotiate = extension.Negotiate
	}
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
	reader := newFrameReader(conn, ahead, s.config.MaxPayload)
	_, reader.deflate = extension.Accepted()
	return &socket{conn: conn, reader: reader, raw: rawConn(conn)}, nil
}

// openWebSocket answers a handshake over WebSocket.
func (s *Server) openWebSocket(w http.ResponseWriter, r *http.Request) {
	c, err := s.register(r)
	if err != nil {
		s.unavailable(w, err)
		return
	}
	c.setCookie(w.Header())
	s.addHeaders(w, r, true)
	socket, err := s.hijack(w, r)
	if err != nil {
		c.fail(ReasonTransportError, err)
		s.refused(r, badHandshake(err))
		return
	}
	s.counters.openedWebSocket.Add(1)
	c.mu.Lock()
	c.attach(socket)
	if !c.closed.Load() {
		c.push(c.openPacket(WebSocket))
	}
	c.mu.Unlock()
	c.start()
	c.startHeartbeat()
	c.startReader()
}

// attach makes the socket the connection's transport. If the connection was
// closed meanwhile, the socket gets what is left and is closed. mu is held.
func (c *Conn) attach(socket *socket) {
	c.socket = socket
	c.readFunc, c.writeFunc = c.read, c.write
	socket.watch.ready = c.ready
	if c.closed.Load() {
		socket.closeWith(closeCode(c.reason, c.err), c.server.config.CloseTimeout)
		c.lastWords()
	} else {
		c.server.counters.webSockets.Add(1)
	}
	if c.closed.Load() || c.queue != nil {
		c.startWriter()
	}
}

// startReader starts the reader of a connection that has a socket. The caller is
// counted as running.
func (c *Conn) startReader() {
	c.server.running.Add(1)
	go c.readFunc()
}

// read is the reader: it waits for the client, leaves what has come to the crew,
// and ends; or it stays, see watch. A goroutine that has called a receiver has a
// stack of 4 kB or more, which the runtime does not make smaller again; one that
// waits has 2 kB, because the wait is called from here, where the stack is shallow.
// BenchmarkIdle and BenchmarkEcho have the figures.
func (c *Conn) read() {
	if c.socket.raw != nil {
		c.watch()
		return
	}
	if err := c.socket.reader.wait(); err != nil {
		c.endRead(c.socket, err)
		c.server.running.Done()
		return
	}
	c.server.crew.do(c)
}

// run handles what has come, leaves the waiting for more to another reader, and
// then does what the receiver has left.
func (c *Conn) run() {
	for c.turn() {
	}
}

// turn handles some of what has come, and reports whether there is more that
// nobody else handles.
func (c *Conn) turn() (more bool) {
	socket := c.socket
	var from time.Time
	if socket.reader.full {
		from = time.Now()
	}
	socket.most = 0
	sent, look := c.queued.Load(), false
	work, err := c.receive(socket)
	switch {
	case err != nil:
		c.endRead(socket, err)
		c.readNoMore()
	case work != nil && socket.reader.more():
		c.server.crew.do(c)
	default:
		c.pause(from)
		if more = socket.reader.more(); !more {
			look = socket.watch.stays
			c.readOn()
		}
	}
	if work != nil {
		work()
	}
	if look {
		c.glance(sent)
	}
	return more
}

// maxInTurn is how many messages are handled at once, without a look whether it
// is others' turn: a client can send so that there is never nothing left.
const maxInTurn = 64

// What a message is taken to be worked for at the most: by a receiver that does it
// all, by one that leaves what takes long to others, and for each byte, which may
// have to be inflated, is unmasked and looked at.
const (
	perMessage = Turn
	perReceive = Turn / 10
	perByte    = 10 * time.Nanosecond
)

// mostFor is the most that a message of so many bytes is taken to be worked for.
func (c *Conn) mostFor(bytes int) time.Duration {
	most := time.Duration(bytes) * perByte
	if c.worker != nil {
		return most + perReceive
	}
	return most + perMessage
}

// pause has a client that sends without one take turns with the others. from is
// when the work for what has come began, zero if it was not much. What took
// longer than messages can take has waited, for the rest of one that comes
// slowly or for a receiver that is at work, and need not be made up for: others
// would wait for as long.
func (c *Conn) pause(from time.Time) {
	socket := c.socket
	if from.IsZero() {
		socket.worked = 0
		return
	}
	if socket.worked += min(time.Since(from), socket.most); socket.worked > Turn {
		c.Yield(socket.worked)
		socket.worked = 0
	}
}

// receive handles the messages that have come, or begun to, up to the first that
// leaves work to do, and maxInTurn of them at the most.
func (c *Conn) receive(socket *socket) (work func(), err error) {
	for handled := 0; work == nil && handled < maxInTurn && socket.reader.more(); handled++ {
		op, payload, err := socket.reader.next()
		socket.most += c.mostFor(len(payload))
		if err == nil && c.closed.Load() {
			socket.late++
			if socket.late > maxLate {
				err = errLate
			}
		}
		if err == nil {
			work, err = c.receiveMessage(socket, op, payload)
		}
		if err != nil {
			return nil, err
		}
	}
	return work, nil
}

// errClientClosed ends the reader after a close frame.
var errClientClosed = errors.New("engineio: the client closed the WebSocket")

// errLate ends the reader of a connection that is closed.
var errLate = errors.New("engineio: the client goes on after the end of the connection")

// receiveMessage handles one message or control frame. Its error ends the
// reader. It comes without work.
func (c *Conn) receiveMessage(socket *socket, op ws.OpCode, payload []byte) (work func(), err error) {
	switch op {
	case ws.OpBinary:
		c.heard.Store(true)
		return c.deliver(payload, true), nil
	case ws.OpClose:
		answer, err := closeAnswer(payload)
		if err != nil {
			return nil, err
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.shut(ReasonTransportClose, nil, false)
		if !socket.sent {
			socket.last = answer
		}
		return nil, errClientClosed
	case ws.OpText:
		if len(payload) > 0 && payload[0] == packetMessage {
			return c.receivePacket(payload, false), nil
		}
	default: // control frames are counted
	}
	if socket.flooded(time.Now()) {
		return nil, &frameError{ws.StatusPolicyViolation, fmt.Sprintf("more than %d control packets in a second", maxControls), ErrFlood}
	}
	switch op {
	case ws.OpText:
		return c.receivePacket(payload, false), nil
	case ws.OpPing:
		c.heard.Store(true)
		c.mu.Lock()
		defer c.mu.Unlock()
		if !c.closed.Load() {
			c.push(newControl(ws.OpPong, payload))
		}
	default: // a pong of WebSocket answers nothing: our pings are packets
	}
	return nil, nil //nolint:nilnil // most messages leave nothing to do
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
	if c.socket.raw != nil && !c.socket.closing {
		c.server.flusher.add(c)
		return
	}
	go c.writeFunc()
}

// form is how frames go out on the connection's WebSocket.
func (c *Conn) form() wireForm {
	return wireForm{c.socket.reader.deflate, c.server.config.CompressFrom}
}

// write is the writer. It runs while there is something to send, and takes all
// that is queued at each turn.
func (c *Conn) write() {
	defer c.server.running.Done()
	c.mu.Lock()
	defer c.mu.Unlock()
	form := c.form()
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
		err := writeBatch(c.socket.conn, b, form)
		c.mu.Lock()
		c.wrote(b, err)
	}
}

// wrote ends the writing of a batch. mu is held.
func (c *Conn) wrote(b *batch, err error) {
	c.settle(b)
	if err != nil {
		c.shut(ReasonTransportError, err, false)
		c.socket.sent = true
		c.socket.abort()
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
