package main

import (
	"context"
	"fmt"
	"sync"
)

// counter is where a receiver's messages end: it counts the numbers of one phase at a time.
type counter struct {
	mu       sync.Mutex
	seen     []bool
	arrivals []int64 // nil unless each message's time is wanted
	received int
	repeated int
	lost     uint64 // told by the transport
	last     int64  // when all were there, or the end
	strange  error
	ended    chan struct{}
}

func newCounter() *counter { return &counter{ended: make(chan struct{})} }

// begin forgets everything and expects a phase.
func (c *counter) begin(messages int, withTimes bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen, c.arrivals = make([]bool, messages), nil
	if withTimes {
		c.arrivals = make([]int64, messages)
	}
	c.received, c.repeated, c.lost, c.last, c.strange = 0, 0, 0, 0, nil
	c.ended = make(chan struct{})
}

// count counts an event.
func (c *counter) count(args []byte) {
	number, err := numberOf(args)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err != nil:
		c.strange = err
	case number == marker:
		c.end()
	case number >= len(c.seen):
		c.strange = fmt.Errorf("the number %d where %d messages were expected", number, len(c.seen))
	case c.seen[number]:
		c.repeated++
	default:
		c.seen[number] = true
		c.received++
		if c.arrivals != nil {
			c.arrivals[number] = now()
		}
		if c.received == len(c.seen) {
			c.last = now()
		}
	}
}

// end ends the phase, once.
func (c *counter) end() {
	select {
	case <-c.ended:
		c.repeated++
	default:
		if c.last == 0 {
			c.last = now()
		}
		close(c.ended)
	}
}

// tell counts entries that the transport says are lost.
func (c *counter) tell(lost uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lost += lost
}

// wait returns what was counted when the phase has ended.
func (c *counter) wait(ctx context.Context) (answer, error) {
	c.mu.Lock()
	ended := c.ended
	c.mu.Unlock()
	select {
	case <-ended:
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if ctx.Err() != nil {
		return answer{}, fmt.Errorf("the end of %d messages did not come, %d did: %w", len(c.seen), c.received, ctx.Err())
	}
	return answer{
		Received: c.received, Repeated: c.repeated, ToldLost: c.lost, Last: c.last, Arrivals: c.arrivals,
	}, c.strange
}
