package engineio

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Conn is one client's connection, whatever transport it uses at the moment.
type Conn struct {
	id        string
	server    *Server
	handshake packedHandshake
	ctx       context.Context //nolint:containedctx // of all that happens on the connection

	// delivering is held around every call of the receiver, so that they never
	// overlap, whichever goroutine reads.
	delivering sync.Mutex
	receiver   Receiver
	// worker is the receiver if it is a Worker.
	worker Worker
	// messages counts those that the receiver was given. delivering guards it.
	messages uint64
	// busy is the number of the message that the receiver is being given, 0
	// for none, and heard is set when any packet came in: the heartbeat looks
	// at both.
	busy  atomic.Uint64
	heard atomic.Bool
	// arrived is when the last ping that was answered was sent, in nanoseconds
	// since the process began; zero when none was.
	arrived atomic.Int64
	// closed is written under mu; done is closed with it.
	closed atomic.Bool
	done   chan struct{}

	mu     sync.Mutex
	reason Reason
	err    error

	// What waits to be sent. bytes and packets include what a writer has taken
	// and not yet written. queued and taken count frames from the beginning;
	// the heartbeat learns from them whether its ping went out.
	queue   *batch
	bytes   int
	packets int
	// queued is written under mu.
	queued atomic.Uint64
	taken  uint64
	// written is closed when a batch was written. It is nil when nobody waits
	// for that.
	written chan struct{}

	heartbeat heartbeat

	// The polling side: the poll that waits for an answer, the POST that is
	// being handled, and all requests that are being answered.
	poll      *poll
	posting   bool
	exchanges []*exchange
	// linger is closed when the last words of a closed polling connection have
	// found a way out. It is nil when nobody waits for that.
	linger chan struct{}

	// The WebSocket side. probe is a WebSocket that has asked to take over,
	// upgrading says that one is being made, probed that the client
	// has sent its ping over it.
	socket            *socket
	probe             *socket
	upgrading, probed bool
	writing           bool
	// readFunc and writeFunc are c.read and c.write, made once: a go statement
	// with them allocates nothing.
	readFunc, writeFunc func()
}

// volatileBytes is how much may wait on a connection before volatile frames are
// dropped: enough for a burst of small ones between two turns of the writer,
// too little to grow stale.
const volatileBytes = 16 << 10

// ID returns the connection's id: 20 characters of URL-safe base64, random, and
// Config.IDSuffix.
func (c *Conn) ID() string { return c.id }

// Handshake returns what is known of the request that opened the connection. It
// is made anew by every call.
func (c *Conn) Handshake() *Handshake { return c.handshake.unpack() }

// Context has the values of what Config.ConnContext has returned. It never ends;
// see Done.
func (c *Conn) Context() context.Context { return c.ctx }

// Done is closed when the connection is closed or closing: nothing can be sent
// on it any more. A Receiver whose Message waits for something should go on
// then, because its Close comes after that.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Transport returns the transport that is in use now.
func (c *Conn) Transport() Transport {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.socket != nil {
		return WebSocket
	}
	return Polling
}

// Send queues a frame. It never blocks, and the order of calls is the order of
// arrival. It returns ErrClosed when the connection is closed or closing, and
// ErrOverflow when the queue is full, which closes the connection with
// ReasonTransportError. No error means queued, not received.
func (c *Conn) Send(f *Frame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.put(f)
	if err == nil {
		c.flush()
	}
	return err
}

// Put is Send for who calls Flush right after it: until then the frame may stay
// in the queue.
func (c *Conn) Put(f *Frame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.put(f)
}

// put queues a frame. mu is held.
func (c *Conn) put(f *Frame) error {
	if c.closed.Load() {
		return ErrClosed
	}
	if c.full(f) {
		c.shut(ReasonTransportError, ErrOverflow, false)
		return ErrOverflow
	}
	c.enqueue(f)
	return nil
}

