package engineio

import (
	"bytes"
	"errors"
	"runtime"
	"sync"
	"syscall"
)

// flusher writes what is queued on connections whose network connection can be
// written to without waiting, a few goroutines for all of them. A broadcast to
// many clients otherwise starts a goroutine for each, which costs about as much
// as a quarter of the write. What cannot be written at once is left to a writer
// of the connection's own.
type flusher struct {
	server *Server

	mu      sync.Mutex
	due     []*Conn
	workers int
}

// perWorker is how many connections may be due for a worker before there is
// another.
const perWorker = 64

// add makes a connection due. It is counted as running until it was flushed.
func (f *flusher) add(c *Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.due = append(f.due, c)
	if f.workers == 0 || f.workers < runtime.GOMAXPROCS(0) && len(f.due) > f.workers*perWorker {
		f.workers++
		f.server.crew.do(f)
	}
}

// run flushes connections until none is due.
func (f *flusher) run() {
	w := attempts.get()
	defer attempts.put(w)
	var conns []*Conn
	for {
		conns = f.next(conns[:0])
		if len(conns) == 0 {
			return
		}
		for _, c := range conns {
			c.flushNow(w)
		}
		clear(conns)
	}
}

// next takes a part of the connections that are due. If there are none, the worker
// is one less.
func (f *flusher) next(conns []*Conn) []*Conn {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := min(len(f.due), perWorker)
	if n == 0 {
		if cap(f.due) > keptFrames {
			f.due = nil
		}
		f.workers--
		return nil
	}
	conns = append(conns, f.due[:n]...)
	// Moved, not cut off: so the slice is not made anew all the time.
	rest := copy(f.due, f.due[n:])
	clear(f.due[rest:])
	f.due = f.due[:rest]
	return conns
}

// attempt is one write that does not wait.
type attempt struct {
	buffer  [copyBufferSize]byte
	data    []byte
	written int
	err     error
	// try is called with the file descriptor. It is made once: a closure a write
	// would be an allocation a write.
	try func(fd uintptr) bool
}

var attempts pool[attempt]

// write writes what fits, and returns how much that was.
func (a *attempt) write(raw syscall.RawConn, data []byte) (int, error) {
	if a.try == nil {
		a.try = a.once
	}
	a.data, a.written, a.err = data, 0, nil
	err := raw.Write(a.try)
	a.data = nil
	return a.written, errors.Join(a.err, err)
}

// once writes and reports true: it shall not be waited for more room. A signal
// may have come between; what is left is written like any rest then.
func (a *attempt) once(fd uintptr) bool {
	n, err := writeTo(fd, a.data)
	a.written = max(0, n)
	if err != nil && !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EINTR) {
		a.err = err
	}
	return true
}

// join copies a batch together.
func (a *attempt) join(b *batch, form wireForm) []byte {
	if len(b.frames) == 1 {
		return form.of(b.frames[0])
	}
	data := a.buffer[:0]
	for _, f := range b.frames {
		data = append(data, form.of(f)...)
	}
	return data
}

// flushNow writes what is queued if it is little and nothing hinders it; what is
// left goes to a writer. It is what the writer does for as long as it can be done
// without waiting: writing is true meanwhile.
func (c *Conn) flushNow(w *attempt) {
	c.mu.Lock()
	if c.socket.closing || c.queue == nil || c.queue.bytes > copyBufferSize {
		c.mu.Unlock()
		go c.writeFunc()
		return
	}
	b := c.take()
	c.mu.Unlock()
	data := w.join(b, c.form())
	n, err := w.write(c.socket.raw, data)
	if n < len(data) || err != nil {
		go c.writeRest(b, bytes.Clone(data[n:]), err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle(b)
	switch {
	case c.socket.closing:
		go c.writeFunc()
	case c.queue != nil:
		c.server.flusher.add(c)
	default:
		c.writing = false
		c.server.running.Done()
	}
}

// writeRest writes the rest of a batch, or deals with the error that there was,
// and goes on as the writer.
func (c *Conn) writeRest(b *batch, rest []byte, err error) {
	if err == nil {
		_, err = c.socket.conn.Write(rest)
	}
	c.mu.Lock()
	c.wrote(b, err)
	c.mu.Unlock()
	c.write()
}
