package domain_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/roombus/roombus/domain"
)

type benchSocket struct{ id string }

// fill puts sockets into an index, each with a room of its own and all in a shared one, one of a hundred in "group".
func fill(index *domain.Rooms[*benchSocket], sockets []*benchSocket) {
	for i, s := range sockets {
		index.Add(s)
		index.Join(s, s.id)
		index.Join(s, "everybody")
		if i%100 == 0 {
			index.Join(s, "group")
		}
	}
}

func benchSockets(n int) []*benchSocket {
	sockets := make([]*benchSocket, n)
	for i := range sockets {
		sockets[i] = &benchSocket{id: fmt.Sprintf("socket-%013d", i)}
	}
	return sockets
}

func BenchmarkRoomsSelect(b *testing.B) {
	index := domain.NewRooms[*benchSocket]()
	sockets := benchSockets(100_000)
	fill(index, sockets)
	many := make([]string, 1000)
	for i := range many {
		many[i] = sockets[i*100].id
	}
	for _, c := range []struct {
		name   string
		target domain.Target
		want   int
	}{
		{"room of 1000", domain.Target{Rooms: []string{"group"}}, 1000},
		{"room of 1000 except one", domain.Target{Rooms: []string{"group"}, Except: []string{sockets[0].id}}, 999},
		{"room of 1000 said twice", domain.Target{Rooms: []string{"group", "group", sockets[0].id}}, 1000},
		{"1000 rooms of one", domain.Target{Rooms: many}, 1000},
		{"everybody except one", domain.Target{Except: []string{sockets[0].id}}, 99_999},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n := 0
				for range index.Select(&c.target) {
					n++
				}
				if n != c.want {
					b.Fatalf("selected %d sockets, want %d", n, c.want)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(c.want), "ns/socket")
		})
	}
}

// BenchmarkRoomsMemory reports what the index itself holds for a socket in a room of its own and a shared one; the
// sockets and their ids are not counted.
func BenchmarkRoomsMemory(b *testing.B) {
	const n = 100_000
	sockets := benchSockets(n)
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		index := domain.NewRooms[*benchSocket]()
		fill(index, sockets)
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "bytes/socket")
		runtime.KeepAlive(index)
	}
}

func BenchmarkRoomsJoinLeave(b *testing.B) {
	index := domain.NewRooms[*benchSocket]()
	sockets := benchSockets(100_000)
	fill(index, sockets)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s := sockets[i%len(sockets)]
		index.Join(s, "another")
		index.Leave(s, "another")
	}
}
