package inmemory_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/testkit/conformance"
	"github.com/roombus/roombus/ports"
)

// notes writes what a tail or a listener hands over as one line each. Only synctest's Wait makes its list complete.
type notes struct {
	lines []string
	tails bool // whether AtTail is noted, too
}

func (n *notes) HandleEntry(_ context.Context, e *domain.Entry) {
	n.lines = append(n.lines, fmt.Sprintf("%s %s #%d skipped %d",
		e.Offset, event(&e.Message), e.Message.Sequence, e.Message.Skipped))
}

func (n *notes) HandleNotice(_ context.Context, notice domain.Notice) {
	switch notice := notice.(type) {
	case *domain.Gap:
		n.lines = append(n.lines, fmt.Sprintf("gap in %s of %d after %s before %s",
			notice.Stream, notice.Lost, notice.After, notice.Next))
	case *domain.Reset:
		n.lines = append(n.lines, fmt.Sprintf("reset of %s from %s to %s at %s",
			notice.Stream, notice.Was, notice.Is, notice.Cursor))
	case *domain.BadEntry:
		n.lines = append(n.lines, fmt.Sprintf("bad entry %s: %v", notice.Offset, notice.Err))
	case *domain.AtTail:
		if n.tails {
			n.lines = append(n.lines, fmt.Sprintf("%s at tail %s", notice.Stream, notice.Cursor))
		}
	}
}

func (n *notes) HandleMessage(_ context.Context, m *domain.Message) {
	n.lines = append(n.lines, event(m))
}

// take returns the lines so far and begins a new list.
func (n *notes) take() []string {
	lines := n.lines
	n.lines = nil
	return lines
}

func event(m *domain.Message) string { return m.Body.(*domain.Broadcast).Packet.Event() }

func message(name string) *domain.Message { return messageIn("/", name) }

func messageIn(namespace, name string) *domain.Message {
	return &domain.Message{
		Namespace: namespace,
		Body:      &domain.Broadcast{Packet: conformance.Packet(fmt.Sprintf("[%q]", name))},
	}
}

func tail(t *testing.T, m *inmemory.Member, after domain.Offset) *notes {
	t.Helper()
	n := &notes{}
	if _, err := m.Log().Tail(t.Context(), after, n); err != nil {
		t.Fatalf("Tail after %q: %v", after, err)
	}
	return n
}

func appendAll(t *testing.T, m *inmemory.Member, names ...string) domain.Offset {
	t.Helper()
	var at domain.Offset
	for _, name := range names {
		var err error
		if at, err = m.Log().Append(t.Context(), message(name)); err != nil {
			t.Fatalf("Append of %s: %v", name, err)
		}
	}
	return at
}

// pass lets the time of a synctest bubble go on.
func pass(d time.Duration) { <-time.After(d) }

func listen(t *testing.T, m *inmemory.Member, node domain.NodeID, h ports.ChannelHandler) ports.Subscription {
	t.Helper()
	s, err := m.Channel().Listen(t.Context(), "/", node, h)
	if err != nil {
		t.Fatalf("Listen: %v", err)
	}
	return s
}
