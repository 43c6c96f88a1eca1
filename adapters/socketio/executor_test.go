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
		if !x.submit(&running, 10, func() { got = append(got, i) }) {
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
	x.submit(&running, 1, func() { close(started); <-gate })
	<-started
	x.submit(&running, 1, func() {})
	third := make(chan bool)
	go func() { third <- x.submit(&running, 1, func() {}) }()
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
	x.submit(&running, 1, func() { close(started); <-gate; order = append(order, "running") })
	<-started
	x.submit(&running, 1, func() { order = append(order, "queued") })
	blocked := make(chan bool)
	go func() { blocked <- x.submit(&running, 1, func() { order = append(order, "blocked") }) }()
	x.awaitBlocked()
	x.finish(&running, func() { order = append(order, "last") })
	if <-blocked {
		t.Error("finish let a blocked job in")
	}
	if x.submit(&running, 1, func() {}) {
		t.Error("a job after finish was taken")
	}
	close(gate)
	running.Wait()
	if len(order) != 3 || order[0] != "running" || order[1] != "queued" || order[2] != "last" {
		t.Errorf("order %q", order)
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
	x.submit(&running, 10, runtime.Goexit)
	x.submit(&running, 10, func() { close(ran) })
	<-ran
	running.Wait()
}
