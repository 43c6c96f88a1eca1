package engineio

import (
	"io"
	"sync"
	"syscall"
)

// watch is how a WebSocket over TCP is read while its client sends whole messages
// that are small, as clients do. The reader stays in one RawConn.Read, which waits
// for the client; what has come it leaves to the crew. Against a reader that calls
// net.Conn.Read and ends, this saves a read for each message, the one that finds
// nothing and has to come before each waiting, and the start of a goroutine.
//
// One thing that read would have found: an end of the connection that came together
// with the message, for which the system wakes nobody again. A client that has
// closed its socket answers the next packet to it with a reset, for which it does. So
// where nothing was sent after a message, glance looks for it.
type watch struct {
	// turn is held by who handles what the reader has read, from the reading on until
	// all of it was looked at.
	turn sync.Mutex
	// stays says that the reader waits for turn or for the client; otherwise it has
	// ended. ended says that nothing is to be read any more. turn guards them.
	stays, ended bool
	// rest and err are what RawConn.Read ended for: messages that have not come
	// whole, or that the source has failed. They are the reader's own.
	rest bool
	err  error
	// ready is Conn.ready, made once.
	ready func(fd uintptr) bool
}

// watch reads until the connection ends, or until something has come that is not
// whole: the reader then ends, as after net.Conn.Read.
func (c *Conn) watch() {
	w := &c.socket.watch
	if c.socket.reader.more() { // net/http had read ahead
		w.turn.Lock()
		c.leave()
		return
	}
	for {
		err := c.socket.raw.Read(w.ready)
		if w.rest {
			c.leave()
			return
		}
		w.turn.Lock()
		if err == nil {
			err = w.err
		}
		if err == nil && !w.ended {
			w.turn.Unlock() // somebody was at work
			continue
		}
		if !w.ended {
			c.endRead(c.socket, err)
		}
		w.turn.Unlock()
		c.server.running.Done()
		return
	}
}

// leave leaves what has come to the crew, and with it the turn. The reader ends.
func (c *Conn) leave() {
	c.socket.watch.rest, c.socket.watch.stays = false, false
	c.server.crew.do(c)
}

// ready reads what has come, and reports whether RawConn.Read shall return, not wait
// for more. It does not block: who closes the network connection waits for it, and may
// hold mu or the turn.
func (c *Conn) ready(fd uintptr) bool {
	w, r := &c.socket.watch, c.socket.reader
	if !w.turn.TryLock() {
		return true
	}
	if w.ended {
		w.turn.Unlock()
		return true
	}
	var n int
	n, w.err = readFrom(fd, r.buf)
	r.from, r.to, r.full = 0, n, n == len(r.buf)
	switch {
	case n == 0:
		w.turn.Unlock()
		return w.err != nil
	case r.full || !r.whole():
		w.rest = true // watch has the turn
		return true
	default:
		w.stays = true
		c.server.crew.do(c) // and with it goes the turn
		return false
	}
}

// readOn has more waited for, by the reader that has stayed or by another. It is
// called when all that has come was looked at.
func (c *Conn) readOn() {
	w := &c.socket.watch
	stays := w.stays
	if c.socket.raw != nil {
		w.turn.Unlock()
	}
	if !stays {
		go c.readFunc()
	}
}

// readNoMore is called instead of readOn when the reader is to end.
func (c *Conn) readNoMore() {
	w := &c.socket.watch
	stays := w.stays
	if c.socket.raw != nil {
		w.ended = true
		w.turn.Unlock()
	}
	if !stays {
		c.server.running.Done()
	}
}

// glance ends the connection if the client has ended it, and nothing was queued since
// so many frames had been: the client answers what was with a reset. Who has the turn
// meanwhile looks for itself.
func (c *Conn) glance(sent uint64) {
	if c.queued.Load() > sent {
		return
	}
	g := glances.get()
	over := g.over(c.socket.raw)
	glances.put(g)
	w := &c.socket.watch
	if !over || !w.turn.TryLock() {
		return
	}
	defer w.turn.Unlock()
	if !w.ended {
		w.ended = true
		c.endRead(c.socket, io.EOF)
	}
}

// glance is one look at the end of what can be read.
type glance struct {
	atEnd bool
	// look is called with the file descriptor. It is made once: a closure a look
	// would be an allocation a message.
	look func(fd uintptr)
}

var glances pool[glance]

// over reports whether there is nothing more to read, ever.
func (g *glance) over(raw syscall.RawConn) bool {
	if g.look == nil {
		g.look = func(fd uintptr) { g.atEnd = atEnd(fd) }
	}
	g.atEnd = false
	// An error says that it is closed on this side, which the reader sees.
	return raw.Control(g.look) == nil && g.atEnd
}
