package inmemory

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// tailPause is the time between two notices that a quiet reader stands at the tail.
const tailPause = time.Second

// tail reads the log for a handler, one entry after the other, on a goroutine of its own.
type tail struct {
	member  *Member
	handler ports.LogHandler

	wake chan struct{} // holds one: look again
	quit chan struct{}
	done chan struct{}
	once sync.Once

	// The rest is guarded by the cluster's lock.
	cursors map[*stream]*cursor
	turn    int  // the stream that is looked at first, so that all get their turn
	handing bool // an entry was taken, and its handler has not returned
}

// cursor is how far a tail has read a stream.
type cursor struct {
	epoch uint64
	next  uint64        // index in the stream of the next entry
	last  domain.Offset // the last position read
	// unknownLoss says that entries before next are gone, and nobody knows how many.
	unknownLoss bool
	// told is when the handler was told that the cursor stands at the tail; zero when it must be told.
	told time.Time
	// lost is since when the connection is cut, as the handler was told; zero when it has it.
	lost time.Time
}

func newTail(m *Member, h ports.LogHandler) *tail {
	return &tail{
		member:  m,
		handler: h,
		wake:    make(chan struct{}, 1),
		quit:    make(chan struct{}),
		done:    make(chan struct{}),
		cursors: make(map[*stream]*cursor),
	}
}

// startAfter puts the cursors of all streams behind a position. The caller holds the lock.
func (t *tail) startAfter(after domain.Offset) error {
	c := t.member.cluster
	start := c.end()
	if after != "" {
		var err error
		if start, err = c.known(after); err != nil {
			return err
		}
	}
	for _, s := range c.order {
		t.cursors[s] = c.cursorAfter(start, s)
	}
	return nil
}

// cursorAfter stands in a stream behind a position. The caller holds the lock.
func (c *Cluster) cursorAfter(start position, s *stream) *cursor {
	cur := &cursor{epoch: start.epoch, last: start.offset()}
	switch {
	case start.epoch != c.epoch: // a reset will be told
	case start.number <= s.born: // all of the stream is behind it
	case !s.gapAfter(start.number):
		cur.next = s.after(start.number)
	case len(c.order) == 1: // the only stream has all the numbers
		cur.next = start.number
	default:
		cur.unknownLoss = true
	}
	return cur
}

// run hands over what comes until the tail is stopped.
func (t *tail) run() {
	defer close(t.done)
	timer := time.NewTimer(tailPause)
	defer timer.Stop()
	for {
		select {
		case <-t.quit:
			return
		default:
		}
		entry, notice := t.next()
		switch {
		case entry != nil:
			if t.travel(entry) {
				t.handEntry(entry)
			}
		case notice != nil:
			t.handNotice(notice)
		default:
			timer.Reset(tailPause)
			select {
			case <-t.quit:
				return
			case <-t.wake:
			case <-timer.C:
			}
		}
	}
}

// travel waits as long as the entry is on its way, and then until the member is not frozen. It reports false when the
// tail was stopped meanwhile.
func (t *tail) travel(e *domain.Entry) bool {
	d := t.member.faults.nextRead(e)
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-t.quit:
		return false
	case <-timer.C:
		return t.member.thawed(t.quit)
	}
}

// next takes one step: an entry, a notice, or neither when there is nothing to do for now.
func (t *tail) next() (*domain.Entry, domain.Notice) {
	c := t.member.cluster
	c.mu.Lock()
	defer c.mu.Unlock()
	t.handing = false
	if t.member.held || t.member.frozen {
		return nil, nil
	}
	if notice := t.lostOrFound(); notice != nil || t.member.cut {
		return nil, notice
	}
	for i := range c.order {
		s := c.order[(t.turn+i)%len(c.order)]
		if entry, notice := t.read(s); entry != nil || notice != nil {
			t.turn, t.handing = (t.turn+i+1)%len(c.order), entry != nil
			return entry, notice
		}
	}
	now := time.Now()
	for _, s := range c.order {
		if cur := t.cursors[s]; cur.told.IsZero() || now.Sub(cur.told) >= tailPause {
			cur.told = now
			return nil, &domain.AtTail{Stream: s.name, Cursor: cur.last, Time: now, Epoch: epochName(cur.epoch)}
		}
	}
	return nil, nil
}

