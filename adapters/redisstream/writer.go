package redisstream

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/roombus/roombus/domain"
)

// The size of a flush.
const (
	maxFlush      = 256
	maxFlushBytes = 1 << 20
	// maxKeptRequest is how much memory for a request is kept for the next one: one message may be larger than a flush.
	maxKeptRequest = 2 * maxFlushBytes
)

// writer brings one stream's messages into it, one flush at a time.
type writer struct {
	publisher *Publisher
	stream    string
	window    *window // nil without flow control
	echoes    *echoes
	most      int // messages in a flush

	mu       sync.Mutex
	waiting  []*outgoing
	flushing []*outgoing // the flush that is under way
	first    *outgoing   // of it, that has no outcome yet
	finished bool
	wake     chan struct{}
	lastErr  error         // why the last attempt failed
	clock    *time.Timer   // when the first of those runs out of time whose deadlines are the writer's to watch
	watching bool          // the clock is set
	gaveUp   chan struct{} // has something in it when first was given up by its caller

	// Of the writer's goroutine.
	conn     *connection
	request  []byte // what is sent, in memory that is used again
	live     []*outgoing
	answers  []answer
	sequence uint64
	// skipped counts the numbers given up since the last one that was stored.
	skipped uint64
	// last is the last position that is known of this stream.
	last domain.Offset
	// loose are connections that may still have bytes in flight. They must be ended before anything else is sent.
	loose []peerID
}

func newWriter(p *Publisher, stream string) *writer {
	w := &writer{
		publisher: p, stream: stream, most: maxFlush, echoes: p.echoes.of(stream),
		wake: make(chan struct{}, 1), gaveUp: make(chan struct{}, 1),
	}
	if p.config.paced() {
		w.window = newWindow(p, stream)
		w.most = min(maxFlush, int(w.window.quantum))
	}
	return w
}

func (w *writer) add(e *outgoing) {
	e.writer = w
	w.mu.Lock()
	w.waiting = append(w.waiting, e)
	if e.patience && !w.watching {
		w.watch(e.deadline)
	}
	first := len(w.waiting) == 1
	w.mu.Unlock()
	if first {
		w.signal()
	}
}

// watch sets the clock; mu is held.
func (w *writer) watch(deadline time.Time) {
	w.watching = true
	if w.clock == nil {
		w.clock = time.AfterFunc(time.Until(deadline), w.expire)
		return
	}
	w.clock.Reset(time.Until(deadline))
}

// expire decides for the messages whose time is over and whose callers' contexts do not say so. One clock a writer
// does for all what a context with a deadline would do for each. It is called by the clock.
func (w *writer) expire() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watching = false
	now := time.Now()
	var next time.Time
	for _, list := range [...][]*outgoing{w.flushing, w.waiting} {
		for _, e := range list {
			switch {
			case e.over || !e.patience:
			case !e.deadline.After(now):
				w.giveUp(e, context.DeadlineExceeded)
			case next.IsZero() || e.deadline.Before(next):
				next = e.deadline
			}
		}
	}
	if !next.IsZero() {
		w.watch(next)
	}
}

func (w *writer) finish() {
	w.mu.Lock()
	w.finished = true
	w.mu.Unlock()
	w.signal()
}

func (w *writer) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// abandon decides for a message whose caller no longer waits.
func (w *writer) abandon(e *outgoing, cause error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.giveUp(e, cause)
}

// giveUp decides for a message that is not waited for any longer; mu is held.
func (w *writer) giveUp(e *outgoing, cause error) {
	if e.over {
		return
	}
	outcome := domain.ErrNotPublished
	if e.sent {
		outcome = domain.ErrUnknown
	}
	if w.lastErr != nil {
		cause = fmt.Errorf("%w (%w)", cause, w.lastErr)
	}
	e.decide("", fmt.Errorf("%w: %w", outcome, cause))
	if e == w.first {
		select {
		case w.gaveUp <- struct{}{}:
		default:
		}
	}
}

