package socketio

import (
	"runtime"
	"sync"
	"testing"
	"time"
)

func TestExecutorOrderAndIdle(t *testing.T) {
	var x executor
	var running sync.WaitGroup
	var got []int
	for i := range 1000 {
		if !x.submit(&running, bounds{jobs: 10}, nil, job{do: func() { got = append(got, i) }}) {
			t.Fatalf("job %d was refused", i)
		}
	}
	running.Wait()
	if len(got) != 1000 {
		t.Fatalf("%d jobs ran", len(got))
	}
	for i, n := range got {
		if n != i {
			t.Fatalf("job %d ran in place %d", n, i)
		}
	}
	if x.running || x.queue != nil {
		t.Errorf("idle executor keeps: running %v, queue %v", x.running, x.queue)
	}
}

func TestExecutorBlocksWhenFull(t *testing.T) {
	var x executor
	var running sync.WaitGroup
	gate := make(chan struct{})
	started := make(chan struct{})
	x.submit(&running, bounds{jobs: 1}, nil, job{do: func() { close(started); <-gate }})
	<-started
	x.submit(&running, bounds{jobs: 1}, nil, job{do: func() {}})
	third := make(chan bool)
	go func() { third <- x.submit(&running, bounds{jobs: 1}, nil, job{do: func() {}}) }()
	x.awaitBlocked()
	close(gate)
	if !<-third {
		t.Error("the blocked job was refused")
	}
	running.Wait()
}

func TestExecutorFinish(t *testing.T) {
	var x executor
	var running sync.WaitGroup
	gate, started := make(chan struct{}), make(chan struct{})
	var order []string
	x.submit(&running, bounds{jobs: 1}, nil, job{do: func() { close(started); <-gate; order = append(order, "running") }})
	<-started
	x.submit(&running, bounds{jobs: 1}, nil, job{do: func() { order = append(order, "queued") }})
	blocked := make(chan bool)
	go func() {
		blocked <- x.submit(&running, bounds{jobs: 1}, nil, job{do: func() { order = append(order, "blocked") }})
	}()
	x.awaitBlocked()
	x.finish(&running, func() { order = append(order, "last") })
	if <-blocked {
		t.Error("finish let a blocked job in")
	}
	if x.submit(&running, bounds{jobs: 1}, nil, job{do: func() {}}) {
		t.Error("a job after finish was taken")
	}
	close(gate)
	running.Wait()
	if len(order) != 3 || order[0] != "running" || order[1] != "queued" || order[2] != "last" {
		t.Errorf("order %q", order)
	}
}

func TestExecutorBoundsBytes(t *testing.T) {
	x := executor{queue: []job{{bytes: 6}}, bytes: 6}
	limit := bounds{jobs: 10, bytes: 10}
	if x.full(limit, job{bytes: 4}) || !x.full(limit, job{bytes: 5}) {
		t.Error("the queue is not full at 10 bytes")
	}
	if new(executor).full(limit, job{bytes: 11}) {
		t.Error("one job alone has no room")
	}
}

// Who is gone is not waited for: his last job is one too many.
func TestExecutorLetsGoWhenDone(t *testing.T) {
	var x executor
	var running sync.WaitGroup
	gate, started, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	limit := bounds{jobs: 1}
	x.submit(&running, limit, nil, job{do: func() { close(started); <-gate }})
	<-started
	x.submit(&running, limit, nil, job{do: func() {}})
	ran := false
	third := make(chan bool)
	go func() { third <- x.submit(&running, limit, done, job{do: func() { ran = true }}) }()
	x.awaitBlocked()
	close(done)
	taken := <-third
	close(gate)
	running.Wait()
	if !taken || !ran {
		t.Errorf("taken %v, run %v", taken, ran)
	}
}

// awaitBlocked waits until a submit is blocked. Nothing tells when it is, so it looks again and again.
func (x *executor) awaitBlocked() {
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); runtime.Gosched() {
		x.mu.Lock()
		blocked := x.space != nil
		x.mu.Unlock()
		if blocked {
			return
		}
	}
}

func TestExecutorSurvivesGoexit(*testing.T) {
	var x executor
	var running sync.WaitGroup
	ran := make(chan struct{})
	x.submit(&running, bounds{jobs: 10}, nil, job{do: runtime.Goexit})
	x.submit(&running, bounds{jobs: 10}, nil, job{do: func() { close(ran) }})
	<-ran
	running.Wait()
}
