package faulttest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/roombus/roombus/adapters/redisstream"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/testkit/faultproxy"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

// The tests of this file bear the number of a weakness in docs/redis-failures.md.

// follower is a handler of a log: it keeps the events that come.
type follower struct {
	events chan string
	once   sync.Once
	atTail chan struct{} // closed when it has first stood at the tail
}

func (f *follower) HandleEntry(_ context.Context, e *domain.Entry) {
	if b, ok := e.Message.Body.(*domain.Broadcast); ok {
		f.events <- b.Packet.Event()
	}
}

func (f *follower) HandleNotice(_ context.Context, n domain.Notice) {
	if _, ok := n.(*domain.AtTail); ok {
		f.once.Do(func() { close(f.atTail) })
	}
}

// want waits for an event.
func (f *follower) want(t *testing.T, event string) {
	t.Helper()
	select {
	case got := <-f.events:
		if got != event {
			t.Fatalf("got %s, want %s", got, event)
		}
	case <-time.After(patience):
		t.Fatalf("%s did not come", event)
	}
}

func follow(t *testing.T, transport *redisstream.Transport) (f *follower, end func()) {
	t.Helper()
	f = &follower{events: make(chan string, 1000), atTail: make(chan struct{})}
	tail, err := transport.Log().Tail(t.Context(), "", f)
	no(t, "tail", err)
	end = func() {
		if err := tail.Close(); err != nil {
			t.Errorf("close a tail: %v", err)
		}
	}
	t.Cleanup(end)
	return f, end
}

func broadcast(t *testing.T, event string) *domain.Message {
	t.Helper()
	return &domain.Message{Node: "0123456789abcdef", Namespace: "/", Body: &domain.Broadcast{Packet: packet(t, event)}}
}

func appendTo(t *testing.T, transport *redisstream.Transport, event string) {
	t.Helper()
	_, err := transport.Log().Append(t.Context(), broadcast(t, event))
	no(t, "append "+event, err)
}

// TestW02_NothingIsMissedAfterTailHasReturned appends at once, through another connection.
func TestW02_NothingIsMissedAfterTailHasReturned(t *testing.T) {
	server := realredis.Start(t)
	reader, writer := dial(t, server.URL(), config()), dial(t, server.URL(), config())
	for round := range 200 {
		f, end := follow(t, reader)
		event := fmt.Sprintf("round/%d", round)
		appendTo(t, writer, event)
		f.want(t, event)
		end()
	}
}

// TestW02_NothingIsMissedBeforeTheFirstEntry: the first read has come back empty, the next one's empty answer is stuck
// while the first entries are written, and then its connection breaks.
func TestW02_NothingIsMissedBeforeTheFirstEntry(t *testing.T) {
	server := realredis.Start(t)
	proxy := faultproxy.Start(t, server.Addr())
	short := config()
	short.Block = 20 * time.Millisecond
	reader, writer := dial(t, "redis://"+proxy.Addr(), short), dial(t, server.URL(), config())
	f, _ := follow(t, reader)
	await(t, "the end of the first read", f.atTail)
	await(t, "the end of the next read", proxy.Hold(faultproxy.Answers))
	for i := range 50 {
		appendTo(t, writer, fmt.Sprintf("first/%d", i))
	}
	proxy.Cut()
	proxy.Release(faultproxy.Answers)
	for i := range 50 {
		f.want(t, fmt.Sprintf("first/%d", i))
	}
}

// TestW03_WhatWaitsIsBounded: while Redis is away, no more than the queue is kept, and who finds it full is told so.
func TestW03_WhatWaitsIsBounded(t *testing.T) {
	server := realredis.Start(t)
	small := config()
	small.QueueBytes = 10_000
	transport := dial(t, server.URL(), small)
	server.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	var wg sync.WaitGroup
	for i := range 200 { // of over a hundred bytes each
		wg.Go(func() {
			_, err := transport.Log().Append(ctx, broadcast(t, fmt.Sprintf("w/%d", i)))
			if !errors.Is(err, domain.ErrNotPublished) {
				t.Errorf("append without Redis: %v, want ErrNotPublished", err)
			}
		})
	}
	for full := false; !full && ctx.Err() == nil; {
		hurried, stop := context.WithTimeout(ctx, 100*time.Millisecond)
		_, err := transport.Log().Append(hurried, broadcast(t, "late/0"))
		stop()
		if !errors.Is(err, domain.ErrNotPublished) {
			t.Errorf("append without Redis: %v, want ErrNotPublished", err)
		}
		full = err != nil && strings.Contains(err.Error(), "stayed full")
	}
	if ctx.Err() != nil {
		t.Error("the queue of 10,000 bytes was never full")
	}
	cancel()
	wg.Wait()
	server.Start()
	appendTo(t, transport, "after/0")
	stored, err := server.Client().XLen(t.Context(), stream).Result()
	if err != nil || stored != 1 {
		t.Errorf("the stream holds %d entries (%v), want 1: the rest was given up", stored, err)
	}
}

