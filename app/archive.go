package app

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/roombus/roombus/domain"
)

// archive is what was read again of a namespace from before its history begins, in pages that clients which come back
// at the same time share. One page is read at a time, whoever asks.
type archive struct {
	loading chan struct{} // holds a token while a page is being read

	mu    sync.Mutex
	pages []*page // disjoint
	// next is how many entries the next read looks at.
	next int
	// all is what the archives of all namespaces hold.
	all *atomic.Int64
}

// page is a range of the log: everything after one position, up to and including another.
type page struct {
	after, through domain.Offset
	items          []missable
	bytes          int
	used           time.Time
}

const (
	// firstEntries and pageEntries are how many entries a read looks at, at first and at most, as long as they take no
	// more than pageBytes.
	firstEntries = 100
	pageEntries  = 1000
	pageBytes    = 2 << 20
	// pageFor is how long a page is kept that nobody asks for.
	pageFor = 10 * time.Second
)

func newArchive(all *atomic.Int64) *archive {
	return &archive{loading: make(chan struct{}, 1), next: firstEntries, all: all}
}

// find is the page that goes on after a position, if it is there.
func (a *archive) find(after domain.Offset, compare func(a, b domain.Offset) int) *page {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range a.pages {
		if compare(p.after, after) <= 0 && compare(after, p.through) < 0 {
			p.used = time.Now()
			return p
		}
	}
	return nil
}

// page returns a page that goes on after a position; it ends at a position or before.
func (n *Node) page(ctx context.Context, ns *namespace, after, through domain.Offset) (*page, error) {
	a := ns.archive
	if p := a.find(after, n.log.Compare); p != nil {
		return p, nil
	}
	select {
	case a.loading <- struct{}{}:
		defer func() { <-a.loading }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if p := a.find(after, n.log.Compare); p != nil { // somebody else has just read it
		return p, nil
	}
	looked := a.entries()
	read, err := n.log.Replay(ctx, ns.name, after, a.end(after, through, n.log.Compare), looked)
	if err != nil {
		return nil, err
	}
	p := &page{after: after, through: read.Next, used: time.Now()}
	if read.Done {
		p.through = a.end(after, through, n.log.Compare)
		looked = len(read.Entries) // or more
	}
	if n.log.Compare(p.through, after) <= 0 {
		return nil, fmt.Errorf("the log's replay does not go on after %q", after)
	}
	repeats, bytes := domain.NewSequences(), 0
	for _, e := range read.Entries {
		bytes += sizeOf(e)
		if repeats.Observe(&e.Message, e.Time).Repeat {
			continue
		}
		if item, ok := missableEntry(e, nil); ok {
			p.items = append(p.items, item)
			p.bytes += item.size()
		}
	}
	a.learn(looked, bytes)
	a.keep(p, n.config.Recovery.HistoryBytes)
	return p, nil
}

func (a *archive) entries() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.next
}

// learn chooses how many entries the next read looks at: twice as many, or as few as are not too large together.
func (a *archive) learn(entries, bytes int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.next = min(2*a.next, pageEntries)
	if bytes > 0 {
		a.next = max(1, min(a.next, entries*pageBytes/bytes))
	}
}

// end is where a page that begins after a position has to end: where the next page begins, or at a position.
func (a *archive) end(after, through domain.Offset, compare func(a, b domain.Offset) int) domain.Offset {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range a.pages {
		if compare(p.after, after) > 0 && compare(p.after, through) < 0 {
			through = p.after
		}
	}
	return through
}

// keep adds a page. What is more than limit bytes, in all namespaces together, goes, that first which was not asked for
// the longest. What other namespaces hold they let go of soon.
func (a *archive) keep(p *page, limit int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pages = append(a.pages, p)
	a.all.Add(int64(p.bytes))
	for len(a.pages) > 0 && a.all.Load() > int64(limit) {
		oldest := 0
		for i, q := range a.pages {
			if q.used.Before(a.pages[oldest].used) {
				oldest = i
			}
		}
		a.all.Add(int64(-a.pages[oldest].bytes))
		a.pages = slices.Delete(a.pages, oldest, oldest+1)
	}
}

// forget lets go of the pages that were not asked for since a time.
func (a *archive) forget(since time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pages = slices.DeleteFunc(a.pages, func(p *page) bool {
		gone := p.used.Before(since)
		if gone {
			a.all.Add(int64(-p.bytes))
		}
		return gone
	})
	if len(a.pages) == 0 { // what comes next may be larger
		a.next = firstEntries
	}
}