// Flush sees to it that what is queued is sent, and never blocks. With now, the
// caller's goroutine writes what the network takes at once, which is the
// cheapest way to send one frame; without, what is sent to many connections, or
// again to this one, goes out together.
func (c *Conn) Flush(now bool) {
	c.mu.Lock()
	if !now || c.queue == nil || c.socket == nil || c.socket.raw == nil || c.socket.closing || c.socket.sent || c.writing {
		if c.queue != nil {
			c.flush()
		}
		c.mu.Unlock()
		return
	}
	// It is counted as running, because it is not closing.
	c.writing = true
	c.server.running.Add(1)
	c.mu.Unlock()
	w := attempts.get()
	c.flushNow(w)
	attempts.put(w)
}

// SendVolatile queues a frame if it can be expected to leave at once, and
// otherwise drops it and returns false: on a closed connection, on a polling
// connection without a waiting poll, and when 16 kB or half of the queue wait
// already. Node.js drops in the same places, and on WebSockets while any write
// is in progress.
func (c *Conn) SendVolatile(f *Frame) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	cfg := &c.server.config
	switch {
	case c.closed.Load(),
		c.socket == nil && c.poll == nil,
		c.bytes > min(volatileBytes, cfg.QueueBytes/2),
		c.packets > cfg.QueuePackets/2,
		c.full(f):
		c.server.counters.dropped.Add(1)
		return false
	}
	c.push(f)
	return true
}

