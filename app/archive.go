package app

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/roombus/roombus/domain"
)

// archive is what was read again of a namespace from before its history begins, in pages that clients which come back
// at the same time share. One page is read at a time, whoever asks.
type archive struct {
	loading chan struct{} // holds a token while a page is being read

	mu    sync.Mutex
	pages []*page // disjoint
	bytes int
}

// page is a range of the log: everything after one position, up to and including another.
type page struct {
	after, through domain.Offset
	items          []missable
	bytes          int
	used           time.Time
}

const (
	// pageEntries is how many entries one read looks at.
	pageEntries = 1000
	// pageFor is how long a page is kept that nobody asks for.
	pageFor = 10 * time.Second
)

func newArchive() *archive { return &archive{loading: make(chan struct{}, 1)} }

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
	read, err := n.log.Replay(ctx, ns.name, after, a.end(after, through, n.log.Compare), pageEntries)
	if err != nil {
		return nil, err
	}
	p := &page{after: after, through: read.Next, used: time.Now()}
	if read.Done {
		p.through = a.end(after, through, n.log.Compare)
	}
	if n.log.Compare(p.through, after) <= 0 {
		return nil, fmt.Errorf("the log's replay does not go on after %q", after)
	}
	repeats := domain.NewSequences()
	for _, e := range read.Entries {
		if repeats.Observe(&e.Message, e.Time).Repeat {
			continue
		}
		if item, ok := missableEntry(e, nil); ok {
			p.items = append(p.items, item)
			p.bytes += item.size()
		}
	}
	a.keep(p, n.config.Recovery.HistoryBytes)
	return p, nil
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

// keep adds a page. What is more than limit bytes goes, that first which was not asked for the longest.
func (a *archive) keep(p *page, limit int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pages = append(a.pages, p)
	a.bytes += p.bytes
	for a.bytes > limit && len(a.pages) > 1 {
		oldest := 0
		for i, q := range a.pages {
			if q.used.Before(a.pages[oldest].used) {
				oldest = i
			}
		}
		a.bytes -= a.pages[oldest].bytes
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
			a.bytes -= p.bytes
		}
		return gone
	})
}