// behind is how many entries the tail has not taken yet, in all streams. The caller holds the lock.
func (t *tail) behind() (entries int64) {
	if t.handing {
		entries = 1
	}
	for s, cur := range t.cursors {
		if cur.epoch == t.member.cluster.epoch {
			entries += int64(s.length() - cur.next)
		}
	}
	return entries
}

// lostOrFound is what is to be said of the connection, one stream at a time. The caller holds the lock.
func (t *tail) lostOrFound() domain.Notice {
	for _, s := range t.member.cluster.order {
		switch cur, ok := t.cursors[s]; {
		case !ok:
		case t.member.cut && cur.lost.IsZero():
			cur.lost = time.Now()
			return &domain.TransportLost{Stream: s.name, Since: cur.lost, Err: errCut}
		case !t.member.cut && !cur.lost.IsZero():
			away := time.Since(cur.lost)
			cur.lost = time.Time{}
			return &domain.TransportFound{Stream: s.name, Away: away}
		}
	}
	return nil
}

// read takes the next step in a stream.
func (t *tail) read(s *stream) (*domain.Entry, domain.Notice) {
	epoch := t.member.cluster.epoch
	cur, ok := t.cursors[s]
	if !ok { // the stream was made after the tail had begun
		cur = &cursor{epoch: epoch, last: position{epoch, s.born}.offset()}
		t.cursors[s] = cur
	}
	if cur.epoch != epoch {
		was := cur.epoch
		*cur = cursor{epoch: epoch, last: position{epoch: epoch}.offset()}
		return nil, &domain.Reset{
			Stream: s.name, Was: epochName(was), Is: epochName(epoch), Cursor: cur.last, Reason: "the log was emptied",
		}
	}
	if cur.unknownLoss || cur.next < s.trimmed {
		gap := &domain.Gap{Stream: s.name, After: cur.last}
		if !cur.unknownLoss {
			gap.Lost = s.trimmed - cur.next
		}
		if len(s.held) > 0 {
			gap.Next = s.held[0].entry.Offset
		}
		cur.last = position{cur.epoch, s.lastTrimmed}.offset()
		cur.next, cur.unknownLoss, cur.told = s.trimmed, false, time.Time{}
		return nil, gap
	}
	if cur.next == s.length() {
		return nil, nil
	}
	entry := s.at(cur.next).entry
	cur.next++
	cur.last, cur.told = entry.Offset, time.Time{}
	return entry, nil
}

// handEntry hands over an entry. A panic of the handler costs the entry alone, and is told.
func (t *tail) handEntry(e *domain.Entry) {
	defer func() {
		if p := recover(); p != nil {
			t.handNotice(&domain.BadEntry{
				Stream: e.Stream, Offset: e.Offset, Err: fmt.Errorf("the handler of the log panicked: %v", p),
			})
		}
	}()
	t.handler.HandleEntry(context.Background(), e)
}

// handNotice hands over a notice. A panic costs the notice: there is nobody else to tell.
func (t *tail) handNotice(n domain.Notice) {
	defer func() { _ = recover() }()
	t.handler.HandleNotice(context.Background(), n)
}

func (t *tail) wakeUp() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// stop ends the goroutine and waits for it.
func (t *tail) stop() {
	t.once.Do(func() { close(t.quit) })
	<-t.done
}

// Close ends the tail.
func (t *tail) Close() error {
	m := t.member
	m.cluster.mu.Lock()
	m.tails = without(m.tails, t)
	m.cluster.mu.Unlock()
	t.stop()
	return nil
}
