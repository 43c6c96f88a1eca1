package engineio

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"
)

// noopDelay is how long a poll waits that arrives while a WebSocket is about to
// take over: long enough that the client does not poll in a tight loop.
const noopDelay = 100 * time.Millisecond

// poll is a GET request that waits for something to send.
type poll struct {
	ready chan struct{}
}

// wake tells the poll that there is something for it. It never blocks.
func (p *poll) wake() {
	select {
	case p.ready <- struct{}{}:
	default: // it knows already
	}
}

// exchange is a request that is being answered, seen from those who may have to
// cut it short.
type exchange struct {
	control *http.ResponseController
	// reading is true while the request's body is read.
	reading bool
}

// beginExchange notes a request so that closing the connection ends it.
func (c *Conn) beginExchange(w http.ResponseWriter) *exchange {
	e := &exchange{control: http.NewResponseController(w)}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.exchanges = append(c.exchanges, e)
	return e
}

// endExchange forgets a request. It comes before the request's handler returns:
// nobody may touch the response after that.
func (c *Conn) endExchange(e *exchange) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, other := range c.exchanges {
		if other == e {
			last := len(c.exchanges) - 1
			c.exchanges[i], c.exchanges[last] = c.exchanges[last], nil
			c.exchanges = c.exchanges[:last]
			break
		}
	}
	// The next request on the same network connection starts afresh.
	_ = e.control.SetWriteDeadline(time.Time{})
}

// abortExchanges ends the reading of bodies at once and the writing of answers
// soon. A response writer without deadlines (not net/http's own) goes
// unbounded; its owner has to bound it. mu is held.
func (c *Conn) abortExchanges() {
	now := time.Now()
	for _, e := range c.exchanges {
		if e.reading {
			_ = e.control.SetReadDeadline(now)
		}
		_ = e.control.SetWriteDeadline(now.Add(c.server.config.CloseTimeout))
	}
}

// openPolling answers a handshake over polling. Its answer is the first poll's:
// the open packet and whatever Open sends.
func (s *Server) openPolling(w http.ResponseWriter, r *http.Request) {
	c, err := s.register(r)
	if err != nil {
		s.unavailable(w, err)
		return
	}
	s.counters.openedPolling.Add(1)
	e := c.beginExchange(w)
	defer c.endExchange(e)
	c.mu.Lock()
	c.push(c.openPacket(Polling))
	c.mu.Unlock()
	c.start()
	c.startHeartbeat()
	c.setCookie(w.Header())
	s.addHeaders(w, r, true)
	c.answerPoll(w, r, e, nil)
}

// servePoll waits until there is something to send and answers with it.
func (s *Server) servePoll(w http.ResponseWriter, r *http.Request, c *Conn) {
	e := c.beginExchange(w)
	defer c.endExchange(e)
	p := &poll{ready: make(chan struct{}, 1)}
	probed, err := c.beginPoll(p)
	if err != nil {
		c.fail(ReasonTransportError, err)
		s.refuse(w, r, refuse(BadRequest, err.Error()))
		return
	}
	var noop <-chan time.Time
	if probed {
		timer := time.NewTimer(noopDelay)
		defer timer.Stop()
		noop = timer.C
	}
	select {
	case <-p.ready:
	case <-noop:
	case <-r.Context().Done():
		c.leavePoll(p)
		return
	}
	if c.Transport() != Polling {
		// No client that keeps to the protocol polls and upgrades at once.
		c.forgetPoll(p)
		s.refuse(w, r, refuse(BadRequest, "a poll on a connection that uses a WebSocket"))
		return
	}
	s.addHeaders(w, r, false)
	c.answerPoll(w, r, e, p)
}

// forgetPoll makes room for another poll.
func (c *Conn) forgetPoll(p *poll) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.poll == p {
		c.poll = nil
	}
}

// beginPoll makes p the connection's waiting poll, and wakes it if there is
// something to send already. probed says that a WebSocket is about to take over.
func (c *Conn) beginPoll(p *poll) (probed bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.poll != nil {
		return false, ErrPollOverlap
	}
	c.poll = p
	if c.queue != nil || c.closed.Load() || c.socket != nil {
		p.wake()
	}
	return c.probed, nil
}

// leavePoll closes the connection of a client that did not wait for its answer.
func (c *Conn) leavePoll(p *poll) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.poll == p {
		c.poll = nil
	}
	c.lastWords()
	c.shut(ReasonTransportError, ErrPollLeft, false)
}