// run flushes until the writer is finished and nothing waits.
func (w *writer) run() {
	defer w.disconnect()
	defer w.stopClock()
	for {
		batch, finished := w.take()
		switch {
		case len(batch) > 0:
			w.flush(batch)
		case finished:
			return
		default:
			<-w.wake
		}
	}
}

// stopClock is called when nothing waits any more: a clock that rings at this moment finds nothing to do.
func (w *writer) stopClock() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.clock != nil {
		w.clock.Stop()
	}
}

// take takes what waits, as much as fits into a flush.
func (w *writer) take() (batch []*outgoing, finished bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	batch = w.flushing[:0]
	n, bytes := 0, 0
	for n < len(w.waiting) && n < w.most && (n == 0 || bytes+len(w.waiting[n].words) <= maxFlushBytes) {
		e := w.waiting[n]
		n++
		if e.over {
			e.release()
			continue
		}
		bytes += len(e.words)
		batch = append(batch, e)
	}
	rest := copy(w.waiting, w.waiting[n:])
	clear(w.waiting[rest:])
	w.waiting = w.waiting[:rest]
	w.flushing = batch
	return batch, w.finished && rest == 0
}

// flush brings a batch to its outcome: every message is stored, refused, or given up by its caller.
func (w *writer) flush(batch []*outgoing) {
	for _, e := range batch {
		w.sequence++
		e.sequence = w.sequence
	}
	w.echoes.keep(batch)
	f := &flush{writer: w, batch: batch, base: w.last}
	for attempt := 0; f.begin(); attempt++ {
		if attempt > 0 {
			f.pause(attempt)
			if !f.begin() {
				break
			}
		}
		if f.open || f.holdBack() {
			f.try()
		}
	}
	stored := w.finishFlush(batch)
	if w.window != nil {
		w.window.appended(stored)
	}
}

// finishFlush lets go of a batch whose messages all have their outcome, and returns how many are stored.
func (w *writer) finishFlush(batch []*outgoing) (stored int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, e := range batch {
		if e.err == nil {
			w.skipped = 0
			stored++
		} else {
			w.skipped++
		}
		e.release()
		batch[i] = nil
	}
	clear(w.live)
	w.flushing, w.live, w.first = w.flushing[:0], w.live[:0], nil
	if cap(w.request) > maxKeptRequest {
		w.request = nil
	}
	return stored
}

// flush is one batch until its outcome is known. The part of it that has no outcome yet is live.
type flush struct {
	*writer
	batch []*outgoing
	// base is the last position that was known before the first attempt.
	base domain.Offset
	// open says that an attempt was made whose outcome is not known: from then on only the script may append.
	open bool
}

// begin finds out who still waits. It reports false when nobody does.
func (f *flush) begin() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.live, f.first = f.live[:0], nil
	for _, e := range f.batch {
		if e.once && e.sent {
			e.decide("", fmt.Errorf("%w: a volatile message is sent once (%w)", domain.ErrUnknown, f.lastErr))
		}
		if !e.over {
			f.live = append(f.live, e)
		}
	}
	if len(f.live) == 0 {
		return false
	}
	f.first = f.live[0]
	select {
	case <-f.gaveUp: // it was said of another one
	default:
	}
	return true
}

// Pauses between attempts, before jitter.
const minRetryPause, maxRetryPause = 10 * time.Millisecond, 400 * time.Millisecond

// pause waits before another attempt. It ends early when the first caller gives up, who may be the last.
func (f *flush) pause(attempt int) {
	pause := min(minRetryPause<<min(attempt-1, 10), maxRetryPause)
	select {
	case <-time.After(pause/2 + rand.N(pause/2)):
	case <-f.gaveUp:
	}
}

// try makes one attempt.
func (f *flush) try() {
	ctx, cancel := context.WithDeadline(context.Background(), f.deadline())
	defer cancel()
	if err := f.prepare(ctx); err != nil {
		f.notSent(err)
		return
	}
	if !f.markSent() {
		return
	}
	var err error
	if f.open {
		err = f.sendMissing(ctx)
	} else {
		err = f.sendAll(ctx)
	}
	f.setErr(err)
	switch {
	case err == nil:
	case isReply(err):
		f.refused(err)
	case isDialError(err):
		f.takeBack()
		f.disconnect()
	default:
		f.outstanding()
	}
}

