package client

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/roombus/roombus/adapters/socketio/parser"
	"github.com/roombus/roombus/internal/handlers"
)

// link is one Engine.IO connection over one WebSocket. One goroutine reads it; writing is done by another, which is
// there only while there is something to write.
type link struct {
	conn    net.Conn
	reader  *frameReader
	decoder *parser.Decoder
	// silence is how long the server may send no ping.
	silence time.Duration
	// maxPayload is the largest message that the server takes; 0 when it did not say.
	maxPayload int
	limit      handlers.Bounds
	// closeTimeout bounds the farewell.
	closeTimeout time.Duration
	writers      sync.WaitGroup

	mu sync.Mutex
	// pending is what waits to be written: so many packets.
	pending []byte
	packets int
	writing bool
	// leaving is set when the client says goodbye: nothing is sent after that, and only the answer is awaited.
	leaving bool
	// ended is set when nothing is sent any more.
	ended bool
	// cause is why the client itself has ended the connection.
	cause error
	// room is closed when pending was taken, and at the end. It is nil when nobody waits for that.
	room chan struct{}
}

// closeError is the server's close frame.
type closeError struct {
	code ws.StatusCode
	text string
}

// Error says what the server has said.
func (e *closeError) Error() string {
	if e.text == "" {
		return fmt.Sprintf("the server has closed the WebSocket with code %d", e.code)
	}
	return fmt.Sprintf("the server has closed the WebSocket with code %d: %s", e.code, e.text)
}

var (
	errClosed   = errors.New("the server has closed the Engine.IO connection")
	errNoPacket = errors.New("a message that is no Engine.IO packet")
)

// read hands every packet to handle until the connection has ended, and says why.
func (l *link) read(handle func(parser.Packet)) (Reason, error) {
	l.extend()
	for {
		binary, data, err := l.reader.next()
		if err != nil {
			return l.failed(err)
		}
		if reason, err := l.take(binary, data, handle); reason != "" {
			return reason, err
		}
	}
}

// take takes a message. A reason says that it was the last.
func (l *link) take(binary bool, data []byte, handle func(parser.Packet)) (Reason, error) {
	p, complete, err := l.packet(binary, data)
	switch {
	case errors.Is(err, errClosed):
		return ReasonTransportClose, nil
	case err != nil:
		return ReasonParseError, err
	case complete:
		handle(p)
	}
	return "", nil
}

// packet takes an Engine.IO packet; true comes with a whole Socket.IO packet.
func (l *link) packet(binary bool, data []byte) (parser.Packet, bool, error) {
	if binary {
		return l.decoder.AddBinary(data)
	}
	if len(data) == 0 {
		return parser.Packet{}, false, errNoPacket
	}
	switch data[0] {
	case packetMessage:
		return l.decoder.Add(data[1:])
	case packetPing:
		l.push(appendFrame(nil, ws.OpText, []byte{packetPong}))
		l.extend()
	case packetClose:
		return parser.Packet{}, false, errClosed
	case packetOpen, packetPong, packetNoop:
	default:
		return parser.Packet{}, false, errNoPacket
	}
	return parser.Packet{}, false, nil
}

// control takes a control frame of the WebSocket.
func (l *link) control(op ws.OpCode, payload []byte) error {
	switch op {
	case ws.OpPing:
		l.push(appendFrame(nil, ws.OpPong, payload))
	case ws.OpClose:
		e := &closeError{code: ws.StatusNoStatusRcvd}
		var code []byte // as it came, if it came
		if len(payload) >= 2 {
			e.code, e.text = ws.ParseCloseFrameData(payload)
			code = payload[:2]
		}
		l.push(appendFrame(nil, ws.OpClose, code))
		return e
	default:
		// A pong that nobody asked for means nothing.
	}
	return nil
}

