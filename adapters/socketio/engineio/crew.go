package engineio

import (
	"sync"
	"time"
)

// crew is the goroutines that handle what has come and flush what is to go. They are kept for a while when there is
// nothing to do: a new goroutine has a stack of 2 kB, and making it large enough for a message and its handler costs more
// than they do. Nobody waits for a free one; where none is, there is another.
type crew struct {
	// running is the server's; who calls do is counted in it, as the crew is.
	running *sync.WaitGroup

	mu   sync.Mutex
	idle []*hand // who was at work last is the last
	// spare is how many have had nothing to do since the timer was set. It is nil while all are at work.
	spare  int
	timer  *time.Timer
	closed bool
}

// task is something to do, by whoever is free.
type task interface{ run() }

// hand is one of the crew. It gets one task at a time, or is sent home by the closing of the channel.
type hand struct{ tasks chan task }

const (
	// maxIdle bounds who is kept without work: as many messages may be handled at once without a new stack.
	maxIdle = 256
	// idleTime is how long who has nothing to do is kept at least, and twice that at most.
	idleTime = time.Second
)

// do has a task done. It does not block.
func (k *crew) do(t task) {
	if h := k.free(); h != nil {
		h.tasks <- t // has room: it is in nobody else's hands
		return
	}
	k.running.Add(1)
	go k.work(t)
}

// free takes who is free, nil for none.
func (k *crew) free() *hand {
	k.mu.Lock()
	defer k.mu.Unlock()
	last := len(k.idle) - 1
	if last < 0 {
		return nil
	}
	h := k.idle[last]
	k.idle[last] = nil
	k.idle = k.idle[:last]
	k.spare = min(k.spare, last)
	return h
}

// work does a task, and those that come after.
func (k *crew) work(t task) {
	defer k.running.Done()
	h := &hand{make(chan task, 1)}
	for ok := true; ok; t, ok = <-h.tasks {
		t.run()
		if !k.rest(h) {
			return
		}
	}
}

// rest makes who has done a task free for another; false says that it is not needed.
func (k *crew) rest(h *hand) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed || len(k.idle) >= maxIdle {
		return false
	}
	k.idle = append(k.idle, h)
	if k.timer == nil {
		k.timer = time.AfterFunc(idleTime, k.look)
	}
	return true
}

// look sends those home who have had nothing to do since it looked before.
func (k *crew) look() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return
	}
	for _, h := range k.idle[:k.spare] {
		close(h.tasks)
	}
	left := copy(k.idle, k.idle[k.spare:])
	clear(k.idle[left:])
	k.idle, k.spare = k.idle[:left], left
	if left == 0 {
		k.idle, k.timer = nil, nil
		return
	}
	k.timer.Reset(idleTime)
}

// dismiss sends everybody home, those at work when they are done. Tasks that come later are done all the same.
func (k *crew) dismiss() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return
	}
	k.closed = true
	for _, h := range k.idle {
		close(h.tasks)
	}
	k.idle = nil
	if k.timer != nil {
		k.timer.Stop()
	}
}