// answerPoll answers a poll with all that is queued. With nothing queued it is a
// close packet when the connection is closed, else a noop.
func (c *Conn) answerPoll(w http.ResponseWriter, r *http.Request, e *exchange, p *poll) {
	c.mu.Lock()
	// From here on a new poll is none too many: the client may send it as soon
	// as it has the answer, before this request is quite over.
	if c.poll == p {
		c.poll = nil
	}
	var b *batch
	var frames []*Frame
	if c.socket == nil { // else the WebSocket has taken over, and the queue is its
		if b = c.take(); b != nil {
			frames = b.frames
		}
	}
	// A close packet has an answer to itself: the official client hands on the
	// messages of an answer a moment later than it heeds a close packet behind
	// them, and so would lose them.
	switch {
	case len(frames) > 0:
	case c.closed.Load() && c.reason != ReasonTransportClose: // else the client closed
		frames = []*Frame{closePacket}
		c.lastWords()
	default:
		frames = []*Frame{noopPacket}
		c.lastWords()
	}
	// A client that does not take its answer for as long as a heartbeat may
	// last is gone. As in abortExchanges, who cannot set deadlines goes without.
	cfg := &c.server.config
	patience := cfg.PingInterval + cfg.PingTimeout
	if c.closed.Load() {
		patience = cfg.CloseTimeout
	}
	_ = e.control.SetWriteDeadline(time.Now().Add(patience))
	c.mu.Unlock()

	body := c.server.compressAnswer(w, r, frames, joinPayload(frames))
	err := writeAnswer(w, e, http.StatusOK, "text/plain; charset=UTF-8", body)

	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle(b)
	if err != nil {
		c.shut(ReasonTransportError, err, false)
	}
}

var (
	closePacket = newPacket(packetClose, "")
	noopPacket  = newPacket(packetNoop, "")
)

// writeAnswer writes a whole response and waits until the network has it.
func writeAnswer(w http.ResponseWriter, e *exchange, status int, contentType string, body []byte) error {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil { //nolint:gosec // packets are no page: the content type says text/plain
		return err
	}
	// A response writer that cannot flush does so when the request is over.
	if err := e.control.Flush(); !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

// servePost reads packets from the client and answers "ok".
func (s *Server) servePost(w http.ResponseWriter, r *http.Request, c *Conn) {
	e := c.beginExchange(w)
	defer c.endExchange(e)
	if err := c.beginPost(e); err != nil {
		c.fail(ReasonTransportError, err)
		s.refuse(w, r, refuse(BadRequest, err.Error()))
		return
	}
	if r.Header.Get("Content-Type") == "application/octet-stream" {
		c.endPost()
		c.fail(ReasonTransportError, ErrBinaryPost)
		s.refuse(w, r, refuse(BadRequest, ErrBinaryPost.Error()))
		return
	}
	body, err := readBody(r, s.config.MaxPayload)
	c.endReading(e)
	switch {
	case errors.Is(err, ErrTooLarge):
		// engine.io answers 413 and keeps the session, whose messages are then
		// lost without a sign; WebSocket closes, and so do we.
		c.endPost()
		c.fail(ReasonTransportError, err)
		_ = writeAnswer(w, e, http.StatusRequestEntityTooLarge, "text/plain; charset=UTF-8", nil)
		return
	case err != nil:
		c.endPost()
		c.fail(ReasonTransportError, err)
		s.refuse(w, r, refuse(BadRequest, err.Error()))
		return
	}
	c.receivePayload(body)
	c.endPost()
	if err := c.failure(); err != nil {
		s.refuse(w, r, refuse(BadRequest, err.Error()))
		return
	}
	s.addHeaders(w, r, false)
	// text/html, not text/plain: some browsers would offer a download.
	if err := writeAnswer(w, e, http.StatusOK, "text/html", []byte("ok")); err != nil {
		c.fail(ReasonTransportError, err)
	}
}

// beginPost makes e the POST that is being handled.
func (c *Conn) beginPost(e *exchange) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.posting {
		return ErrPostOverlap
	}
	c.posting = true
	e.reading = !c.closed.Load()
	return nil
}

func (c *Conn) endReading(e *exchange) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e.reading = false
}

// endPost comes before the answer: the client may send its next POST at once.
func (c *Conn) endPost() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.posting = false
}

// readBody reads a body of at most limit bytes. What is allocated grows with
// what has arrived, not with what was announced.
func readBody(r *http.Request, limit int) ([]byte, error) {
	if r.ContentLength > int64(limit) {
		return nil, ErrTooLarge
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, int64(limit)+1))
	if err != nil {
		return nil, err
	}
	if len(body) > limit {
		return nil, ErrTooLarge
	}
	return body, nil
}
