package redisstream

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/testkit/faultproxy"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

// tally counts what a tail reads, and keeps what it should not have been told. Every hundred entries it waits for its
// ticker, if it has one.
type tally struct {
	ticker *time.Ticker
	block  chan struct{} // if set, the first entry waits for it
	want   int64
	got    atomic.Int64
	done   chan struct{}
	mu     sync.Mutex
	bad    []domain.Notice
}

func newTally(want int64) *tally { return &tally{want: want, done: make(chan struct{})} }

func (c *tally) HandleEntry(context.Context, *domain.Entry) {
	n := c.got.Add(1)
	if n == 1 && c.block != nil {
		<-c.block
	}
	if c.ticker != nil && n%100 == 0 {
		<-c.ticker.C
	}
	if n == c.want {
		close(c.done)
	}
}

func (c *tally) HandleNotice(_ context.Context, n domain.Notice) {
	if _, ok := n.(*domain.AtTail); ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bad = append(c.bad, n)
}

func (c *tally) wait(t *testing.T, name string) {
	t.Helper()
	select {
	case <-c.done:
	case <-time.After(40 * time.Second):
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if got := c.got.Load(); got != c.want || len(c.bad) > 0 {
		t.Errorf("%s has read %d entries of %d, and was told of %d troubles, first of all %+v",
			name, got, c.want, len(c.bad), c.bad[:min(1, len(c.bad))])
	}
}

// tailing starts a tail that is closed with the test.
func tailing(t *testing.T, transport *Transport, c *tally) {
	t.Helper()
	tail, err := transport.Log().Tail(t.Context(), "", c)
	if err != nil {
		t.Fatalf("tail: %v", err)
	}
	t.Cleanup(func() {
		if err := tail.Close(); err != nil {
			t.Errorf("close the tail: %v", err)
		}
	})
}

// flood publishes from many goroutines and returns the errors.
func flood(t *testing.T, transport *Transport, count int) []error {
	t.Helper()
	const goroutines = 500
	var mu sync.Mutex
	var all []error
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := g; i < count; i += goroutines {
				if _, err := transport.Log().Append(t.Context(), broadcast(t, "m"+strconv.Itoa(i))); err != nil {
					mu.Lock()
					all = append(all, err)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return all
}

// TestCase05_PublishersWaitForASlowReader is two processes that publish flat out and a third that reads slowly: so much
// that the stream holds a fraction of it.
func TestCase05_PublishersWaitForASlowReader(t *testing.T) {
	const each = 20_000
	server := realredis.Start(t, realredis.WithoutPersistence())
	var told atomic.Int64
	publishing := Config{OnSlowdown: func(s Slowdown) {
		told.Add(1)
		if s.Stream != DefaultStream || s.Behind <= s.Window || s.Window != DefaultMaxLength/2 {
			t.Errorf("told of the slowdown %+v", s)
		}
	}}
	slow := newTally(2 * each)
	slow.ticker = time.NewTicker(12 * time.Millisecond)
	defer slow.ticker.Stop()
	tailing(t, open(t, server.Addr(), Config{}), slow)
	publishers := []*Transport{open(t, server.Addr(), publishing), open(t, server.Addr(), publishing)}
	fast := []*tally{newTally(2 * each), newTally(2 * each)}
	var wg sync.WaitGroup
	for i, p := range publishers {
		tailing(t, p, fast[i])
		wg.Go(func() {
			for _, err := range flood(t, p, each) {
				t.Errorf("publish: %v", err)
			}
		})
	}
	wg.Wait()
	slow.wait(t, "the slow reader")
	fast[0].wait(t, "the first publisher")
	fast[1].wait(t, "the second publisher")
	if told.Load() == 0 || publishers[0].Publisher().Waited() == 0 || publishers[1].Publisher().Waited() == 0 {
		t.Errorf("slowdowns were told %d times, and the publishers say that they waited %s and %s", told.Load(),
			publishers[0].Publisher().Waited(), publishers[1].Publisher().Waited())
	}
}

func TestCase05_ADeadReaderIsNotWaitedFor(t *testing.T) {
	const count = 3000
	config := Config{MaxLength: 1000}
	server := realredis.Start(t, realredis.WithoutPersistence())
	proxy := faultproxy.Start(t, server.Addr())
	doomed := newTally(1)
	tailing(t, open(t, proxy.Addr(), config), doomed)
	publisher := open(t, server.Addr(), config)
	own := newTally(count + 1)
	tailing(t, publisher, own)
	mustAppend(t, publisher, "first")
	doomed.wait(t, "the reader that dies")
	proxy.Refuse()
	proxy.Cut()
	for _, err := range flood(t, publisher, count) {
		t.Errorf("publish: %v", err)
	}
	own.wait(t, "the publisher")
	if waited := publisher.Publisher().Waited(); waited < time.Second || waited > 4*time.Second {
		t.Errorf("the publisher has waited %s for a dead reader, want about %s", waited, silentReader)
	}
}

// TestCase05_WhoCannotWaitIsToldSo: the publisher's own reader is stuck for longer than appends may take.
func TestCase05_WhoCannotWaitIsToldSo(t *testing.T) {
	server := realredis.Start(t, realredis.WithoutPersistence())
	transport := open(t, server.Addr(), Config{MaxLength: 200, PublishTimeout: 300 * time.Millisecond})
	stuck := newTally(101)
	stuck.block = make(chan struct{})
	tailing(t, transport, stuck)
	failed := 0
	for i := range 200 {
		_, err := transport.Log().Append(t.Context(), broadcast(t, strconv.Itoa(i)))
		if err == nil {
			continue
		}
		if !errors.Is(err, domain.ErrNotPublished) || !strings.Contains(err.Error(), "a reader of socket.io is 101 entries behind") {
			t.Fatalf("append %d: %v, want that it was not published, and why", i, err)
		}
		failed++
		if failed == 2 {
			if i != 101 {
				t.Errorf("the appends %d and %d failed, want 100 and 101", i-1, i)
			}
			break
		}
	}
	close(stuck.block)
	mustAppend(t, transport, "last")
	stuck.wait(t, "the reader")
	if _, messages := stored(t, server); len(messages) != 101 || messages[100].Skipped != 2 {
		t.Errorf("the stream holds %d messages; the last one says that %d were skipped before it, want 101 and 2",
			len(messages), messages[len(messages)-1].Skipped)
	}
}

// TestCase05_WithoutTheRightsOnlyOnesOwnReaderCounts: the user may not touch the hash of readers.
func TestCase05_WithoutTheRightsOnlyOnesOwnReaderCounts(t *testing.T) {
	var rule []string
	for _, word := range minimal {
		if !strings.HasSuffix(word, ":readers") && word != "+hset" {
			rule = append(rule, word)
		}
	}
	server := realredis.Start(t, realredis.WithUser("app", rule...))
	transport := open(t, "app:secret@"+server.Addr(), Config{MaxLength: 200, PublishTimeout: 300 * time.Millisecond})
	if warnings, err := transport.Check(t.Context()); err != nil || len(warnings) != 1 || !strings.Contains(warnings[0], "HSET") {
		t.Errorf("check: %q, %v", warnings, err)
	}
	stuck := newTally(101)
	stuck.block = make(chan struct{})
	tailing(t, transport, stuck)
	for i := range 100 {
		mustAppend(t, transport, strconv.Itoa(i))
	}
	if _, err := transport.Log().Append(t.Context(), broadcast(t, "too much")); !errors.Is(err, domain.ErrNotPublished) {
		t.Errorf("append: %v", err)
	}
	close(stuck.block)
	mustAppend(t, transport, "last")
	stuck.wait(t, "the reader")
}
