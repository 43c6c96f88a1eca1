package handlers

import "sync"

// Executor runs the jobs of one socket one after the other, in the order in which they come, on a goroutine that is
// there only while there are jobs. The zero Executor is ready. The WaitGroup of its methods counts the goroutine.
type Executor struct {
	mu      sync.Mutex
	queue   []Job
	bytes   int // of what the jobs in the queue are for
	running bool
	closed  bool
	// space is closed when a job was taken out of the queue. It is nil when nobody waits for that.
	space chan struct{}
}

// Job is what is to be done for a packet of so many bytes.
type Job struct {
	Do    func()
	Bytes int
}

// Bounds are how much may wait in a queue. One job alone always may.
type Bounds struct{ Jobs, Bytes int }

// Submit queues a job. It blocks while the queue is full, and not when done is closed: then the job is one too many. It
// reports false, and the job will not run, when Finish was called.
func (x *Executor) Submit(running *sync.WaitGroup, limit Bounds, done <-chan struct{}, j Job) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.await(limit, j.Bytes, done)
	if x.closed {
		return false
	}
	x.push(running, j)
	return true
}

// WaitForRoom blocks while there is no room for another byte, and not when done is closed. It reports whether it had to.
func (x *Executor) WaitForRoom(limit Bounds, done <-chan struct{}) (waited bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.await(limit, 1, done)
}

// await blocks while there is no room for so many bytes, the executor goes on and done is not closed. It reports whether
// it had to. mu is held, and let go meanwhile.
func (x *Executor) await(limit Bounds, bytes int, done <-chan struct{}) (waited bool) {
	for gone := false; !gone && !x.closed && x.full(limit, bytes); waited = true {
		if x.space == nil {
			x.space = make(chan struct{})
		}
		space := x.space
		x.mu.Unlock()
		select {
		case <-space:
		case <-done:
			gone = true
		}
		x.mu.Lock()
	}
	return waited
}

// Push queues a job, whatever waits already. It never blocks, and must not be called after Finish.
func (x *Executor) Push(running *sync.WaitGroup, j Job) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.push(running, j)
}

// Offer is Submit without the waiting: it reports false, and the job will not run, when so many wait or Finish was
// called.
func (x *Executor) Offer(running *sync.WaitGroup, limit int, j Job) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed || len(x.queue) >= limit {
		return false
	}
	x.push(running, j)
	return true
}

// full says whether there is no room for a job of so many bytes. mu is held.
func (x *Executor) full(limit Bounds, bytes int) bool {
	return len(x.queue) > 0 && (len(x.queue) >= limit.Jobs || x.bytes+bytes > limit.Bytes)
}

// Finish queues the last job, whatever waits already, and wakes who is blocked in Submit. It never blocks.
func (x *Executor) Finish(running *sync.WaitGroup, last func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.closed = true
	x.push(running, Job{Do: last})
	x.wake()
}

// push queues a job and sees to it that somebody does it. mu is held.
func (x *Executor) push(running *sync.WaitGroup, j Job) {
	x.queue = append(x.queue, j)
	x.bytes += j.Bytes
	if !x.running {
		x.running = true
		running.Add(1)
		go x.work(running)
	}
}

// wake tells who waits for space. mu is held.
func (x *Executor) wake() {
	if x.space != nil {
		close(x.space)
		x.space = nil
	}
}

// work does what is queued. A job may end its goroutine (a test that fails in a handler does): the jobs behind it get
// another.
func (x *Executor) work(running *sync.WaitGroup) {
	idle := false
	defer func() {
		if idle {
			running.Done()
		} else {
			go x.work(running)
		}
	}()
	for {
		j, ok := x.next()
		if !ok {
			idle = true
			return
		}
		j.Do()
	}
}

// next takes the next job. When there is none the memory of the queue is given back.
func (x *Executor) next() (j Job, ok bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.queue) == 0 {
		x.queue, x.running = nil, false
		return Job{}, false
	}
	j = x.queue[0]
	x.queue[0] = Job{}
	x.queue = x.queue[1:]
	x.bytes -= j.Bytes
	x.wake()
	return j, true
}
