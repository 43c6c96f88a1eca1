package redisstream

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/roombus/roombus/adapters/watermill"
	"github.com/roombus/roombus/domain"
)

// reader is the goroutine that reads one stream for one handler. Its cursor is its own: it resumes after the last
// entry that it handed over, whatever happens to its connection.
type reader struct {
	subscriber *Subscriber
	handler    watermill.TailHandler
	done       chan struct{}
	standing   *standing // where it stands, for publishers; nil when they do not wait for it
	named      bool      // it tells the stream's epoch

	// ctx ends with the reader; it bounds the making of connections.
	ctx    context.Context //nolint:containedctx // the reader's own life, not a caller's
	cancel context.CancelFunc

	// behind is how many entries are still to be handed over, as of the last look.
	behind atomic.Int64

	mu   sync.Mutex
	conn *connection // closed to end a read that waits

	// Of the goroutine.
	place   place
	gap     *domain.Gap // told before anything else
	checked time.Time   // when the place was last compared with the server's
	looked  time.Time   // when the epoch's name was last compared
	sent    time.Time   // when the last read was sent
	read    time.Time   // when it came back
	quick   int         // how many reads in a row came back within maxAway of the one before them
	lost    time.Time   // since when nothing can be read; zero while it can
	full    bool        // the last read brought as much as was asked for
	batch   batch
}

func newReader(s *Subscriber, at place, h watermill.TailHandler) *reader {
	ctx, cancel := context.WithCancel(context.Background())
	return &reader{
		subscriber: s, handler: h, done: make(chan struct{}), ctx: ctx, cancel: cancel,
		place: at, checked: time.Now(), read: time.Now(),
	}
}

// tellLost tells, once, that nothing can be read.
func (r *reader) tellLost(err error) {
	if !r.lost.IsZero() {
		return
	}
	r.lost = r.read
	r.handler.HandleNotice(&domain.TransportLost{
		Stream: r.place.stream, Since: r.lost, Err: explain(err, "read "+r.place.stream),
	})
}

// tellFound tells that something was read again.
func (r *reader) tellFound() {
	if r.lost.IsZero() {
		return
	}
	r.handler.HandleNotice(&domain.TransportFound{Stream: r.place.stream, Away: r.read.Sub(r.lost)})
	r.lost = time.Time{}
}

// Close ends the reader and returns when its handler will not be called again.
func (r *reader) Close() error {
	r.cancel()
	r.mu.Lock()
	conn := r.conn
	r.mu.Unlock()
	if conn != nil {
		conn.close()
	}
	<-r.done
	s := r.subscriber
	s.mu.Lock()
	delete(s.readers, r)
	s.mu.Unlock()
	return nil
}

// movingLimit is how long a stream may be on its way from one master to another before it counts as lost.
const movingLimit = time.Second

// Pauses between attempts to read again, before jitter.
const minReadPause, maxReadPause = 20 * time.Millisecond, 2 * time.Second

func (r *reader) run() {
	defer close(r.done)
	defer r.disconnect()
	if r.standing != nil {
		var reporting sync.WaitGroup
		defer reporting.Wait()
		reporting.Go(func() { r.subscriber.local.report(r.ctx, r.subscriber.servers.shared, r.standing) })
	}
	if r.gap != nil {
		r.handler.HandleNotice(r.gap)
	}
	told := "" // the refusal that was last told
	for pause := minReadPause; r.ctx.Err() == nil; {
		err := r.step()
		if err == nil {
			pause, told = minReadPause, ""
			continue
		}
		if r.ctx.Err() != nil {
			return
		}
		r.disconnect()
		if !isMoving(err) || time.Since(r.read) > movingLimit {
			r.tellLost(err)
		}
		// A lost connection mends itself. A refusal that will not pass is told once.
		if isReply(err) && !isPassing(err) && told != err.Error() {
			told = err.Error()
			r.handler.HandleNotice(&domain.BadEntry{
				Stream: r.place.stream, Err: explain(err, "read "+r.place.stream),
			})
		}
		r.subscriber.servers.refresh(r.ctx, r.place.stream, err)
		select {
		case <-time.After(pause/2 + rand.N(pause/2)):
		case <-r.ctx.Done():
		}
		pause = min(2*pause, maxReadPause)
	}
}

const (
	// maxAway is how long a reader may go without looking whether the stream has run away from it. What it goes without
	// is measured from when a read was sent to when the next one came back: when Redis answered it in between, and how
	// long the answer lay there while this process stood still, no clock of ours says.
	maxAway = 50 * time.Millisecond
	// quickReads is how many reads in a row have to be quick for the next one to go without a look. A stream in which
	// little happens is looked at with every read, so that what comes after a silence need not wait for a look of its
	// own.
	quickReads = 8
)

