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

var (
	_ ports.Log = memberLog{}
	_ ports.Lag = memberLog{}
)

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
	if fault != (AppendFault{}) { // one deadline for all that it waits for
		var cancel context.CancelFunc
		ctx, cancel = l.cluster.withDeadline(ctx)
		defer cancel()
	}
	if err := l.delay(ctx, fault.Delay); err != nil {
		return "", fmt.Errorf("append to %s: %w: %w", name, domain.ErrNotPublished, err)
	}
	var numbered domain.Message
	var at domain.Offset
	err := l.connected(ctx, func() {
		numbered = l.number(name, m, fault.Outcome)
		if fault.Outcome.stored() {
			at = l.cluster.add(name, numbered)
		}
	})
	if err != nil {
		return "", fmt.Errorf("append to %s: %w: %w", name, domain.ErrNotPublished, err)
	}
	if fault.AnswerDelay > 0 || fault.Outcome == AppendRepeated {
		err = l.answer(ctx, fault, func() { at = l.cluster.add(name, numbered) })
	}
	if err == nil {
		err = fault.Outcome.err()
	}
	if err != nil {
		return "", fmt.Errorf("append to %s: %w", name, err)
	}
	return at, nil
}

// number gives the message its number. The caller holds the lock.
func (l memberLog) number(name string, m *domain.Message, outcome AppendOutcome) domain.Message {
	n := l.numbers[name]
	n.last++
	numbered := *m
	numbered.Publisher, numbered.Sequence, numbered.Skipped = l.publisher, n.last, n.skipped
	if outcome.err() != nil {
		n.skipped++
	} else {
		n.skipped = 0
	}
	l.numbers[name] = n
	return numbered
}

// answer waits for the answer of the log, and for a repetition, which comes just before it.
func (l memberLog) answer(ctx context.Context, fault AppendFault, repeat func()) error {
	err := l.delay(ctx, fault.AnswerDelay)
	if err == nil {
		err = l.connected(ctx, func() {
			if fault.Outcome == AppendRepeated {
				repeat()
			}
		})
	}
	if err != nil {
		return fmt.Errorf("%w: %w", domain.ErrUnknown, err)
	}
	return nil
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

// Held says how much of a namespace's stream is there; see ports.Retention.
func (l memberLog) Held(ctx context.Context, namespace string) (domain.Held, error) {
	var held domain.Held
	err := l.connected(ctx, func() {
		s, ok := l.cluster.streams[l.cluster.config.StreamOf(namespace)]
		if !ok {
			return
		}
		held = domain.Held{Entries: len(s.held), Trimmed: s.trimmed > 0}
		if len(s.held) > 0 {
			held.Age = time.Since(s.held[0].entry.Time)
		}
	})
	if err != nil {
		return held, fmt.Errorf("look how much of %s is held: %w", namespace, err)
	}
	return held, nil
}

// Behind is how far the member's slowest tail is behind; see ports.Lag.
func (l memberLog) Behind() (entries int64, known bool) {
	l.cluster.mu.Lock()
	defer l.cluster.mu.Unlock()
	for _, t := range l.tails {
		entries, known = max(entries, t.behind()), true
	}
	return entries, known
}