// failed says what the end of reading means.
func (l *link) failed(err error) (Reason, error) {
	l.mu.Lock()
	if l.cause != nil {
		err = l.cause
	}
	l.mu.Unlock()
	if closed, ok := errors.AsType[*closeError](err); ok {
		if closed.code == ws.StatusNormalClosure || closed.code == ws.StatusNoStatusRcvd {
			return ReasonTransportClose, nil
		}
		return ReasonTransportClose, err
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return ReasonPingTimeout, fmt.Errorf("the server has sent no ping for %s", l.silence)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return ReasonTransportClose, nil
	case errors.Is(err, wsutil.ErrMessageTooLarge):
		return ReasonTransportError, errors.New("the server has sent a message that is larger than Config.MaxMessage")
	default:
		return ReasonTransportError, err
	}
}

// extend lets the server be silent from now on for as long as it may.
func (l *link) extend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.leaving {
		_ = l.conn.SetReadDeadline(time.Now().Add(l.silence)) // an error shows at the next read
	}
}

// offer queues a packet. When there is no room it returns what to wait for before asking again.
func (l *link) offer(m []byte) (room <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.packets > 0 && (l.packets >= l.limit.Jobs || len(l.pending)+len(m) > l.limit.Bytes) {
		if l.room == nil {
			l.room = make(chan struct{})
		}
		return l.room
	}
	l.add(m)
	return nil
}

// push queues a packet, whatever waits already.
func (l *link) push(m []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(m)
}

// offerIdle queues a packet if nothing waits and nothing is being written.
func (l *link) offerIdle(m []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.writing {
		l.add(m)
	}
}

// add queues a packet and sees to it that somebody writes it. After the end it is dropped. mu is held.
func (l *link) add(m []byte) {
	if l.leaving || l.ended {
		return
	}
	if len(l.pending) == 0 {
		l.pending = slices.Clip(m) // m belongs to others too, so nothing is appended in place
	} else {
		l.pending = append(l.pending, m...)
	}
	l.packets++
	if !l.writing {
		l.writing = true
		l.writers.Go(l.write)
	}
}

// write writes what waits until nothing does.
func (l *link) write() {
	for {
		out := l.due()
		if len(out) == 0 {
			return
		}
		if _, err := l.conn.Write(out); err != nil {
			l.fail(err)
		}
	}
}

// fail ends the connection for a cause, which the reader will find.
func (l *link) fail(cause error) {
	l.mu.Lock()
	l.cause = cause
	l.mu.Unlock()
	l.stop()
	_ = l.conn.Close() // there is nothing to do about a connection that cannot be closed
}

// due returns all that waits, or ends the writer.
func (l *link) due() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := l.pending
	l.pending, l.packets = nil, 0
	l.writing = len(out) > 0
	l.wake()
	return out
}

// wake tells who waits for room. mu is held.
func (l *link) wake() {
	if l.room != nil {
		close(l.room)
		l.room = nil
	}
}

// leave says goodbye behind what waits already. The reader ends with the server's answer, or when the time is over.
func (l *link) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(appendFrame(nil, ws.OpClose, nil))
	l.leaving = true
	_ = l.conn.SetDeadline(time.Now().Add(l.closeTimeout)) // an error shows at the next read
}

// stop lets nothing more be sent; what waits is dropped.
func (l *link) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.pending, l.packets = nil, 0
	l.wake()
}

// end closes the connection when reading has ended, and waits for the writer. An answer to a server's goodbye is still
// written.
func (l *link) end(answer bool) {
	if answer {
		_ = l.conn.SetWriteDeadline(time.Now().Add(l.closeTimeout)) // an error shows at the next write
		l.mu.Lock()
		l.ended = true
		l.mu.Unlock()
		l.writers.Wait()
	}
	l.stop()
	_ = l.conn.Close() // there is nothing to do about a connection that cannot be closed
	l.writers.Wait()
}

// ahead takes what a reader has buffered.
func ahead(b interface {
	io.Reader
	Buffered() int
},
) []byte {
	var out bytes.Buffer
	_, _ = io.CopyN(&out, b, int64(b.Buffered())) // it is in memory
	return out.Bytes()
}
