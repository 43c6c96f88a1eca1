package handlers

import (
	"sync"
	"time"
)

// Executor has the jobs of one socket done one after the other, in the order in which they come, on a goroutine that is at
// work only while there are jobs. The zero Executor is ready. The WaitGroup of its methods, always the same, counts the work.
type Executor struct {
	// Fair is who lets others have their turn when there are many jobs; nil for nobody. It is called after [Turn].
	Fair interface{ Yield(worked time.Duration) }

	mu    sync.Mutex
	queue []Job
	// one is where the queue begins: most of the time one job is all there is.
	one     [1]Job
	bytes   int // of what the jobs in the queue are for
	running bool
	closed  bool
	// doing is work with the executor's own arguments, made once.
	doing func()
	// space is closed when a job was taken out of the queue. It is nil when nobody waits for that.
	space chan struct{}
}

// Turn is how long jobs are done without a pause, if there is somebody to let others have their turn.
const Turn = 100 * time.Microsecond

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
	work, ok := x.Enqueue(running, limit, done, j)
	start(work)
	return ok
}

// Enqueue is Submit for who has a goroutine to spare: where nobody is at work it returns what the caller has to call, at
// once, which does what is queued.
func (x *Executor) Enqueue(running *sync.WaitGroup, limit Bounds, done <-chan struct{}, j Job) (work func(), ok bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.await(limit, j.Bytes, done)
	if x.closed {
		return nil, false
	}
	return x.push(running, j), true
}

// start has queued jobs done.
func start(work func()) {
	if work != nil {
		go work()
	}
}

// More reports whether something waits behind the job that is being done.
func (x *Executor) More() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.queue) > 0
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
	start(x.push(running, j))
}

// Offer is Submit without the waiting: it reports false, and the job will not run, when so many wait or Finish was
// called.
func (x *Executor) Offer(running *sync.WaitGroup, limit int, j Job) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed || len(x.queue) >= limit {
		return false
	}
	start(x.push(running, j))
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
	start(x.push(running, Job{Do: last}))
	x.wake()
}

// push queues a job and returns what is to be called if nobody is at work. mu is held.
func (x *Executor) push(running *sync.WaitGroup, j Job) (work func()) {
	if len(x.queue) == 0 {
		x.queue = x.one[:0]
	}
	x.queue = append(x.queue, j)
	x.bytes += j.Bytes
	if x.running {
		return nil
	}
	x.running = true
	running.Add(1)
	if x.doing == nil {
		x.doing = func() { x.work(running) }
	}
	return x.doing
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
			go x.doing()
		}
	}()
	var from time.Time // zero while nothing has waited: most of the time one job is all there is
	done := 0
	for {
		j, ok := x.next()
		if !ok {
			idle = true
			return
		}
		j.Do()
		done++
		if x.Fair == nil || !x.More() {
			continue
		}
		if from.IsZero() {
			from, done = time.Now(), 0
			continue
		}
		if worked := time.Since(from); worked > Turn {
			// Handlers that take long wait for something, most likely, and do not need their turn.
			if worked < time.Duration(done)*Turn {
				x.Fair.Yield(worked)
			}
			from, done = time.Now(), 0
		}
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