// Drained waits until at most so many bytes, and half of the packets that have
// room, are queued. Who has much to send calls it before each part: the queue
// then never overflows, however slowly the client reads. It returns ErrClosed
// when the connection is closed or closing, or ctx's error.
func (c *Conn) Drained(ctx context.Context, bytes int) error {
	for {
		written, err := c.drain(bytes)
		if written == nil {
			return err
		}
		select {
		case <-written:
		case <-c.done:
			return ErrClosed
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// drain returns what is closed when another look at the queue is due, nil when
// there is nothing to wait for.
func (c *Conn) drain(bytes int) (written <-chan struct{}, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed.Load():
		return nil, ErrClosed
	case c.bytes <= bytes && c.packets <= c.server.config.QueuePackets/2:
		return nil, nil //nolint:nilnil // there is room already
	}
	if c.written == nil {
		c.written = make(chan struct{})
	}
	return c.written, nil
}

// Close sends what is queued, within Config.CloseTimeout, and closes the
// connection. It does not wait for either. The Receiver's Close is called with
// the reason as soon as a Message in progress has returned. Only the first
// reason counts.
func (c *Conn) Close(reason Reason) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shut(reason, nil, true)
}

// fail closes the connection because of an error; what is queued is dropped.
func (c *Conn) fail(reason Reason, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shut(reason, err, false)
}

// full says whether the queue has no room for the frame. One frame alone always
// has room. mu is held.
func (c *Conn) full(f *Frame) bool {
	cfg := &c.server.config
	return c.packets > 0 && (c.bytes+f.Len() > cfg.QueueBytes || c.packets >= cfg.QueuePackets)
}

// push queues a frame, whatever waits already, and sees to it that it is sent.
// mu is held.
func (c *Conn) push(f *Frame) {
	c.enqueue(f)
	c.flush()
}

// enqueue queues a frame. mu is held.
func (c *Conn) enqueue(f *Frame) {
	if c.queue == nil {
		c.queue = batches.get()
	}
	c.queue.add(f)
	c.bytes += f.Len()
	c.packets++
	c.queued.Add(1)
}

// flush gives what is queued to whoever can send it now. mu is held.
func (c *Conn) flush() {
	switch {
	case c.socket != nil:
		c.startWriter()
	case c.poll != nil:
		c.poll.wake()
	}
}

// take removes and returns what is queued: nil when nothing is. mu is held.
func (c *Conn) take() *batch {
	b := c.queue
	c.queue = nil
	if b != nil {
		c.taken += uint64(len(b.frames))
		c.server.traffic.Load().out(c, b)
	}
	return b
}

// settle stops counting a batch that was taken, and gives it back. mu is held.
func (c *Conn) settle(b *batch) {
	if b == nil {
		return
	}
	c.bytes -= b.bytes
	c.packets -= len(b.frames)
	b.free()
	if c.written != nil {
		close(c.written)
		c.written = nil
	}
}

// shut closes the connection for the first of its callers. With flush, what is
// queued is still sent. mu is held.
func (c *Conn) shut(reason Reason, err error, flush bool) {
	if c.closed.Load() {
		return
	}
	c.closed.Store(true)
	close(c.done)
	c.reason, c.err = reason, err
	c.server.open.Add(-1)
	if c.socket != nil {
		c.server.counters.webSockets.Add(-1)
	}
	c.server.counters.close(reason, err)
	c.heartbeat.stop()
	if !flush {
		c.settle(c.take())
	}
	c.abortExchanges()
	if c.probe != nil && (!flush || !c.probed) {
		c.probe.abort()
	}
	switch {
	case c.socket != nil:
		c.socket.closeWith(closeCode(reason, err), c.server.config.CloseTimeout)
		c.startWriter()
	case flush:
		c.linger = make(chan struct{})
		fallthrough
	default:
		c.flush()
	}
	// The connection itself is counted in running until finish is done.
	go c.finish()
}

// finish tells the receiver, gives a polling client the time to fetch what is
// left for it, and forgets the connection.
func (c *Conn) finish() {
	c.delivering.Lock()
	if c.receiver != nil {
		c.receiver.Close(c.reason, c.err)
	}
	c.delivering.Unlock()
	c.mu.Lock()
	linger, closing := c.linger, c.server.closing
	if c.poll != nil {
		closing = nil // the poll is here and will take what is left
	}
	c.mu.Unlock()
	if linger != nil {
		timer := time.NewTimer(c.server.config.CloseTimeout)
		select {
		case <-linger:
		case <-timer.C:
		case <-closing:
		}
		timer.Stop()
	}
	c.mu.Lock()
	c.linger = nil
	if c.probe != nil {
		c.probe.abort()
	}
	if c.socket == nil {
		c.settle(c.take())
	}
	c.mu.Unlock()
	c.server.remove(c)
}

// upgraded tells the receiver that the transport is another now, if it wants to
// know and the connection is not closed.
func (c *Conn) upgraded() {
	c.delivering.Lock()
	defer c.delivering.Unlock()
	if r, ok := c.receiver.(UpgradeReceiver); ok && !c.closed.Load() {
		r.Upgraded()
	}
}

// failure returns the error that closed the connection, if one did.
func (c *Conn) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// gone says whether the connection is closed and has nothing left for a poll to
// fetch.
func (c *Conn) gone() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed.Load() && c.linger == nil
}

// lastWords says that nobody need wait for a final poll any more. mu is held.
func (c *Conn) lastWords() {
	if c.linger != nil {
		close(c.linger)
		c.linger = nil
	}
}

// start calls the handler's Open, before any deliver. A connection that was
// closed before it came to that is never shown to the handler.
func (c *Conn) start() {
	c.delivering.Lock()
	defer c.delivering.Unlock()
	if c.closed.Load() {
		return
	}
	c.receiver = c.server.handler.Open(c)
	if worker, ok := c.receiver.(Worker); ok {
		c.worker = worker
	}
}

// deliver hands a message to the receiver, unless the connection is closed. What
// it returns is to be called soon, when the caller keeps nobody waiting.
func (c *Conn) deliver(data []byte, binary bool) (work func()) {
	c.delivering.Lock()
	defer c.delivering.Unlock()
	if c.closed.Load() {
		return nil
	}
	c.messages++
	c.server.traffic.Load().in(c, len(data))
	c.busy.Store(c.messages)
	defer c.busy.Store(0)
	if c.worker != nil {
		return c.worker.Receive(data, binary)
	}
	c.receiver.Message(data, binary)
	return nil
}
