package simulator

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/domain"
)

// count numbers what is decided about, so that each decision has its own chance.
func (r *run) count(what string) string {
	r.counts[what]++
	return fmt.Sprint(r.name, " ", what, " ", r.counts[what])
}

// onAppend decides what happens to an append.
func (r *run) onAppend(m *domain.Message) inmemory.AppendFault {
	w := r.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if f, ok := r.onBeat(m); ok {
		return f
	}
	if m.Kind() == domain.KindInitialHeartbeat { // the plan goes on when the node runs
		return inmemory.AppendFault{Delay: time.Duration(r.slot + 1)}
	}
	chance := w.chance(r.count(m.Kind().String()))
	f := inmemory.AppendFault{Delay: w.travel(chance), AnswerDelay: w.travel(chance)}
	if !w.calm && isUsers(m) && chance.IntN(1000) < w.plan.network.failed {
		f.Outcome = inmemory.AppendOutcome(1 + chance.IntN(int(inmemory.AppendRepeated)))
	}
	if c := w.callOf(m); c != nil {
		c.fault = f
	}
	return f
}

// onBeat puts the heartbeats of the clock on their full interval, so that the jitter that a node gives them changes
// nothing from one run of a seed to the next. The caller holds the lock.
func (r *run) onBeat(m *domain.Message) (inmemory.AppendFault, bool) {
	wait, ok := r.beatIn(m)
	return inmemory.AppendFault{Delay: wait}, ok
}

// beatIn is how long a heartbeat of the clock has to wait. What a node says that leaves waits for nothing. The caller
// holds the lock.
func (r *run) beatIn(m *domain.Message) (time.Duration, bool) {
	passed := time.Since(r.w.began) - r.beatFrom
	if m.Kind() != domain.KindHeartbeat || r.closing.order > 0 || passed < beatInterval*9/10 || passed > beatInterval {
		return 0, false
	}
	// A little more, so that nodes do not beat at the same time.
	return beatInterval - passed + time.Duration(r.slot+1)*time.Microsecond, true
}

// untilBeat lets the time that a heartbeat of the clock has begin when it is sent, not with the node's jitter.
func (r *run) untilBeat(ctx context.Context, m *domain.Message) (context.Context, context.CancelFunc) {
	r.w.mu.Lock()
	wait, ok := r.beatIn(m)
	r.w.mu.Unlock()
	if !ok {
		return ctx, func() {}
	}
	later, cancel := context.WithTimeout(context.WithoutCancel(ctx), wait+beatInterval)
	stop := context.AfterFunc(ctx, func() {
		if errors.Is(ctx.Err(), context.Canceled) { // the node closes
			cancel()
		}
	})
	return later, func() { stop(); cancel() }
}

const beatInterval = 5 * time.Second

// isUsers reports whether somebody waits for how the append of a message ends.
func isUsers(m *domain.Message) bool {
	switch m.Body.(type) {
	case *domain.Broadcast, domain.RoomOperation, *domain.ServerSideEmit, *domain.FetchSockets:
		return true
	default:
		return false
	}
}

// onSend decides what happens to a message on the channel.
func (r *run) onSend(_ domain.NodeID, m *domain.Message) inmemory.SendFault {
	w := r.w
	w.mu.Lock()
	defer w.mu.Unlock()
	chance := w.chance(r.count("send " + m.Kind().String()))
	f := inmemory.SendFault{Delay: w.travel(chance)}
	f.Lost = !w.calm && chance.IntN(1000) < w.plan.network.lost
	if c := w.callOf(m); c != nil {
		c.fault.Delay = f.Delay
	}
	return f
}

// onRead decides how long an entry is on its way to a reader.
func (r *run) onRead(e *domain.Entry) time.Duration {
	w := r.w
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.travel(w.chance(r.name + " read " + string(e.Offset)))
}

// travel is how long something is on its way. Times differ by nanoseconds at the least, so that few things happen at
// the same time: their order would be the scheduler's, which no seed decides.
func (w *world) travel(chance *rand.Rand) time.Duration {
	longest := w.plan.network.append
	if !w.calm && chance.IntN(1000) < w.plan.network.slow {
		longest = w.plan.network.slowBy
	}
	return time.Duration(1 + chance.Int64N(int64(longest)+500))
}
