package app_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// replayLog counts how often a log is read again.
type replayLog struct {
	ports.Log
	replays atomic.Int64
	entries atomic.Int64
}

func (l *replayLog) Unwrap() any { return l.Log }

func (l *replayLog) Replay(
	ctx context.Context, namespace string, after, through domain.Offset, limit int,
) (domain.Page, error) {
	l.replays.Add(1)
	page, err := l.Log.Replay(ctx, namespace, after, through, limit)
	l.entries.Add(int64(len(page.Entries)))
	return page, err
}

// W11: clients that come back together share what is read for them, also where the node does not have it in memory.
func TestW11_ReplaysAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{t: t, memory: inmemory.New(inmemory.Config{})}
		was := c.add(app.Config{Recovery: app.Recovery{Window: window}})
		const clients, entries = 200, 5000
		var all []*client
		for i := range clients {
			all = append(all, was.connect(t, fmt.Sprint("c", i), fmt.Sprint("room", i)))
		}
		pass(soon)
		cut := func(from, until int) {
			for i := from; i < until; i++ {
				all[i].cut()
			}
		}
		// They are cut off at different times, some before, some in the middle of what comes.
		cut(0, clients/2)
		for i := range entries {
			was.emit(t, to("nobody"), "x")
			if i%500 == 0 {
				was.emit(t, to(fmt.Sprint("room", i/500), fmt.Sprint("room", clients-1-i/500)), "mine")
			}
			if i == entries/2 {
				cut(clients/2, clients)
			}
		}
		pass(soon)
		transport := c.memory.Member()
		log := &replayLog{Log: transport.Log()}
		node, err := app.NewNode(log, transport.Channel(), transport.Sessions(), app.Config{
			Recovery: app.Recovery{Window: window, HistoryBytes: 64 << 20},
		})
		no(t, err)
		is := &member{Node: node, memory: c.memory, transport: transport, edge: newEdge(), seen: &observer{}}
		no(t, node.Attach(is.edge))
		no(t, node.Open(t.Context(), root))
		no(t, node.Run(t.Context()))
		c.nodes = append(c.nodes, is)
		pass(soon)
		var wg sync.WaitGroup
		for _, me := range all {
			wg.Go(func() {
				if outcome := me.recoverAt(is); outcome.Outcome != domain.Recovered {
					t.Errorf("%s: %v", me.socket, outcome)
				}
			})
		}
		wg.Wait()
		for i := range 10 {
			all[i].wantEvents("mine")
		}
		for i := range 5 {
			all[clients-1-i].wantEvents("mine") // delivered before the cut
		}
		if n := log.entries.Load(); n > 2*entries {
			t.Errorf("%d entries were read again for %d clients, of %d", n, clients, entries)
		}
		if n := log.replays.Load(); n > 50 {
			t.Errorf("the log was read %d times", n)
		}
		for _, m := range c.nodes {
			no(t, m.Close())
		}
		no(t, c.memory.Close())
	})
}

// What is read again does not pile up.
func TestW11_WhatIsReadAgainIsBounded(t *testing.T) {
	inCluster(t, 0, func(t *testing.T, c *cluster) {
		was := c.add(app.Config{Recovery: app.Recovery{Window: window}})
		me := was.connect(t, "me")
		pass(soon)
		me.cut()
		var want []string
		for i := range 6000 {
			if i%100 != 0 {
				was.emit(t, to("nobody"), "x")
				continue
			}
			want = append(want, fmt.Sprint(i))
			was.emit(t, to("me"), want[len(want)-1])
		}
		pass(soon)
		is := c.add(app.Config{Recovery: app.Recovery{Window: window, HistoryBytes: 1 << 20}})
		pass(soon)
		for i := range 3000 { // more than its history holds
			if i%100 != 0 {
				is.emit(t, to("nobody"), "x")
				continue
			}
			want = append(want, fmt.Sprint("late ", i))
			is.emit(t, to("me"), want[len(want)-1])
		}
		for range 2 {
			wantOutcome(t, me.recoverAt(is), domain.Recovered, "")
			me.wantEvents(want...)
			me.cut()
			pass(soon)
			me.offsets, me.events = nil, nil // nothing of it has arrived
		}
		pass(window / 2)
		is.emit(t, to("nobody"), "x")
		pass(window)
		is.emit(t, to("nobody"), "x") // what is older than two windows goes
		pass(window)
	})
}

// BenchmarkRecovery is a client that comes back to a node with 9,000 entries of half a kilobyte to look through, none for
// it; Node.js takes 72 to 86 ms of CPU for it (W11).
func BenchmarkRecovery(b *testing.B) {
	for _, rooms := range []int{1, 20} {
		b.Run(fmt.Sprintf("rooms=%d", rooms), func(b *testing.B) { benchmarkRecovery(b, rooms) })
	}
}

func benchmarkRecovery(b *testing.B, rooms int) {
	memory := inmemory.New(inmemory.Config{MaxLength: -1})
	transport := memory.Member()
	node, err := app.NewNode(transport.Log(), transport.Channel(), transport.Sessions(),
		app.Config{Recovery: app.Recovery{Window: window}})
	must := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	must(err)
	must(node.Attach(newEdge()))
	must(node.Open(b.Context(), root))
	must(node.Run(b.Context()))
	defer func() {
		must(errors.Join(node.Close(), memory.Close()))
	}()
	ids := make([]domain.SessionID, b.N)
	var in []string
	for i := range rooms {
		in = append(in, fmt.Sprint("room", i))
	}
	entered := make(chan struct{})
	node.InOrder(root, func(at domain.Offset) {
		for i := range ids {
			s := node.KeepSession(root, domain.SocketID(fmt.Sprintf("socket%014d", i)), in, domain.Value{}, at, nil)
			s.Away(at)
			ids[i] = s.ID()
		}
		close(entered)
	})
	<-entered
	must(node.FlushSessions(b.Context()))
	p, err := domain.NewPacket(fmt.Appendf(nil, `["event",%q]`, strings.Repeat("x", 500)))
	must(err)
	for i := range 9000 {
		_, err := node.Broadcast(b.Context(), root, to(fmt.Sprint("other", i%100)), p)
		must(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range ids {
		back, outcome := node.Recover(b.Context(), root, ids[i], "", nil)
		if outcome.Outcome != domain.Recovered {
			b.Fatal(outcome)
		}
		ok, err := back.Enter(b.Context(), 1<<15, func(rest []*domain.Delivery, _ []string, _ ports.Session, _ domain.Offset) {
			if len(rest) > 0 {
				b.Errorf("%d packets", len(rest))
			}
		})
		if err != nil || !ok {
			b.Fatal(ok, err)
		}
	}
}
