package redisstream

import (
	"context"
	"strings"
	"testing"

	"github.com/roombus/roombus/adapters/watermill"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

// entries collects what a log's tail hands over.
type entries chan *domain.Entry

func (e entries) HandleEntry(_ context.Context, entry *domain.Entry) { e <- entry }

func (e entries) HandleNotice(context.Context, domain.Notice) {}

// batches collects what a Tailer hands over.
type batches chan watermill.Received

func (b batches) HandleBatch(batch []watermill.Received) {
	for _, received := range batch {
		b <- received
	}
}

func (b batches) HandleNotice(domain.Notice) {}

func TestOwnMessagesAreNotDecodedAgain(t *testing.T) {
	server := realredis.Start(t)
	here, there := open(t, server.Addr(), Config{}), open(t, server.Addr(), Config{})
	own, foreign, plain := make(entries, 10), make(entries, 10), make(batches, 10)
	for transport, h := range map[*Transport]entries{here: own, there: foreign} {
		if _, err := transport.Log().Tail(t.Context(), "", h); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := here.Subscriber().Tail(t.Context(), DefaultStream, "", plain); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		title string
		m     *domain.Message
		same  bool
	}{
		{"a broadcast", broadcast(t, "small"), true},
		{"a large one", broadcast(t, strings.Repeat("x", maxEchoBytes)), false},
		{"something else", &domain.Message{Node: "n", Namespace: "/", Body: &domain.Join{Rooms: []string{"r"}}}, false},
		{"another broadcast", broadcast(t, "small again"), true},
	} {
		at, err := here.Log().Append(t.Context(), c.m)
		if err != nil {
			t.Fatal(err)
		}
		mine, theirs, raw := <-own, <-foreign, <-plain
		if same := shared(&mine.Message, c.m); same != c.same {
			t.Errorf("%s: the own reader got the very same: %t, want %t", c.title, same, c.same)
		}
		if mine.Offset != at || mine.Time != theirs.Time || mine.Stream != theirs.Stream {
			t.Errorf("%s: the own reader has it at %+v, want %+v", c.title, mine, theirs)
		}
		if a, b := &mine.Message, &theirs.Message; a.Publisher != here.Publisher().ID() ||
			a.Publisher != b.Publisher || a.Sequence == 0 || a.Sequence != b.Sequence || a.Node != b.Node {
			t.Errorf("%s: the own reader got %+v, another %+v", c.title, a, b)
		}
		if c.m.Publisher != "" {
			t.Errorf("%s: the message was changed", c.title)
		}
		if raw.Echo != nil || len(raw.Fields) < 5 {
			t.Errorf("%s: a handler that knows no echoes got %+v", c.title, raw)
		}
	}
}

// shared reports whether two messages have the very same packet.
func shared(a, b *domain.Message) bool {
	x, ok := a.Body.(*domain.Broadcast)
	y, too := b.Body.(*domain.Broadcast)
	return ok && too && &x.Packet.JSON()[0] == &y.Packet.JSON()[0]
}

// TestEchoesAreBounded: what is not read back goes when others come.
func TestEchoesAreBounded(t *testing.T) {
	book := newEchoBook("p")
	m := broadcast(t, "x")
	if book.echoOf(m, 1) != nil {
		t.Error("kept without a reader")
	}
	book.readers.Add(1)
	if book.echoOf(m, maxEchoBytes+1) != nil || book.echoOf(nil, 1) != nil {
		t.Error("kept although too large, or nothing")
	}
	entry, e := book.echoOf(m, 1), book.of("s")
	if e.take(1) != nil {
		t.Error("an echo of nothing")
	}
	for _, number := range []uint64{1, 2, 3, keptEchoes + 2} {
		e.keep([]*outgoing{{sequence: number, echo: entry}, {sequence: number + 10}})
	}
	if e.take(2) != nil {
		t.Error("an old entry is still there")
	}
	if e.take(1) != entry || e.take(keptEchoes+2) != entry {
		t.Error("an entry is gone")
	}
	if e.take(1) != nil || e.take(0) != nil || e.take(13) != nil {
		t.Error("an entry came twice, or out of nothing")
	}
}
