package redisstream

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/roombus/roombus/adapters/watermill"
	"github.com/roombus/roombus/domain"
)

// outgoing is a message on its way into a stream.
type outgoing struct {
	// args is the XADD without the numbers, which come last; numbered is the part of it that does not change.
	args     []any
	fields   int // where the fields begin in args
	numbered int
	size     int64
	room     func() // gives back its room in the queue
	deadline time.Time
	once     bool // not to be sent again after an attempt of unknown outcome

	// Of the writer's goroutine.
	sequence uint64

	// Guarded by the writer's mu until done is closed.
	sent   bool // an attempt of unknown outcome may have stored it
	over   bool // its outcome is decided
	offset domain.Offset
	err    error
	done   chan struct{}
}

// trimAt is where the trimming begins in an outgoing's args, after XADD and the stream.
const trimAt = 2

// newOutgoing copies what it needs of m, which belongs to the caller again as soon as that stops waiting.
func newOutgoing(stream string, m *message.Message, trim []any) (*outgoing, error) {
	fields, err := appendFields(make([]string, 0, 2*len(m.Metadata)+4), m)
	if err != nil {
		return nil, err
	}
	const before, numbers = 3, 6 // the words of XADD; the names and values of pub, seq, skip
	args := make([]any, 0, before+len(trim)+len(fields)+numbers)
	args = append(append(append(args, "xadd", stream), trim...), "*")
	e := &outgoing{fields: len(args), done: make(chan struct{})}
	for i := 0; i < len(fields); i += 2 {
		name, value := fields[i], fields[i+1]
		switch name {
		case watermill.FieldPublisher, watermill.FieldSequence, watermill.FieldSkipped:
			// A message that was received and is published again has the numbers of its first life.
		default:
			args = append(args, name, value)
			e.size += int64(len(name) + len(value))
		}
	}
	e.args, e.numbered = args, len(args)
	return e, nil
}

// number writes the numbers behind the fields.
func (e *outgoing) number(publisher domain.PublisherID, skipped uint64) {
	e.args = append(e.args[:e.numbered], watermill.FieldPublisher, string(publisher),
		watermill.FieldSequence, strconv.FormatUint(e.sequence, 10))
	if skipped > 0 {
		e.args = append(e.args, watermill.FieldSkipped, strconv.FormatUint(skipped, 10))
	}
}

// decide sets the outcome; the writer's mu is held.
func (e *outgoing) decide(offset domain.Offset, err error) {
	if e.over {
		return
	}
	e.over, e.offset, e.err = true, offset, err
	e.room()
	close(e.done)
}

// The size of a flush.
const (
	maxFlush      = 256
	maxFlushBytes = 1 << 20
)

// writer brings one stream's messages into it, one flush at a time.
type writer struct {
	publisher *Publisher
	stream    string
	window    *window // nil without flow control
	most      int     // messages in a flush

	mu       sync.Mutex
	waiting  []*outgoing
	finished bool
	wake     chan struct{}
	lastErr  error // why the last attempt failed

	// Of the writer's goroutine.
	conn     *connection
	sequence uint64
	// skipped counts the numbers given up since the last one that was stored.
	skipped uint64
	// last is the last position that is known of this stream.
	last domain.Offset
	// loose are connections that may still have bytes in flight. They must be ended before anything else is sent.
	loose []peerID
}

func newWriter(p *Publisher, stream string) *writer {
	w := &writer{publisher: p, stream: stream, most: maxFlush, wake: make(chan struct{}, 1)}
	if p.config.paced() {
		w.window = newWindow(p, stream)
		w.most = min(maxFlush, int(w.window.quantum))
	}
	return w
}

func (w *writer) add(e *outgoing) {
	w.mu.Lock()
	w.waiting = append(w.waiting, e)
	w.mu.Unlock()
	w.signal()
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
	outcome := domain.ErrNotPublished
	if e.sent {
		outcome = domain.ErrUnknown
	}
	if w.lastErr != nil {
		cause = fmt.Errorf("%w (%w)", cause, w.lastErr)
	}
	e.decide("", fmt.Errorf("%w: %w", outcome, cause))
}

// run flushes until the writer is finished and nothing waits.
func (w *writer) run() {
	defer w.disconnect()
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

// take takes what waits, as much as fits into a flush.
func (w *writer) take() (batch []*outgoing, finished bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, bytes := 0, int64(0)
	for n < len(w.waiting) && n < w.most && (n == 0 || bytes+w.waiting[n].size <= maxFlushBytes) {
		e := w.waiting[n]
		n++
		if e.over {
			continue
		}
		bytes += e.size
		batch = append(batch, e)
	}
	rest := copy(w.waiting, w.waiting[n:])
	clear(w.waiting[rest:])
	w.waiting = w.waiting[:rest]
	return batch, w.finished && rest == 0
}

// flush brings a batch to its outcome: every message is stored, refused, or given up by its caller.
func (w *writer) flush(batch []*outgoing) {
	for _, e := range batch {
		w.sequence++
		e.sequence = w.sequence
	}
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
	stored := int64(0)
	for _, e := range batch {
		if e.err == nil {
			w.skipped = 0
			stored++
		} else {
			w.skipped++
		}
	}
	if w.window != nil {
		w.window.appended(stored)
	}
}

// flush is one batch until its outcome is known.
type flush struct {
	*writer
	batch []*outgoing
	// live is the part of batch that has no outcome yet.
	live []*outgoing
	// base is the last position that was known before the first attempt.
	base domain.Offset
	// open says that an attempt was made whose outcome is not known: from then on only the script may append.
	open bool
}

// begin finds out who still waits. It reports false when nobody does.
func (f *flush) begin() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.live = f.live[:0]
	skipped := f.skipped
	var oldest any
	if config := &f.publisher.config; config.Retention > 0 {
		oldest = config.oldest(f.last)
	}
	for _, e := range f.batch {
		if e.once && e.sent {
			e.decide("", fmt.Errorf("%w: a volatile message is sent once (%w)", domain.ErrUnknown, f.lastErr))
		}
		if e.over {
			skipped++
			continue
		}
		e.number(f.publisher.id, skipped)
		if oldest != nil {
			e.args[trimAt+thresholdAt] = oldest
		}
		skipped = 0
		f.live = append(f.live, e)
	}
	return len(f.live) > 0
}

// Pauses between attempts, before jitter.
const minRetryPause, maxRetryPause = 10 * time.Millisecond, 400 * time.Millisecond

// pause waits before another attempt. It ends early when the first caller gives up, who may be the last.
func (f *flush) pause(attempt int) {
	pause := min(minRetryPause<<min(attempt-1, 10), maxRetryPause)
	select {
	case <-time.After(pause/2 + rand.N(pause/2)):
	case <-f.live[0].done:
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
	var bytes int64
	for _, e := range f.live {
		bytes += e.size
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
	f.publisher.servers.refresh(ctx)
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
