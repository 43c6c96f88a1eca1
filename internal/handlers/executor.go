package socketio

import "sync"

// executor runs the jobs of one socket one after the other, in the order in which they come, on a goroutine that is
// there only while there are jobs. The zero executor is ready.
type executor struct {
	mu      sync.Mutex
	queue   []job
	bytes   int // of what the jobs in the queue are for
	running bool
	closed  bool
	// space is closed when a job was taken out of the queue. It is nil when nobody waits for that.
	space chan struct{}
}

// job is what is to be done for a packet of so many bytes.
type job struct {
	do    func()
	bytes int
}

// bounds are how much may wait in a queue. One job alone always may.
type bounds struct{ jobs, bytes int }

// submit queues a job. It blocks while the queue is full, and not when done is closed: then the job is one too many. It
// reports false, and the job will not run, when finish was called. The goroutine is counted in running.
func (x *executor) submit(running *sync.WaitGroup, limit bounds, done <-chan struct{}, j job) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	for gone := false; !gone && !x.closed && x.full(limit, j); {
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
	if x.closed {
		return false
	}
	x.push(running, j)
	return true
}

// offer is submit without the waiting: it reports false, and the job will not run, when so many wait or finish was
// called.
func (x *executor) offer(running *sync.WaitGroup, limit int, j job) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed || len(x.queue) >= limit {
		return false
	}
	x.push(running, j)
	return true
}

// full says whether there is no room for a job. mu is held.
func (x *executor) full(limit bounds, j job) bool {
	return len(x.queue) > 0 && (len(x.queue) >= limit.jobs || x.bytes+j.bytes > limit.bytes)
}

// finish queues the last job, whatever waits already, and wakes who is blocked in submit. It never blocks.
func (x *executor) finish(running *sync.WaitGroup, last func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.closed = true
	x.push(running, job{do: last})
	x.wake()
}

// push queues a job and sees to it that somebody does it. mu is held.
func (x *executor) push(running *sync.WaitGroup, j job) {
	x.queue = append(x.queue, j)
	x.bytes += j.bytes
	if !x.running {
		x.running = true
		running.Add(1)
		go x.work(running)
	}
}

// wake tells who waits for space. mu is held.
func (x *executor) wake() {
	if x.space != nil {
		close(x.space)
		x.space = nil
	}
}

// work does what is queued. A job may end its goroutine (a test that fails in a handler does): the jobs behind it get
// another.
func (x *executor) work(running *sync.WaitGroup) {
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
		j.do()
	}
}

// next takes the next job. When there is none the memory of the queue is given back.
func (x *executor) next() (j job, ok bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.queue) == 0 {
		x.queue, x.running = nil, false
		return job{}, false
	}
	j = x.queue[0]
	x.queue[0] = job{}
	x.queue = x.queue[1:]
	x.bytes -= j.bytes
	x.wake()
	return j, true
}
