package app

import "sync"

// executor runs functions on goroutines of its own, in the order in which they come, so many at once as it has
// workers. Its queue is bounded; there is no goroutine while there is nothing to do.
type executor struct {
	workers int
	limit   int

	mu      sync.Mutex
	queue   []func()
	running int
	closed  bool
	wg      sync.WaitGroup
}

func newExecutor(workers, limit int) *executor { return &executor{workers: workers, limit: limit} }

// submit queues f. It reports false, and f will not run, when the queue is full or the executor is closed.
func (x *executor) submit(f func()) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed || len(x.queue) >= x.limit {
		return false
	}
	x.queue = append(x.queue, f)
	if x.running < x.workers {
		x.running++
		x.wg.Add(1)
		go x.run()
	}
	return true
}

func (x *executor) run() {
	defer x.wg.Done()
	for {
		x.mu.Lock()
		if len(x.queue) == 0 {
			x.running--
			x.mu.Unlock()
			return
		}
		f := x.queue[0]
		x.queue[0] = nil
		x.queue = x.queue[1:]
		x.mu.Unlock()
		f()
	}
}

// close refuses further work and returns when what was queued has run.
func (x *executor) close() {
	x.mu.Lock()
	x.closed = true
	x.mu.Unlock()
	x.wg.Wait()
}
