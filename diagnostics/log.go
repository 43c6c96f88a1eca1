package diagnostics

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// traffic is what has passed, and where the readers stand.
type traffic struct {
	published, received, delivered, bytesOut, bytesIn atomic.Uint64

	mu      sync.RWMutex
	streams map[string]*stream
	lag     ports.Lag // nil where the log cannot tell
}

// counts are the counters of traffic at a moment.
type counts struct{ published, received, delivered, bytesOut, bytesIn uint64 }

func (t *traffic) counts() counts {
	return counts{
		t.published.Load(), t.received.Load(), t.delivered.Load(), t.bytesOut.Load(), t.bytesIn.Load(),
	}
}

// Log returns a log that counts what is appended to the given one and what is read from its tail, and knows where its
// readers stand. It keeps the contract of ports.Log, and ports.As finds the inner log's abilities through it.
func (r *Recorder) Log(inner ports.Log) ports.Log {
	if lag, ok := ports.As[ports.Lag](inner); ok {
		r.traffic.mu.Lock()
		r.traffic.lag = lag
		r.traffic.mu.Unlock()
	}
	return &countedLog{Log: inner, traffic: &r.traffic}
}

// entriesBehind is how many entries the slowest reader has still to read.
func (t *traffic) entriesBehind() (entries int64, known bool) {
	t.mu.RLock()
	lag := t.lag
	t.mu.RUnlock()
	if lag == nil {
		return 0, false
	}
	return lag.Behind()
}

type countedLog struct {
	ports.Log
	traffic *traffic
}

var _ ports.Decorator = (*countedLog)(nil)

// Unwrap returns the inner log.
func (l *countedLog) Unwrap() any { return l.Log }

// Append counts m if it is in the log.
func (l *countedLog) Append(ctx context.Context, m *domain.Message) (domain.Offset, error) {
	at, err := l.Log.Append(ctx, m)
	if err == nil {
		l.traffic.published.Add(1)
		l.traffic.bytesOut.Add(uint64(sizeOf(m)))
	}
	return at, err
}

// Tail listens to what the readers say.
func (l *countedLog) Tail(ctx context.Context, after domain.Offset, h ports.LogHandler) (ports.Subscription, error) {
	return l.Log.Tail(ctx, after, &countedReader{LogHandler: h, traffic: l.traffic})
}

type countedReader struct {
	ports.LogHandler
	traffic *traffic
}

// HandleEntry counts e and passes it on.
func (r *countedReader) HandleEntry(ctx context.Context, e *domain.Entry) {
	r.traffic.received.Add(1)
	r.traffic.bytesIn.Add(uint64(sizeOf(&e.Message)))
	r.traffic.stream(e.Stream).entry(e.Time)
	r.LogHandler.HandleEntry(ctx, e)
}

// HandleNotice passes n on.
func (r *countedReader) HandleNotice(ctx context.Context, n domain.Notice) {
	now := time.Now()
	switch n := n.(type) {
	case *domain.AtTail:
		r.traffic.stream(n.Stream).atTail(now, n.Cursor)
	case *domain.Gap:
		r.traffic.stream(n.Stream).heard(now)
	case *domain.Reset:
		r.traffic.stream(n.Stream).heard(now)
	case *domain.TransportFound:
		r.traffic.stream(n.Stream).heard(now)
	}
	r.LogHandler.HandleNotice(ctx, n)
}

// sizeOf is the size of a message's event, if it has one.
func sizeOf(m *domain.Message) int {
	switch body := m.Body.(type) {
	case *domain.Broadcast:
		return body.Packet.Size()
	case *domain.ServerSideEmit:
		return body.Packet.Size()
	case *domain.ServerSideEmitReply:
		return body.Value.Size()
	case *domain.Ack:
		return body.Value.Size()
	default:
		return 0
	}
}

