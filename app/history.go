package app

import (
	"slices"
	"sort"
	"time"

	"github.com/roombus/roombus/domain"
)

// missable is an entry that a client can have missed: a broadcast that is replayed, or a room operation. Only a
// broadcast has a delivery.
type missable struct {
	entry    *domain.Entry
	delivery *domain.Delivery
}

// missableEntry is an entry as recoveries see it; false for one that no client can miss.
func missableEntry(e *domain.Entry, d *domain.Delivery) (missable, bool) {
	switch b := e.Message.Body.(type) {
	case *domain.Broadcast:
		if !b.Replayed() {
			return missable{}, false
		}
		if d == nil {
			d = &domain.Delivery{
				Namespace: e.Message.Namespace, Target: b.Target, Packet: b.Packet, Offset: e.Offset,
			}
		}
		return missable{entry: e, delivery: d}, true
	case *domain.Disconnect:
		return missable{entry: e}, b.Superseded == ""
	case domain.RoomOperation:
		return missable{entry: e}, true
	default:
		return missable{}, false
	}
}

// fixedSize is about how many bytes an entry without a packet takes.
const fixedSize = 512

// size is about how many bytes it keeps alive.
func (m *missable) size() int { return sizeOf(m.entry) }

// sizeOf is about how many bytes an entry takes.
func sizeOf(e *domain.Entry) int {
	if b, ok := e.Message.Body.(*domain.Broadcast); ok {
		return fixedSize + b.Packet.Size()
	}
	return fixedSize
}

// history is what a node has read of a namespace last, so that clients which come back share what is in memory already.
// It is guarded by the namespace's lock; what it hands out is never changed.
type history struct {
	// from is the position after which everything that the node has read is here; zero while nothing is.
	from   domain.Offset
	chunks []*chunk
	bytes  int
}

// chunk is a piece of a history. Its items grow up to their capacity and stay where they are.
type chunk struct {
	items  []missable
	bytes  int
	newest time.Time // when the last item was read
}

const (
	chunkItems = 256
	// chunkShare is which part of a history a chunk may be at most, but for its last item.
	chunkShare = 8
)

// add takes an entry that was read. What is more than limit bytes, or was read before the given time, goes.
func (h *history) add(e *domain.Entry, d *domain.Delivery, limit int, now, oldest time.Time) {
	if h.from == "" { // what lies before it, or between it and what was read last, nobody knows
		h.from = e.Offset
		return
	}
	item, ok := missableEntry(e, d)
	if !ok {
		return
	}
	size := item.size()
	last := len(h.chunks) - 1
	if last < 0 || len(h.chunks[last].items) == cap(h.chunks[last].items) || h.chunks[last].bytes >= limit/chunkShare {
		h.chunks = append(h.chunks, &chunk{items: make([]missable, 0, min(chunkItems, max(1, limit/chunkShare/fixedSize)))})
		last++
	}
	c := h.chunks[last]
	c.items = append(c.items, item)
	c.bytes += size
	c.newest = now
	h.bytes += size
	for h.bytes > limit || len(h.chunks) > 1 && h.chunks[0].newest.Before(oldest) {
		first := h.chunks[0]
		h.from = first.items[len(first.items)-1].entry.Offset
		h.bytes -= first.bytes
		h.chunks = slices.Delete(h.chunks, 0, 1)
	}
}

// restart forgets everything: entries were lost to the reader, or the log began anew.
func (h *history) restart() { *h = history{} }

// since is what was read after a position, in pieces, in order; false when the history does not reach back so far.
func (h *history) since(after domain.Offset, compare func(a, b domain.Offset) int) (parts [][]missable, ok bool) {
	if h.from == "" || compare(after, h.from) < 0 {
		return nil, false
	}
	first := sort.Search(len(h.chunks), func(i int) bool {
		items := h.chunks[i].items
		return compare(items[len(items)-1].entry.Offset, after) > 0
	})
	for i, c := range h.chunks[first:] {
		items := c.items
		if i == 0 {
			items = items[firstAfter(items, after, compare):]
		}
		parts = append(parts, items)
	}
	return parts, true
}

// firstAfter is the index of the first item after a position.
func firstAfter(items []missable, after domain.Offset, compare func(a, b domain.Offset) int) int {
	return sort.Search(len(items), func(i int) bool { return compare(items[i].entry.Offset, after) > 0 })
}

// remember keeps an entry that was read for clients that come back. Each namespace has its part of the memory.
func (n *Node) remember(ns *namespace, e *domain.Entry, d *domain.Delivery) {
	n.mu.RLock()
	namespaces := len(n.namespaces)
	n.mu.RUnlock()
	now := time.Now()
	ns.history.add(e, d, n.config.Recovery.HistoryBytes/namespaces, now, now.Add(-2*n.config.Recovery.Window))
}