// TestW08_RefusalsAreErrors: what ends a Node.js process is an error here.
func TestW08_RefusalsAreErrors(t *testing.T) {
	server := realredis.Start(t)
	transport := dial(t, server.URL(), config())
	f, _ := follow(t, transport)
	session := &domain.Session{ID: "p", Socket: "s", Owner: "a", Revision: 1, KeepFor: time.Minute}
	no(t, "configure", server.Client().ConfigSet(t.Context(), "maxmemory", "1").Err())
	if err := errors.Join(transport.Sessions().Save(t.Context(), []*domain.Session{session})...); err == nil || !strings.Contains(err.Error(), "OOM") {
		t.Errorf("save a session without memory: %v, want Redis' reason", err)
	}
	request := &domain.Message{Node: "0123456789abcdef", Namespace: "/", Body: &domain.FetchSockets{Request: "r"}}
	if err := transport.Channel().Send(t.Context(), "", request); err == nil || !strings.Contains(err.Error(), "OOM") {
		t.Errorf("send a request without memory: %v, want Redis' reason", err)
	}
	no(t, "configure", server.Client().ConfigSet(t.Context(), "maxmemory", "0").Err())
	no(t, "save the session again", errors.Join(transport.Sessions().Save(t.Context(), []*domain.Session{session})...))
	appendTo(t, transport, "after/0")
	f.want(t, "after/0")
}

// TestW12_ClosingDoesNotWaitForARead closes nodes whose readers could wait for a minute.
func TestW12_ClosingDoesNotWaitForARead(t *testing.T) {
	server := realredis.Start(t)
	slow := config()
	slow.Block = time.Minute
	c := start(t, func(int) *redisstream.Transport { return dial(t, server.URL(), slow) })
	began := time.Now()
	c.finish() // closes the nodes
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("closing three nodes took %s", took)
	}
}

// TestCase03_EmittersThatCountFromOne: all of them have one uid, and a restart counts from 1 again. A node that has heard
// many numbers of the first takes nothing of the others for a repeat or a loss.
func TestCase03_EmittersThatCountFromOne(t *testing.T) {
	const emitters, each = 3, 20
	server, c := onServer(t)
	publish := func(name string) {
		transport := dial(t, server.URL(), config())
		emitter, err := app.NewEmitter(transport.Log())
		no(t, "make an emitter", err)
		for i := range each {
			event := fmt.Sprintf("%s/%d", name, i)
			offset, err := emitter.Broadcast(t.Context(), "/", domain.Target{}, packet(t, event))
			no(t, "emit", err)
			c.history.outcomes = append(c.history.outcomes, outcome{event: event, offset: offset})
		}
	}
	for i := range emitters {
		publish(fmt.Sprintf("e%d", i))
	}
	c.finish()
	c.wantAll()
	numbers := make(map[string][]string) // by publisher
	entries, err := server.Client().XRange(t.Context(), stream, "-", "+").Result()
	no(t, "read the stream", err)
	for _, e := range entries {
		if e.Values["uid"] == "emitter" {
			publisher := fmt.Sprint(e.Values["pub"])
			numbers[publisher] = append(numbers[publisher], fmt.Sprint(e.Values["seq"]))
		}
	}
	if len(numbers) != emitters {
		t.Errorf("%d emitters are %d publishers", emitters, len(numbers))
	}
	for publisher, its := range numbers {
		if len(its) != each || its[0] != "1" || its[each-1] != strconv.Itoa(each) {
			t.Errorf("publisher %s has the numbers %v, want 1 to %d", publisher, its, each)
		}
	}
}
