package redisstream

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

// sorted keeps the events of each stream in their order, and what should not be told.
type sorted struct {
	want int64
	got  atomic.Int64
	done chan struct{}

	mu     sync.Mutex
	events map[string][]string
	bad    []domain.Notice
}

func (s *sorted) HandleEntry(_ context.Context, e *domain.Entry) {
	s.mu.Lock()
	s.events[e.Stream] = append(s.events[e.Stream], e.Message.Body.(*domain.Broadcast).Packet.Event())
	s.mu.Unlock()
	if s.got.Add(1) == s.want {
		close(s.done)
	}
}

func (s *sorted) HandleNotice(_ context.Context, n domain.Notice) {
	if _, ok := n.(*domain.AtTail); ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bad = append(s.bad, n)
}

// TestCase24_StreamsOnSeveralMastersMove has the streams of a transport on the masters of a Redis Cluster, and moves each
// of them to another one while two processes publish to all.
func TestCase24_StreamsOnSeveralMastersMove(t *testing.T) {
	const writers, each = 40, 100
	cluster := realredis.StartCluster(t)
	config, err := Config{Streams: 3, MaxLength: 100_000}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	namespaces := map[string]string{} // by stream
	for i := 0; len(namespaces) < 3; i++ {
		name := fmt.Sprintf("/n%d", i)
		namespaces[config.streamOf(name)] = name
	}
	owners := map[*realredis.Server]bool{}
	for stream := range namespaces {
		owners[cluster.Owner(stream)] = true
	}
	if len(owners) < 2 {
		t.Fatalf("the streams are all on one master, choose other names: %v", namespaces)
	}
	connect := func() *Transport {
		transport, err := Connect(t.Context(), cluster.URL(), config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := transport.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
		return transport
	}
	var readers []*sorted
	for range 2 {
		s := &sorted{want: int64((writers*each + 1) * len(namespaces)), done: make(chan struct{}), events: map[string][]string{}}
		tail, err := connect().Log().Tail(t.Context(), "", s)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = tail.Close() })
		readers = append(readers, s)
	}
	publishers := []*Transport{connect(), connect()}
	half := make(chan struct{}, writers*len(namespaces))
	moved := make(chan struct{})
	var running sync.WaitGroup
	for _, namespace := range namespaces {
		for w := range writers {
			running.Go(func() {
				for i := range each {
					m := broadcast(t, fmt.Sprintf("%d/%d", w, i))
					m.Namespace = namespace
					if _, err := publishers[w%2].Log().Append(context.WithoutCancel(t.Context()), m); err != nil {
						t.Errorf("append to %s: %v", namespace, err)
						return
					}
					switch i {
					case each / 4:
						half <- struct{}{}
					case each - 2:
						<-moved // the last ones come after all moves
					}
				}
			})
		}
	}
	<-half
	for stream, namespace := range namespaces {
		cluster.MoveSlot(stream, func() {
			m := broadcast(t, "on the move") // published and answered while the slot is nobody's for good
			m.Namespace = namespace
			if _, err := publishers[0].Log().Append(t.Context(), m); err != nil {
				t.Errorf("append to %s on the move: %v", stream, err)
			}
		})
	}
	close(moved)
	running.Wait()
	for i, s := range readers {
		await(t, fmt.Sprintf("everything at reader %d", i), s.done)
		s.mu.Lock()
		for stream := range namespaces {
			if !slices.Equal(s.events[stream], readers[0].events[stream]) {
				t.Errorf("reader %d has another order in %s than reader 0", i, stream)
			}
			next := map[int]int{}
			for _, event := range s.events[stream] {
				var w, n int
				if _, err := fmt.Sscanf(event, "%d/%d", &w, &n); err != nil {
					continue
				}
				if n != next[w] {
					t.Errorf("reader %d got number %d of writer %d where %d was due in %s", i, n, w, next[w], stream)
				}
				next[w] = n + 1
			}
		}
		if len(s.bad) > 0 {
			t.Errorf("reader %d was told of %d troubles, first of all %+v", i, len(s.bad), s.bad[0])
		}
		s.mu.Unlock()
	}
}
