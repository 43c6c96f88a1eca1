package socketio

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"github.com/roombus/roombus/adapters/socketio/parser"
	"github.com/roombus/roombus/internal/handlers"
)

// ErrRateLimited says that a client sent more events than [RateLimit] allows. What was too many is dropped; where an ack
// was asked for, it is {"error": "rate limit exceeded"}. Config.OnError is told at most once a second for a socket, with
// the number of events.
var ErrRateLimited = errors.New("socketio: the client sends too many events")

// RateLimit bounds the events that clients send, by token buckets, one set a connection and namespace: a client that
// leaves and connects again goes on with what is in them. Events that are too many never reach a handler, nor the queue of
// the socket. Acks, and connecting, are not counted; how often a client may make a new connection is for what stands in
// front to bound. The zero RateLimit bounds nothing and costs nothing.
type RateLimit struct {
	// Socket is for all events of one socket together. Default: no bound.
	Socket Rate
	// Events are for single events of one socket, by name, besides. Default: none.
	Events map[string]Rate
	// CloseAfter closes the client's connection, with ReasonForcedServerClose and ErrRateLimited, when so many events of
	// one socket were too many and not one in between was in order. Default: never.
	CloseAfter int
}

// Rate is a token bucket: so many events a second in the long run, so many at once. The zero Rate is no bound.
type Rate struct {
	// PerSecond is how many are allowed a second in the long run.
	PerSecond float64
	// Burst is how many are allowed at once after a pause. Default: PerSecond, rounded up.
	Burst int
}

func (r Rate) check(what string) error {
	if r.PerSecond < 0 || math.IsNaN(r.PerSecond) || r.Burst < 0 {
		return fmt.Errorf("socketio.Config: RateLimit: %s is %v a second, %d at once; neither can be negative",
			what, r.PerSecond, r.Burst)
	}
	if r.PerSecond == 0 && r.Burst > 0 {
		return fmt.Errorf("socketio.Config: RateLimit: %s allows %d at once, but no number a second", what, r.Burst)
	}
	return nil
}

func (l *RateLimit) check() error {
	if err := l.Socket.check("Socket"); err != nil {
		return err
	}
	for event, r := range l.Events {
		if err := r.check(fmt.Sprintf("Events[%q]", event)); err != nil {
			return err
		}
	}
	if l.CloseAfter < 0 {
		return fmt.Errorf("socketio.Config: RateLimit: CloseAfter is %d; it must not be negative", l.CloseAfter)
	}
	return nil
}

// limiter returns a full bucket; nil for no bound.
func (r Rate) limiter() *rate.Limiter {
	if r.PerSecond == 0 {
		return nil
	}
	burst := r.Burst
	if burst == 0 {
		burst = int(math.Ceil(r.PerSecond))
	}
	return rate.NewLimiter(rate.Limit(r.PerSecond), burst)
}

// limits are the buckets of one client in one namespace. The goroutine that reads its connection uses them, one at a
// time.
type limits struct {
	namespace string
	config    *RateLimit
	socket    *rate.Limiter
	events    map[string]*rate.Limiter
	// row is how many in a row were too many, dropped how many since OnError was told, and told when that was.
	row, dropped int
	told         time.Time
}

// limitsIn returns the client's buckets in a namespace, which outlive its sockets; nil where nothing is bounded. It keeps
// as many as the client may have sockets: to get rid of one set, a client has to go through that many namespaces, each of
// which would have given it a full set anyway.
func (c *connection) limitsIn(namespace string) *limits {
	in := func(l *limits) bool { return l.namespace == namespace }
	if i := slices.IndexFunc(c.limits, in); i >= 0 {
		return c.limits[i]
	}
	if len(c.limits) >= c.server.config.MaxSockets {
		idle := slices.IndexFunc(c.limits, func(l *limits) bool { return c.find(l.namespace) == nil })
		if idle >= 0 { // always: the client has fewer sockets than that
			c.limits = slices.Delete(c.limits, idle, idle+1)
		}
	}
	l := newLimits(&c.server.config.RateLimit, namespace)
	if l != nil {
		c.limits = append(c.limits, l)
	}
	return l
}

// newLimits returns full buckets, nil where nothing is bounded.
func newLimits(config *RateLimit, namespace string) *limits {
	if config.Socket == (Rate{}) && len(config.Events) == 0 {
		return nil
	}
	return &limits{namespace: namespace, config: config, socket: config.Socket.limiter()}
}

// allows takes a token for an event out of each bucket that it counts for.
func (l *limits) allows(event string, now time.Time) bool {
	if l.socket != nil && !l.socket.AllowN(now, 1) {
		return false
	}
	bucket, ok := l.events[event]
	if !ok {
		of, limited := l.config.Events[event]
		if !limited {
			return true
		}
		bucket = of.limiter()
		if l.events == nil {
			l.events = make(map[string]*rate.Limiter, 1)
		}
		l.events[event] = bucket
	}
	return bucket == nil || bucket.AllowN(now, 1)
}

// reportPause is the least time between two reports of what one client has sent too many.
const reportPause = time.Second

// limited reports whether a packet of the client is one too many, and does what is to be done about it.
func (s *Socket) limited(p parser.Packet) bool {
	l := s.limits
	if l == nil {
		return false
	}
	now := time.Now()
	event := p.Event().Event()
	if l.allows(event, now) {
		l.row = 0
		return false
	}
	s.ns.server.counters.rateLimited.Add(1)
	l.row++
	l.dropped++
	closes := l.config.CloseAfter > 0 && l.row >= l.config.CloseAfter
	if closes || now.Sub(l.told) >= reportPause {
		s.failed(s.ctx, event, fmt.Errorf("%w: %d dropped", ErrRateLimited, l.dropped))
		l.told, l.dropped = now, 0
	}
	switch {
	case closes:
		s.conn.close(ReasonForcedServerClose, ErrRateLimited)
	case p.HasID:
		s.acknowledge(ackFrame(s.ns.name, p.ID, handlers.ErrorAnswer(publicText(ErrRateLimited))), false)
	}
	return true
}
