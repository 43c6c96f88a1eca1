package inmemory

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// replayLimit is how many entries a replay looks at when it is not told.
const replayLimit = 1000

// memberLog is the cluster's log as a member sees it.
type memberLog struct{ *Member }

// numbering counts a publisher's messages in a stream.
type numbering struct {
	last    uint64
	skipped uint64 // numbers directly before the next one that were given up
}

// Append stores m.
func (l memberLog) Append(ctx context.Context, m *domain.Message) (domain.Offset, error) {
	name := l.cluster.config.StreamOf(m.Namespace)
	if m.Body == nil {
		return "", fmt.Errorf("append to %s: %w: the message has no body", name, domain.ErrNotPublished)
	}
	fault := l.faults.nextAppend(m)
	if err := l.delay(ctx, fault.Delay); err != nil {
		return "", fmt.Errorf("append to %s: %w: %w", name, domain.ErrNotPublished, err)
	}
	var at domain.Offset
	var outcome error
	err := l.connected(ctx, func() { at, outcome = l.store(name, m, fault.Outcome) })
	if err != nil {
		return "", fmt.Errorf("append to %s: %w: %w", name, domain.ErrNotPublished, err)
	}
	if outcome != nil {
		return "", fmt.Errorf("append to %s: %w", name, outcome)
	}
	return at, nil
}

// store gives the message its number and puts it at the stream's end, as far as the outcome says so. The caller holds
// the lock.
func (l memberLog) store(name string, m *domain.Message, outcome AppendOutcome) (domain.Offset, error) {
	n := l.numbers[name]
	n.last++
	copied := *m
	copied.Publisher, copied.Sequence, copied.Skipped = l.publisher, n.last, n.skipped
	var at domain.Offset
	for range outcome.entries() {
		at = l.cluster.add(name, copied)
	}
	err := outcome.err()
	if err != nil {
		n.skipped++
	} else {
		n.skipped = 0
	}
	l.numbers[name] = n
	return at, err
}

// add stores an entry. The caller holds the lock.
func (c *Cluster) add(name string, m domain.Message) domain.Offset {
	s := c.stream(name)
	c.number++
	e := &domain.Entry{Stream: name, Offset: c.end().offset(), Time: time.Now(), Message: m}
	s.add(c.number, e, c.config.MaxLength)
	c.wakeTails()
	return e.Offset
}

// Tail starts a reader.
func (l memberLog) Tail(ctx context.Context, after domain.Offset, h ports.LogHandler) (ports.Subscription, error) {
	m := l.Member
	t := newTail(m, h)
	var bad error
	//nolint:contextcheck // ctx bounds the start alone; handlers have a context of their own
	err := m.connected(ctx, func() {
		if bad = t.startAfter(after); bad == nil {
			m.tails = append(m.tails, t)
			go t.run()
		}
	})
	if err = errors.Join(err, bad); err != nil {
		return nil, fmt.Errorf("tail after %q: %w", after, err)
	}
	return t, nil
}

// Replay reads a part of the log. Together with domain.ErrGap it returns what the log does hold of the range.
func (l memberLog) Replay(
	ctx context.Context, namespace string, after, through domain.Offset, limit int,
) (domain.Page, error) {
	if limit <= 0 {
		limit = replayLimit
	}
	var page domain.Page
	var problem error
	name := l.cluster.config.StreamOf(namespace)
	err := l.connected(ctx, func() { page, problem = l.cluster.replay(name, namespace, after, through, limit) })
	if err = errors.Join(err, problem); err != nil {
		return page, fmt.Errorf("replay of %s: %w", namespace, err)
	}
	return page, nil
}

// replay is Replay under the lock.
func (c *Cluster) replay(
	name, namespace string, after, through domain.Offset, limit int,
) (domain.Page, error) {
	from, to := position{epoch: c.epoch}, c.end()
	var err error
	if after != "" {
		if from, err = c.known(after); err != nil {
			return domain.Page{}, err
		}
	}
	if through != "" {
		if to, err = c.known(through); err != nil {
			return domain.Page{}, err
		}
	}
	page := domain.Page{Next: from.offset(), Done: true}
	if from.compare(to) >= 0 {
		return page, nil
	}
	s, ok := c.streams[name]
	gap := from.epoch < c.epoch
	if gap {
		from = position{epoch: c.epoch}
		page.Next = from.offset()
	}
	if ok {
		gap = gap || s.gapAfter(from.number)
		s.page(&page, namespace, from, to, limit)
	}
	if gap {
		return page, domain.ErrGap
	}
	return page, nil
}

// page fills a page with the held entries after one position, up to and including another.
func (s *stream) page(page *domain.Page, namespace string, from, to position, limit int) {
	for i := s.after(from.number); i < s.length(); i++ {
		entry := s.at(i)
		if (position{from.epoch, entry.number}).compare(to) > 0 {
			return
		}
		if limit == 0 {
			page.Done = false
			return
		}
		limit--
		page.Next = entry.entry.Offset
		if entry.entry.Message.Namespace == namespace {
			page.Entries = append(page.Entries, entry.entry)
		}
	}
}

// known reads a position that this cluster has given out. The caller holds the lock.
func (c *Cluster) known(o domain.Offset) (position, error) {
	p, ok := parseOffset(o)
	if !ok || p.epoch > c.epoch || (p.epoch == c.epoch && p.number > c.number) {
		return position{}, fmt.Errorf("%w: %q", domain.ErrBadOffset, o)
	}
	return p, nil
}

// Compare orders two positions, those of an older epoch first.
func (memberLog) Compare(a, b domain.Offset) int {
	p, _ := parseOffset(a)
	q, _ := parseOffset(b)
	return p.compare(q)
}
