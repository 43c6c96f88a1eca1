package handlers

import (
	"maps"
	"slices"
	"sync"
)

// List is functions of the application, in the order of their registration. Functions may be added at any time, from any
// goroutine; who goes through the list goes on with those that were there. The zero List is empty.
type List[H any] struct {
	mu  sync.RWMutex
	all []H // replaced, never changed
}

// Add puts a function at the end.
func (l *List[H]) Add(function H) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(slices.Clip(l.all), function)
}

// All returns the functions, which must not be changed.
func (l *List[H]) All() []H {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.all
}

// Become makes the list another's copy.
func (l *List[H]) Become(other *List[H]) {
	all := other.All()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = all
}

// Named are functions by the name of what they are for. The zero Named has none.
type Named[H any] struct {
	mu  sync.RWMutex
	all map[string][]H // the lists are replaced, never changed
}

// Add puts a function at the end of those of a name.
func (n *Named[H]) Add(name string, function H) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.all == nil {
		n.all = make(map[string][]H)
	}
	n.all[name] = append(slices.Clip(n.all[name]), function)
}

// Of returns the functions of a name, which must not be changed.
func (n *Named[H]) Of(name string) []H {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.all[name]
}

// Become has the functions that another has now.
func (n *Named[H]) Become(other *Named[H]) {
	other.mu.RLock()
	all := maps.Clone(other.all)
	other.mu.RUnlock()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = all
}
