package socketio

import "sync"

// executor runs the jobs of one socket one after the other, in the order in which they come, on a goroutine that is
// there only while there are jobs. The zero executor is ready.
type executor struct {
	mu      sync.Mutex
	queue   []func()
	running bool
	closed  bool
	// space is closed when a job was taken out of the queue. It is nil when nobody waits for that.
	space chan struct{}
}

// submit queues a job. It blocks while as many wait as the limit says. It reports false, and the job will not run, when
// finish was called. The goroutine is counted in running.
func (x *executor) submit(running *sync.WaitGroup, limit int, job func()) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	for len(x.queue) >= limit && !x.closed {
		if x.space == nil {
			x.space = make(chan struct{})
		}
		space := x.space
		x.mu.Unlock()
		<-space
		x.mu.Lock()
	}
	if x.closed {
		return false
	}
	x.push(running, job)
	return true
}

// finish queues the last job, whatever waits already, and wakes who is blocked in submit. It never blocks.
func (x *executor) finish(running *sync.WaitGroup, last func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.closed = true
	x.push(running, last)
	x.wake()
}

// push queues a job and sees to it that somebody does it. mu is held.
func (x *executor) push(running *sync.WaitGroup, job func()) {
	x.queue = append(x.queue, job)
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
		job, ok := x.next()
		if !ok {
			idle = true
			return
		}
		job()
	}
}

// next takes the next job. When there is none the memory of the queue is given back.
func (x *executor) next() (job func(), ok bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.queue) == 0 {
		x.queue, x.running = nil, false
		return nil, false
	}
	job = x.queue[0]
	x.queue[0] = nil
	x.queue = x.queue[1:]
	x.wake()
	return job, true
}