func (t *traffic) stream(name string) *stream {
	t.mu.RLock()
	s, ok := t.streams[name]
	t.mu.RUnlock()
	if ok {
		return s
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if s, ok = t.streams[name]; !ok {
		s = &stream{name: name, begun: time.Now()}
		t.streams[name] = s
	}
	return s
}

// stream is where the reader of a stream stands. Where a log has several tails of one, it is a mixture of them.
type stream struct {
	name   string
	begun  time.Time
	last   atomic.Int64 // when the reader was heard, since begun: wall clocks can jump
	behind atomic.Int64 // how long the last entry had been in the log, by two clocks; 0 at the tail
	cursor atomic.Pointer[domain.Offset]
	least  least
	// run counts the entries since the tail.
	run atomic.Int64
}

func (s *stream) heard(now time.Time) { s.last.Store(int64(now.Sub(s.begun))) }

func (s *stream) lastHeard() time.Time { return s.begun.Add(time.Duration(s.last.Load())) }

// entry takes an entry that was stored at a time. In a long row of entries the clock is looked at for some of them only.
func (s *stream) entry(stored time.Time) {
	if s.run.Add(1)%8 != 1 {
		return
	}
	now := time.Now()
	s.heard(now)
	if stored.IsZero() {
		return
	}
	behind := now.Sub(stored)
	s.least.take(now, behind)
	s.behind.Store(int64(behind))
}

func (s *stream) atTail(now time.Time, cursor domain.Offset) {
	s.run.Store(0)
	s.heard(now)
	s.behind.Store(atLogEnd)
	if old := s.cursor.Load(); old == nil || *old != cursor {
		s.cursor.Store(&cursor)
	}
}

// atLogEnd stands for no lag at all.
const atLogEnd = math.MinInt64

// state is what the reader is, at a moment.
func (s *stream) state(now time.Time) Reader {
	is := Reader{Stream: s.name, Silent: max(now.Sub(s.lastHeard()), 0).Seconds()}
	if at := s.cursor.Load(); at != nil {
		is.Cursor = string(*at)
	}
	if behind := s.behind.Load(); behind != atLogEnd {
		least, _ := s.least.value()
		is.Lag = max(time.Duration(behind)-least, 0).Seconds()
	}
	return is
}

// least is the least of what was seen in the last ten minutes or so: between an entry's time, which is the log's clock,
// and this node's there is at least the way, and how far the clocks differ.
type least struct {
	now, before atomic.Int64
	since       atomic.Int64
	known       atomic.Bool
}

const leastWindow = 5 * time.Minute

// take takes what was seen. Two that come at the same time may make it forget one of them.
func (l *least) take(now time.Time, d time.Duration) {
	switch began := l.since.Load(); {
	case !l.known.Load():
		l.now.Store(int64(d))
		l.before.Store(int64(d))
		l.since.Store(now.UnixNano())
		l.known.Store(true)
	case now.UnixNano()-began > int64(leastWindow):
		l.before.Store(l.now.Load())
		l.now.Store(int64(d))
		l.since.Store(now.UnixNano())
	case int64(d) < l.now.Load():
		l.now.Store(int64(d))
	}
}

func (l *least) value() (time.Duration, bool) {
	return time.Duration(min(l.now.Load(), l.before.Load())), l.known.Load()
}

// readers are where all readers stand.
func (t *traffic) readers(now time.Time) []Reader {
	var all []Reader
	for _, s := range t.all() {
		all = append(all, s.state(now))
	}
	return all
}

func (t *traffic) all() []*stream {
	t.mu.RLock()
	defer t.mu.RUnlock()
	all := make([]*stream, 0, len(t.streams))
	for _, s := range t.streams {
		all = append(all, s)
	}
	return all
}

// clockAhead is by how much this node's clock is ahead of the log's.
func (t *traffic) clockAhead() (ahead time.Duration, known bool) {
	for _, s := range t.all() {
		if d, ok := s.least.value(); ok && (!known || d < ahead) {
			ahead, known = d, true
		}
	}
	return ahead, known
}
