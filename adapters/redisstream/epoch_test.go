package redisstream

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

// lives hands on what a tail says of its log's epoch: the resets, and the name whenever it stands at the tail.
type lives struct {
	resets chan *domain.Reset
	told   chan domain.Epoch
}

func (l *lives) HandleEntry(context.Context, *domain.Entry) {}

func (l *lives) HandleNotice(_ context.Context, n domain.Notice) {
	switch n := n.(type) {
	case *domain.Reset:
		l.resets <- n
	case *domain.AtTail:
		select {
		case <-l.told:
		default:
		}
		l.told <- n.Epoch // the newest
	}
}

func liveOn(t *testing.T, transport *Transport) *lives {
	t.Helper()
	l := &lives{resets: make(chan *domain.Reset, 10), told: make(chan domain.Epoch, 1)}
	tail, err := transport.Log().Tail(t.Context(), "", l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tail.Close() })
	return l
}

func await[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case got := <-c:
		return got
	case <-time.After(20 * time.Second):
		t.Fatalf("it did not come: %s", what)
		panic("not reached")
	}
}

// TestCase09_TheNameOfTheEpochIsHeld damages the key of the name, which says nothing of the stream, and lets another
// reader find a reset.
func TestCase09_TheNameOfTheEpochIsHeld(t *testing.T) {
	server := realredis.Start(t)
	client, key := server.Client(), epochKey(DefaultStream)
	l := liveOn(t, open(t, server.Addr(), fast()))
	name := await(t, "the epoch", l.told)
	for _, damage := range []struct {
		title string
		do    func() error
	}{
		{"lost", func() error { return client.Del(t.Context(), key).Err() }},
		{"older", func() error { return client.Set(t.Context(), key, "17", 0).Err() }},
		{"no number", func() error { return client.Set(t.Context(), key, "none", 0).Err() }},
	} {
		if err := damage.do(); err != nil {
			t.Fatal(err)
		}
		for client.Get(t.Context(), key).Val() != string(name) { // it looks with each read
			if told := await(t, "the epoch", l.told); told != name {
				t.Fatalf("%s: the epoch is now %q, was %q", damage.title, told, name)
			}
		}
	}
	select {
	case reset := <-l.resets:
		t.Errorf("the key alone was taken for the stream: %+v", reset)
	default:
	}

	n, err := strconv.ParseUint(string(name), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	found := domain.Epoch(strconv.FormatUint(n+5, 10))
	if err := client.Set(t.Context(), key, string(found), 0).Err(); err != nil {
		t.Fatal(err)
	}
	if reset := await(t, "the reset that another reader has found", l.resets); reset.Was != name || reset.Is != found {
		t.Errorf("told %+v, want from %s to %s", reset, name, found)
	}
	if other := await(t, "the epoch", liveOn(t, open(t, server.Addr(), fast())).told); other != found {
		t.Errorf("a new reader calls it %q, want %q", other, found)
	}
}

// TestCase09_TwoThatFindAResetAgree: whoever comes first names it.
func TestCase09_TwoThatFindAResetAgree(t *testing.T) {
	server := realredis.Start(t)
	writer := open(t, server.Addr(), fast())
	var readers []*lives
	for range 3 {
		readers = append(readers, liveOn(t, open(t, server.Addr(), fast())))
	}
	was := mustAppend(t, writer, "read by all")
	for _, l := range readers {
		await(t, "the first epoch", l.told)
	}
	if err := server.Client().FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	// In the same millisecond the new stream's only entry would have the id of the old one's.
	old, _ := parseID(was)
	for now := old.time(); !now.After(old.time()); {
		var err error
		if now, err = server.Client().Time(t.Context()).Result(); err != nil {
			t.Fatal(err)
		}
		now = now.Truncate(time.Millisecond)
	}
	mustAppend(t, writer, "in the new one")
	first := await(t, "the reset", readers[0].resets)
	for i, l := range readers[1:] {
		if other := await(t, "the reset", l.resets); other.Was != first.Was || other.Is != first.Is || other.Is == other.Was {
			t.Errorf("reader %d was told of %+v, the first one of %+v", i+1, other, first)
		}
	}
}
