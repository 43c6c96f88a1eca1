package metrics

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// Log returns a log that measures what is appended to the given one and what is read from its tail. It keeps the contract
// of ports.Log, and ports.As finds the inner log's abilities through it.
func (m *Meters) Log(inner ports.Log) ports.Log {
	if lag, ok := ports.As[ports.Lag](inner); ok {
		m.log.lag.Store(&lag)
	}
	return &measuredLog{Log: inner, meters: m}
}

// measuredLog changes Append and Tail; the inner log's other methods are its own.
type measuredLog struct {
	ports.Log
	meters *Meters
}

var _ ports.Decorator = (*measuredLog)(nil)

// Unwrap returns the inner log.
func (l *measuredLog) Unwrap() any { return l.Log }

// Append counts m and how long it takes.
func (l *measuredLog) Append(ctx context.Context, m *domain.Message) (domain.Offset, error) {
	began := time.Now()
	offset, err := l.Log.Append(ctx, m)
	l.meters.sent(ctx, logLane, m, time.Since(began), err)
	return offset, err
}

// Tail counts what is read.
func (l *measuredLog) Tail(ctx context.Context, after domain.Offset, h ports.LogHandler) (ports.Subscription, error) {
	return l.Log.Tail(ctx, after, &measuredReader{LogHandler: h, meters: l.meters})
}

// measuredReader looks at what a tail hands over.
type measuredReader struct {
	ports.LogHandler
	meters *Meters
}

// Unwrap returns the inner handler.
func (r *measuredReader) Unwrap() any { return r.LogHandler }

// HandleEntry counts e, hands it on, and measures how long it was under way.
func (r *measuredReader) HandleEntry(ctx context.Context, e *domain.Entry) {
	r.meters.received(logLane, &e.Message)
	r.LogHandler.HandleEntry(ctx, e)
	delay, known := r.meters.log.entry(e, time.Now())
	if known && e.Message.Kind() == domain.KindBroadcast {
		r.meters.delivery.Record(ctx, delay.Seconds())
	}
}

// HandleNotice notes that the reader stands at the tail, or that it can say something at all.
func (r *measuredReader) HandleNotice(ctx context.Context, n domain.Notice) {
	if tail, ok := n.(*domain.AtTail); ok {
		r.meters.log.atTail(tail.Stream, time.Now())
	}
	r.LogHandler.HandleNotice(ctx, n)
}

// sent counts a message that was sent, or was to be.
func (m *Meters) sent(ctx context.Context, l lane, message *domain.Message, took time.Duration, err error) {
	t, word := &m.counts.traffic[l][at(message.Kind())], ""
	if err == nil {
		t.sent.Add(1)
		t.sentBytes.Add(int64(sizeOf(message.Body)))
	} else {
		i := failureOf(err)
		t.failed[i].Add(1)
		word = failures[i].word
	}
	m.sending.Record(ctx, took.Seconds(), m.outcomes[l][word]...)
}

func (m *Meters) received(l lane, message *domain.Message) {
	t := &m.counts.traffic[l][at(message.Kind())]
	t.received.Add(1)
	t.receivedBytes.Add(int64(sizeOf(message.Body)))
}

// logReading is how a node stands with its log.
type logReading struct {
	lag  atomic.Pointer[ports.Lag]
	last atomic.Pointer[streamReading]
	lead lead

	mu      sync.Mutex
	streams map[string]*streamReading
}

// streamReading is how a node stands with a stream. Times are Unix times in nanoseconds.
type streamReading struct {
	name string
	// stored is when the log has stored the last entry that was handled; zero at the tail.
	stored atomic.Int64
	heard  atomic.Int64
}

func (r *logReading) of(stream string) *streamReading {
	if s := r.last.Load(); s != nil && s.name == stream {
		return s
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s, ok := r.streams[stream]
	if !ok {
		s = &streamReading{name: stream}
		if r.streams == nil {
			r.streams = make(map[string]*streamReading)
		}
		r.streams[stream] = s
	}
	r.last.Store(s)
	return s
}

// entry notes that an entry was handled, and returns how long it was under way, where the log tells the time.
func (r *logReading) entry(e *domain.Entry, now time.Time) (delay time.Duration, known bool) {
	s := r.of(e.Stream)
	s.heard.Store(now.UnixNano())
	if e.Time.IsZero() {
		s.stored.Store(0)
		return 0, false
	}
	s.stored.Store(e.Time.UnixNano())
	return r.lead.correct(now.Sub(e.Time), now), true
}

func (r *logReading) atTail(stream string, now time.Time) {
	s := r.of(stream)
	s.stored.Store(0)
	s.heard.Store(now.UnixNano())
}

// unusualSilence is longer than a reader that can read says nothing: it tells at least every second that nothing came.
const unusualSilence = 3 * time.Second

// delay is how far the node is behind in time, of all streams the most.
func (r *logReading) delay(now time.Time) (most time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.streams {
		if silent := time.Duration(now.UnixNano() - s.heard.Load()); silent > unusualSilence {
			most = max(most, silent)
		}
		if stored := s.stored.Load(); stored != 0 {
			most = max(most, time.Duration(now.UnixNano()-stored)+r.lead.known())
		}
	}
	return most
}

// leadWindow is how long the greatest lead of the log's clock is remembered, at least; at most twice as long.
const leadWindow = 5 * time.Minute

// lead is how much the log's clock is ahead of this node's, at least, in nanoseconds. Readers of several streams may
// use it at once: what they could do to each other in a moment is forgotten with the window.
type lead struct {
	until             atomic.Int64
	current, previous atomic.Int64
}

// correct adds the lead to a measured time, which is negative when the log's clock is ahead of what is known.
func (l *lead) correct(measured time.Duration, now time.Time) time.Duration {
	l.turn(now)
	if ahead := int64(-measured); ahead > l.current.Load() {
		l.current.Store(ahead)
	}
	return max(0, measured+l.known())
}

// known is the lead as far as it is known.
func (l *lead) known() time.Duration {
	return time.Duration(max(l.current.Load(), l.previous.Load()))
}

// turn begins another window when the last one is over.
func (l *lead) turn(now time.Time) {
	until := l.until.Load()
	if now.UnixNano() < until || !l.until.CompareAndSwap(until, now.Add(leadWindow).UnixNano()) {
		return
	}
	l.previous.Store(l.current.Swap(0))
}
