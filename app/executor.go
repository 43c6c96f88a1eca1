package app

import "sync"

// executor runs functions on goroutines of its own, in the order in which they come, so many at once as it has
// workers. Its queue is bounded; there is no goroutine while there is nothing to do.
type executor struct {
	workers int
	limit   int
	failed  func(fault any) // told of a panic, which costs its function alone

	mu      sync.Mutex
	queue   []func()
	running int
	closed  bool
	wg      sync.WaitGroup
}

func newExecutor(workers, limit int, failed func(fault any)) *executor {
	return &executor{workers: workers, limit: limit, failed: failed}
}

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
	for f := x.take(); f != nil; f = x.take() {
		x.call(f)
	}
}

// take takes the next function. It returns nil, and the worker has ended, when there is none.
func (x *executor) take() func() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.queue) == 0 {
		x.running--
		return nil
	}
	f := x.queue[0]
	x.queue[0] = nil
	x.queue = x.queue[1:]
	return f
}

func (x *executor) call(f func()) {
	returned := false
	defer func() {
		if returned {
			return
		}
		if fault := recover(); fault != nil {
			x.failed(fault)
			return
		}
		// runtime.Goexit ends this goroutine; another one does its work.
		x.wg.Add(1)
		go x.run()
	}()
	f()
	returned = true
}

// close refuses further work and returns when what was queued has run.
func (x *executor) close() {
	x.mu.Lock()
	x.closed = true
	x.mu.Unlock()
	x.wg.Wait()
}
