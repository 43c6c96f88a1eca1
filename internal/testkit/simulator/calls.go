package simulator

import "sync"

// calls counts what is under way. Unlike a sync.WaitGroup's it may grow from nothing while somebody waits: nodes that
// close tell sockets that their sessions are lost.
type calls struct {
	mu   sync.Mutex
	many int
	none chan struct{} // closed when there are none any more; nil while nobody waits
}

// Go calls f on a goroutine of its own.
func (c *calls) Go(f func()) {
	c.mu.Lock()
	c.many++
	c.mu.Unlock()
	go func() {
		defer c.done()
		f()
	}()
}

func (c *calls) done() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.many--
	if c.many == 0 && c.none != nil {
		close(c.none)
		c.none = nil
	}
}

// Wait returns when nothing is under way.
func (c *calls) Wait() {
	c.mu.Lock()
	if c.many == 0 {
		c.mu.Unlock()
		return
	}
	if c.none == nil {
		c.none = make(chan struct{})
	}
	none := c.none
	c.mu.Unlock()
	<-none
}
