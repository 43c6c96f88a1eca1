package engineio

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// waiting is a task that waits to be let go.
type waiting struct {
	begun *sync.WaitGroup
	let   chan struct{}
}

func (w waiting) run() {
	w.begun.Done()
	<-w.let
}

// resting is how many have nothing to do.
func (k *crew) resting() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.idle)
}

// Nobody waits for a free hand; hands are used again, go home when there is nothing to do, and at the end.
func TestCrew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running, begun sync.WaitGroup
		k := crew{running: &running}
		for range 2 { // the second time the same hands are free
			let := make(chan struct{})
			begun.Add(5)
			for range 5 {
				k.do(waiting{&begun, let})
			}
			begun.Wait()
			close(let)
			synctest.Wait()
			if n := k.resting(); n != 5 {
				t.Fatalf("%d are free, want 5", n)
			}
		}
		time.Sleep(2*idleTime + 1)
		synctest.Wait()
		if n := k.resting(); n != 0 {
			t.Errorf("%d are still there", n)
		}
		running.Wait()

		open := make(chan struct{})
		close(open)
		late := make(chan struct{})
		begun.Add(3)
		k.do(waiting{&begun, late})
		k.do(waiting{&begun, open})
		synctest.Wait()
		k.dismiss()
		k.do(waiting{&begun, open}) // is done all the same
		close(late)
		running.Wait() // both who had nothing to do and who was at work
	})
}

// workers is a Handler whose receivers leave all work to others.
type workers struct {
	*recorder
	work func(data []byte)
}

func (w *workers) Open(c *Conn) Receiver { return leaving{w.recorder.Open(c), w} }

type leaving struct {
	Receiver
	w *workers
}

func (l leaving) Receive(data []byte, _ bool) func() {
	return func() { l.w.work(data) }
}

// Work that takes its time holds up neither the next messages nor the heartbeat, on both transports.
func TestWorkHoldsNothingUp(t *testing.T) {
	done := make(chan string, 10)
	let := make(chan struct{})
	h := newHost(t, Config{}, nil)
	h.server.handler = &workers{h.recorder, func(data []byte) {
		if string(data) == "slow" {
			<-let
		}
		done <- string(data)
	}}
	client, _ := h.openWebSocket()
	client.text("4slow")
	client.text("4quick")
	client.text("4and")
	for range 2 {
		if got := <-done; got == "slow" {
			t.Fatal("the slow one is done")
		}
	}
	query, _ := h.openPolling()
	h.post(query, "4slow\x1e4quick")
	if got := <-done; got != "quick" {
		t.Fatalf("%s is done", got)
	}
	close(let)
	for range 2 {
		if got := <-done; got != "slow" {
			t.Errorf("%s is done twice", got)
		}
	}
}
