package main

import (
	"context"
	"testing"
)

func TestCounter(t *testing.T) {
	c := newCounter()
	c.begin(4, true)
	for _, number := range []int{0, 1, 1, 3, marker} {
		c.count(args(number))
	}
	c.tell(1)
	a, err := c.wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if a.Received != 3 || a.Repeated != 1 || a.ToldLost != 1 {
		t.Errorf("received %d, repeated %d, told lost %d; want 3, 1, 1", a.Received, a.Repeated, a.ToldLost)
	}
	if a.Last == 0 {
		t.Error("there is no time of the end")
	}
	for number, arrival := range a.Arrivals {
		if came := arrival != 0; came != (number != 2) {
			t.Errorf("the message %d has the time %d", number, arrival)
		}
	}

	c.begin(1, false)
	c.count(args(1))
	c.count(args(marker))
	if _, err := c.wait(t.Context()); err == nil {
		t.Error("a number that was not published is no error")
	}

	c.begin(1, false)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.wait(ctx); err == nil {
		t.Error("a phase without end is no error when the time is up")
	}
}
