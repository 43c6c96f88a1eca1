package faulttest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/roombus/roombus/domain"
)

const (
	// rate is how many messages all nodes publish together in a second.
	rate = 2000
	// workers is how many goroutines publish at each node, each one message after the other. While Redis is away they
	// wait; then they make up for what is due.
	workers = 100
	period  = time.Second * nodes * workers / rate
)

// packet is an event with about a hundred bytes behind it.
func packet(t *testing.T, event string) domain.Packet {
	t.Helper()
	p, err := domain.NewPacket(fmt.Appendf(nil, "[%q,%q]", event, strings.Repeat("x", 80)))
	if err != nil {
		t.Error(err) // a worker calls it too
	}
	return p
}

// load is the publishing of all nodes.
type load struct {
	cluster  *cluster
	running  sync.WaitGroup
	end      func()
	ended    chan struct{}
	outcomes [nodes * workers][]outcome
	stored   atomic.Int64
	refused  atomic.Int64
}

// publish starts the load.
func (c *cluster) publish(chance *rand.Rand) *load {
	l := &load{cluster: c, ended: make(chan struct{})}
	l.end = sync.OnceFunc(func() { close(l.ended) })
	c.t.Cleanup(func() { l.end(); l.running.Wait() })
	for w := range &l.outcomes {
		phase := time.Duration(chance.Int64N(int64(period)))
		l.running.Go(func() { l.work(w, phase) })
	}
	return l
}

// work is a worker: its messages are due at a fixed pace.
func (l *load) work(w int, phase time.Duration) {
	t, m := l.cluster.t, l.cluster.members[w%nodes]
	due := time.NewTimer(phase)
	defer due.Stop()
	began := time.Now().Add(phase)
	for i := 0; ; i++ {
		select {
		case <-l.ended:
			return
		case <-due.C:
		}
		event := fmt.Sprintf("w%d/%d", w, i)
		offset, err := m.node.Broadcast(context.WithoutCancel(t.Context()), "/", domain.Target{}, packet(t, event))
		l.outcomes[w] = append(l.outcomes[w], outcome{event: event, offset: offset, err: err})
		if err == nil {
			l.stored.Add(1)
		} else {
			l.refused.Add(1)
		}
		due.Reset(time.Until(began.Add(time.Duration(i+1) * period)))
	}
}

// more waits until so many more messages were stored.
func (l *load) more(n int) {
	l.cluster.t.Helper()
	l.until(&l.stored, n, "messages stored")
}

// errors waits until so many more messages could not be published.
func (l *load) errors(n int) {
	l.cluster.t.Helper()
	l.until(&l.refused, n, "messages refused")
}

func (l *load) until(counter *atomic.Int64, n int, what string) {
	l.cluster.t.Helper()
	want := counter.Load() + int64(n)
	timeout := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for counter.Load() < want {
		select {
		case <-tick.C:
		case <-timeout:
			l.cluster.t.Fatalf("%d more %s did not come within %s", want-counter.Load(), what, patience)
		}
	}
}

// stop ends the load, takes its outcomes and lets the cluster finish.
func (l *load) stop() {
	l.cluster.t.Helper()
	l.end()
	l.running.Wait()
	for _, outcomes := range &l.outcomes {
		l.cluster.history.outcomes = append(l.cluster.history.outcomes, outcomes...)
	}
	l.cluster.finish()
}