// step reads once, compares places when it is time to, and hands over what came.
func (r *reader) step() error {
	if err := r.connect(); err != nil {
		return err
	}
	if r.standing != nil {
		r.standing.update(&r.place, r.subscriber.config.quantum())
	}
	before := r.sent
	r.sent = time.Now()
	info, err := r.fetch(r.full || r.quick < quickReads || r.sent.Sub(before) >= maxAway ||
		r.sent.Sub(r.checked) >= r.subscriber.config.Block)
	if err != nil {
		return err
	}
	r.read = time.Now()
	r.quick++
	late := r.read.Sub(before) >= maxAway
	if late {
		r.quick = 0
	}
	r.tellFound()
	full := int64(len(r.batch.ids)) >= r.subscriber.config.ReadCount
	compare := info != nil
	if info == nil && (full || late && len(r.batch.ids) > 0) {
		if info, err = r.look(); err != nil {
			return err
		}
		// Of a batch that is trimmed already it cannot be said whether what is missing stood before or behind it. It was
		// most likely behind, while the answer waited for this process; the next read looks again, at once.
		compare = !info.trimmed(r.batch.ids)
	}
	if compare {
		r.checked = r.read
		notice, discard := r.place.check(*info, r.batch.ids)
		if err := r.tell(notice, info); err != nil {
			return err
		}
		if discard {
			r.full = true // look again at once
			return nil
		}
	}
	r.full = full
	left := r.left(info)
	if len(r.batch.received) > 0 {
		r.behind.Store(left + int64(len(r.batch.ids)))
		r.handler.HandleBatch(r.batch.received)
	}
	r.place.advance(r.batch.ids)
	r.behind.Store(left)
	if !full {
		r.handler.HandleNotice(&domain.AtTail{
			Stream: r.place.stream, Cursor: r.place.cursor.offset(), Time: time.Now(), Epoch: r.place.epoch.name(),
		})
	}
	return nil
}

// look asks what the server says of the stream, after a read that did not ask: it may have waited for a while that is
// long enough for the stream to run away.
func (r *reader) look() (*streamInfo, error) {
	if err := r.conn.ask(r.ctx); err != nil {
		return nil, err
	}
	info, err := fetchInfo(r.ctx, r.conn.client, r.place.stream)
	return &info, err
}

// left is how many entries the stream has after the batch, as of the read.
func (r *reader) left(info *streamInfo) int64 {
	if !r.full || info == nil || !r.place.known {
		return 0
	}
	return max(0, info.added-r.place.count-int64(len(r.batch.ids)))
}

// tell tells what was found out by comparing places, and what others say of the stream's epoch.
func (r *reader) tell(notice domain.Notice, info *streamInfo) error {
	reset, ok := notice.(*domain.Reset)
	if ok {
		r.rename(reset)
	}
	if notice != nil {
		r.handler.HandleNotice(notice)
	}
	if !r.named || !info.looked || ok {
		return nil
	}
	return r.compareEpoch(info.epoch)
}

// fetch reads the batch that comes after the cursor, and with it, in the same breath, what the server says of the
// stream. The connection's tap keeps the entries.
func (r *reader) fetch(withInfo bool) (*streamInfo, error) {
	reading := redis.NewStatusCmd(r.ctx, "xread", "count", r.subscriber.config.ReadCount,
		"block", r.subscriber.config.Block.Milliseconds(), "streams", r.place.stream, r.place.cursor.String())
	if err := r.conn.ask(r.ctx); err != nil {
		return nil, err
	}
	if !withInfo {
		if err := r.conn.client.Process(r.ctx, reading); err != nil {
			return nil, err
		}
		return nil, r.batch.read(r.conn.answer())
	}
	pipe := r.conn.client.Pipeline()
	if err := pipe.Process(r.ctx, reading); err != nil {
		return nil, err
	}
	if !r.conn.asking.IsZero() {
		pipe.Do(r.ctx, "asking")
	}
	looking := pipe.XInfoStream(r.ctx, r.place.stream)
	var epoch *redis.StringCmd
	if r.named && time.Since(r.looked) >= r.subscriber.config.Block {
		epoch = pipe.Get(r.ctx, epochKey(r.place.stream))
	}
	if _, err := pipe.Exec(r.ctx); err != nil && !isReply(err) && !errors.Is(err, redis.Nil) {
		return nil, err
	}
	if err := reading.Err(); err != nil {
		return nil, err
	}
	if err := r.batch.read(r.conn.answer()); err != nil {
		return nil, err
	}
	info, err := readInfo(looking)
	if epoch != nil {
		r.looked = time.Now()
		info.epoch, info.looked = storedEpoch(epoch)
	}
	return &info, err
}

// connect sees to a connection. The first read on a new one looks where the stream stands.
func (r *reader) connect() error {
	if r.conn != nil && r.conn.stale() {
		r.disconnect()
	}
	if r.conn != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.ctx, dialTimeout)
	defer cancel()
	conn, err := r.subscriber.servers.connect(ctx, r.place.stream, r.subscriber.config.Block+dialTimeout)
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.conn = conn
	r.mu.Unlock()
	if r.ctx.Err() != nil { // Close may have come before it could see the connection
		return r.ctx.Err()
	}
	r.checked, r.looked, r.quick = time.Time{}, time.Time{}, 0
	return nil
}

func (r *reader) disconnect() {
	if r.standing != nil {
		r.standing.away.Store(true)
	}
	r.mu.Lock()
	conn := r.conn
	r.conn = nil
	r.mu.Unlock()
	if conn != nil {
		conn.close()
	}
}
