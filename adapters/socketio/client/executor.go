package client

import "sync"

// executor runs the jobs of one socket one after the other, in the order in which they come, on a goroutine that is
// there only while there are jobs. The zero executor is ready.
type executor struct {
	mu      sync.Mutex
	queue   []job
	bytes   int // of what the jobs in the queue are for
	running bool
	// space is closed when a job was taken out of the queue. It is nil when nobody waits for that.
	space chan struct{}
}

// job is what is to be done for a packet of so many bytes.
type job struct {
	do    func()
	bytes int
}

// bounds are how much may wait in a queue before its source is made to wait.
type bounds struct{ packets, bytes int }

// push queues a job; it never blocks. The goroutine is counted in running.
func (x *executor) push(running *sync.WaitGroup, j job) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.queue = append(x.queue, j)
	x.bytes += j.bytes
	if !x.running {
		x.running = true
		running.Add(1)
		go x.work(running)
	}
}

// waitForRoom blocks while more waits than the bounds allow, and not when done is closed. It reports whether it had to.
func (x *executor) waitForRoom(limit bounds, done <-chan struct{}) (waited bool) {
	for {
		space := x.full(limit)
		if space == nil {
			return waited
		}
		waited = true
		select {
		case <-space:
		case <-done:
			return waited
		}
	}
}

// full returns what to wait for, nil when there is room.
func (x *executor) full(limit bounds) <-chan struct{} {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.queue) == 0 || (len(x.queue) < limit.packets && x.bytes < limit.bytes) {
		return nil
	}
	if x.space == nil {
		x.space = make(chan struct{})
	}
	return x.space
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
	if x.space != nil {
		close(x.space)
		x.space = nil
	}
	return j, true
}
