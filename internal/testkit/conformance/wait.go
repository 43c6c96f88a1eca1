package conformance

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// patience is how long the kits wait for anything. A correct implementation never needs it.
const patience = 15 * time.Second

// deadline is a context that ends with the kits' patience.
func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// cancelled is a context that has ended before it is used.
func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// inbox keeps what a handler received, in order, and lets a test wait for it.
type inbox[T any] struct {
	mu      sync.Mutex
	items   []T
	changed chan struct{}
}

func newInbox[T any]() *inbox[T] { return &inbox[T]{changed: make(chan struct{})} }

func (b *inbox[T]) put(item T) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.items = append(b.items, item)
	close(b.changed)
	b.changed = make(chan struct{})
}

// all is what there is by now.
func (b *inbox[T]) all() []T {
	items, _ := b.look()
	return items
}

func (b *inbox[T]) look() ([]T, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clip(b.items), b.changed
}

// wait returns what there is as soon as it is enough.
func (b *inbox[T]) wait(t *testing.T, what string, enough func([]T) bool) []T {
	t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		items, changed := b.look()
		if enough(items) {
			return items
		}
		select {
		case <-changed:
		case <-timeout.C:
			t.Fatalf("waited %v for %s; %d things came, the last ones: %s", patience, what, len(items), newest(items))
		}
	}
}

func newest[T any](items []T) string {
	var text strings.Builder
	for _, item := range items[max(0, len(items)-10):] {
		fmt.Fprintf(&text, "\n  %+v", item)
	}
	return text.String()
}

// eventually waits for something that nothing announces, by asking again and again.
func eventually(t *testing.T, what string, come func() bool) {
	t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for !come() {
		select {
		case <-again.C:
		case <-timeout.C:
			t.Fatalf("waited %v for %s", patience, what)
		}
	}
}

// read is one thing that a tail handed over: an entry or a notice.
type read struct {
	entry  *domain.Entry
	notice domain.Notice
}

func (r read) String() string {
	if r.entry != nil {
		return fmt.Sprintf("entry %s %q", r.entry.Offset, label(&r.entry.Message))
	}
	return fmt.Sprintf("%T %+v", r.notice, r.notice)
}

// reader is a log handler that keeps what it gets. before, when set, is called with each thing first; it may panic or
// block. contextErr is set when a handler's context was cancelled, which it never is.
type reader struct {
	*inbox[read]
	before     func(read)
	contextErr atomic.Pointer[error]
}

func newReader() *reader { return &reader{inbox: newInbox[read]()} }

// HandleEntry keeps the entry.
func (r *reader) HandleEntry(ctx context.Context, e *domain.Entry) { r.take(ctx, read{entry: e}) }

// HandleNotice keeps the notice.
func (r *reader) HandleNotice(ctx context.Context, n domain.Notice) { r.take(ctx, read{notice: n}) }

func (r *reader) take(ctx context.Context, got read) {
	if err := ctx.Err(); err != nil {
		r.contextErr.Store(&err)
	}
	if r.before != nil {
		r.before(got)
	}
	r.put(got)
}

// entries waits for n entries and fails when there are more by then.
func (r *reader) entries(t *testing.T, n int) []*domain.Entry {
	t.Helper()
	entries := entriesOf(r.wait(t, fmt.Sprintf("%d entries", n), func(all []read) bool {
		return len(entriesOf(all)) >= n
	}))
	if len(entries) > n {
		t.Fatalf("got %d entries, want %d: %q", len(entries), n, labels(entries))
	}
	return entries
}

func entriesOf(all []read) []*domain.Entry {
	var entries []*domain.Entry
	for _, r := range all {
		if r.entry != nil {
			entries = append(entries, r.entry)
		}
	}
	return entries
}

func noticesOf[N domain.Notice](all []read) []N {
	var notices []N
	for _, r := range all {
		if n, ok := r.notice.(N); ok {
			notices = append(notices, n)
		}
	}
	return notices
}

// labelled is a broadcast that can be told by its event's name.
func labelled(label string) *domain.Message { return labelledIn("/", label) }

func labelledIn(namespace, label string) *domain.Message {
	return &domain.Message{
		Node:      SampleNode,
		Namespace: namespace,
		Body:      &domain.Broadcast{Packet: Packet(fmt.Sprintf("[%q]", label))},
	}
}

// label is the event's name of a message, of those that have one.
func label(m *domain.Message) string {
	switch b := m.Body.(type) {
	case *domain.Broadcast:
		return b.Packet.Event()
	case *domain.ServerSideEmit:
		return b.Packet.Event()
	default:
		return m.Kind().String()
	}
}

func labels(entries []*domain.Entry) []string {
	texts := make([]string, len(entries))
	for i, e := range entries {
		texts[i] = label(&e.Message)
	}
	return texts
}

// closing closes a subscription with the test.
func closing(t *testing.T, s ports.Subscription) ports.Subscription {
	t.Helper()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("closing a subscription: %v", err)
		}
	})
	return s
}