// deadline is when the attempt ends: with the last caller's patience, or earlier, so that there is time for another
// one. A large batch gets more.
func (f *flush) deadline() time.Time {
	const bytesPerSecond = 1 << 20
	var last time.Time
	bytes := 0
	for _, e := range f.live {
		bytes += len(e.words)
		if e.deadline.After(last) {
			last = e.deadline
		}
	}
	patience := f.publisher.config.PublishTimeout/4 + time.Duration(bytes)*time.Second/bytesPerSecond
	if attempt := time.Now().Add(patience); attempt.Before(last) {
		return attempt
	}
	return last
}

func (f *flush) setErr(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lastErr = err
}

// errCannotFence says that an outcome stays unknown because an old connection cannot be ended.
var errCannotFence = errors.New("the user may not run CLIENT KILL, so it cannot be sent again safely")

// prepare sees to a connection, and to the end of older ones.
func (w *writer) prepare(ctx context.Context) error {
	if w.conn != nil && w.conn.stale() {
		w.disconnect()
	}
	if w.conn == nil {
		conn, err := w.publisher.servers.connect(ctx, w.stream, 2*w.publisher.config.PublishTimeout)
		if err != nil {
			return err
		}
		w.conn = conn
		if err := conn.client.Ping(ctx).Err(); err != nil {
			w.disconnect()
			return err
		}
	}
	for len(w.loose) > 0 {
		peer := w.loose[0]
		err := w.conn.client.ClientKillByFilter(ctx, "ID", peer.id, "ADDR", peer.addr).Err()
		if err != nil && isReply(err) && !isPassing(err) {
			w.loose = nil
			return fmt.Errorf("%w: %w", errCannotFence, err)
		}
		if err != nil {
			w.disconnect()
			return err
		}
		w.loose = w.loose[1:]
	}
	if err := w.conn.ask(ctx); err != nil {
		w.disconnect()
		return err
	}
	return nil
}

func (w *writer) disconnect() {
	if w.conn != nil {
		w.conn.close()
		w.conn = nil
	}
}

// markSent notes, before a byte is written, that the messages may be stored from now on. It reports false when nobody
// waits any more.
func (f *flush) markSent() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.live {
		if e.over {
			return false // begin sorts it out
		}
	}
	for _, e := range f.live {
		e.sent = true
	}
	return true
}

// notSent deals with an attempt of which nothing was written.
func (f *flush) notSent(err error) {
	f.setErr(err)
	switch {
	case errors.Is(err, errCannotFence) && f.open:
		f.decideAll(domain.ErrUnknown, err)
	case errors.Is(err, errCannotFence):
		// The bytes in flight are those of an older batch, whose callers were told that it is not known.
	case isReply(err) && !isPassing(err):
		f.decideAll(f.given(), err)
	}
}

// takeBack notes that the attempt has stored nothing and never will.
func (f *flush) takeBack() {
	if f.open {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.live {
		e.sent = false
	}
}

// given is the outcome of messages that are given up now.
func (f *flush) given() error {
	if f.open {
		return domain.ErrUnknown
	}
	return domain.ErrNotPublished
}

// refused deals with a server's answer that the batch was not stored.
func (f *flush) refused(err error) {
	if !isPassing(err) {
		f.decideAll(f.given(), err)
		return
	}
	f.takeBack()
	// Another server may be the one to ask. There is nothing in flight.
	f.disconnect()
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	f.publisher.servers.refresh(ctx, f.stream, err)
}

// outstanding deals with an attempt that got no answer: its connection must end before anything else is sent.
func (f *flush) outstanding() {
	f.open = true
	peers, known := f.conn.peers()
	f.disconnect()
	f.loose = append(f.loose, peers...)
	if !known {
		f.decideAll(domain.ErrUnknown, errCannotFence)
	}
}

func (f *flush) decideAll(outcome, reason error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.live {
		e.decide("", fmt.Errorf("%w: %w", outcome, reason))
	}
}
