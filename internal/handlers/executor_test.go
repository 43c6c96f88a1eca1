package handlers

import (
	"runtime"
	"sync"
	"testing"
	"time"
)

func TestExecutorOrderAndIdle(t *testing.T) {
	var x Executor
	var running sync.WaitGroup
	var got []int
	for i := range 1000 {
		if !x.Submit(&running, Bounds{Jobs: 10}, nil, Job{Do: func() { got = append(got, i) }}) {
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
	var x Executor
	var running sync.WaitGroup
	gate := make(chan struct{})
	started := make(chan struct{})
	x.Submit(&running, Bounds{Jobs: 1}, nil, Job{Do: func() { close(started); <-gate }})
	<-started
	x.Submit(&running, Bounds{Jobs: 1}, nil, Job{Do: func() {}})
	third := make(chan bool)
	go func() { third <- x.Submit(&running, Bounds{Jobs: 1}, nil, Job{Do: func() {}}) }()
	x.awaitBlocked()
	close(gate)
	if !<-third {
		t.Error("the blocked job was refused")
	}
	running.Wait()
}

func TestExecutorFinish(t *testing.T) {
	var x Executor
	var running sync.WaitGroup
	gate, started := make(chan struct{}), make(chan struct{})
	var order []string
	x.Submit(&running, Bounds{Jobs: 1}, nil, Job{Do: func() { close(started); <-gate; order = append(order, "running") }})
	<-started
	x.Submit(&running, Bounds{Jobs: 1}, nil, Job{Do: func() { order = append(order, "queued") }})
	blocked := make(chan bool)
	go func() {
		blocked <- x.Submit(&running, Bounds{Jobs: 1}, nil, Job{Do: func() { order = append(order, "blocked") }})
	}()
	x.awaitBlocked()
	x.Finish(&running, func() { order = append(order, "last") })
	if <-blocked {
		t.Error("finish let a blocked job in")
	}
	if x.Submit(&running, Bounds{Jobs: 1}, nil, Job{Do: func() {}}) {
		t.Error("a job after finish was taken")
	}
	close(gate)
	running.Wait()
	if len(order) != 3 || order[0] != "running" || order[1] != "queued" || order[2] != "last" {
		t.Errorf("order %q", order)
	}
}

func TestExecutorBoundsBytes(t *testing.T) {
	x := Executor{queue: []Job{{Bytes: 6}}, bytes: 6}
	limit := Bounds{Jobs: 10, Bytes: 10}
	if x.full(limit, 4) || !x.full(limit, 5) {
		t.Error("the queue is not full at 10 bytes")
	}
	if new(Executor).full(limit, 11) {
		t.Error("one job alone has no room")
	}
}

// Who is gone is not waited for: his last job is one too many.
func TestExecutorLetsGoWhenDone(t *testing.T) {
	var x Executor
	var running sync.WaitGroup
	gate, started, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	limit := Bounds{Jobs: 1}
	x.Submit(&running, limit, nil, Job{Do: func() { close(started); <-gate }})
	<-started
	x.Submit(&running, limit, nil, Job{Do: func() {}})
	ran := false
	third := make(chan bool)
	go func() { third <- x.Submit(&running, limit, done, Job{Do: func() { ran = true }}) }()
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
func (x *Executor) awaitBlocked() {
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
	var x Executor
	var running sync.WaitGroup
	ran := make(chan struct{})
	x.Submit(&running, Bounds{Jobs: 10}, nil, Job{Do: runtime.Goexit})
	x.Submit(&running, Bounds{Jobs: 10}, nil, Job{Do: func() { close(ran) }})
	<-ran
	running.Wait()
}

// Who only waits for room is told whether it had to, and is let go when there is some, or when it is gone itself.
func TestExecutorWaitForRoom(t *testing.T) {
	limit := Bounds{Jobs: 10, Bytes: 10}
	if new(Executor).WaitForRoom(limit, nil) {
		t.Error("waited where nothing was queued")
	}
	for _, goneFirst := range []bool{true, false} {
		var x Executor
		var running sync.WaitGroup
		gate, started, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
		x.Push(&running, Job{Do: func() { close(started); <-gate }})
		<-started
		x.Push(&running, Job{Bytes: 10, Do: func() {}})
		waited := make(chan bool)
		go func() { waited <- x.WaitForRoom(limit, done) }()
		x.awaitBlocked()
		if goneFirst {
			close(done)
		} else {
			close(gate)
		}
		if !<-waited {
			t.Errorf("did not wait for room in a full queue (gone is %v)", goneFirst)
		}
		if goneFirst {
			close(gate)
		}
		running.Wait()
	}
}
