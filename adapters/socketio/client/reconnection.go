package client

import (
	"fmt"
	"math"
	"time"
)

// Reconnection says how a lost connection, or one that could not be made, is tried again. The zero value is what the
// JavaScript client does.
type Reconnection struct {
	// Off tries nothing again: Connect returns the first error, and a lost connection stays lost until Connect is called.
	Off bool
	// Attempts is after how many attempts without a connected socket the client gives up (ErrGaveUp). Default: never.
	Attempts int
	// Delay is the pause before the first attempt. Default: 1 s.
	Delay time.Duration
	// MaxDelay is the longest pause. Default: 5 s, or Delay where that is longer.
	MaxDelay time.Duration
	// Factor is by how much each pause is longer than the one before. Default: 2.
	Factor float64
	// Jitter is the part of a pause, from 0 to 1, by which it is made longer or shorter by chance, so that the clients of
	// a server that fails do not all come back in the same moment. Default: 0.5; less than 0 means none.
	Jitter float64
}

func (r Reconnection) withDefaults() (Reconnection, error) {
	switch {
	case r.Attempts < 0:
		return r, fmt.Errorf("client.Config: Reconnection.Attempts is %d; it must not be negative", r.Attempts)
	case r.Delay < 0 || r.MaxDelay < 0:
		return r, fmt.Errorf("client.Config: Reconnection.Delay is %s and MaxDelay %s; neither must be negative", r.Delay, r.MaxDelay)
	case r.Factor != 0 && r.Factor < 1:
		return r, fmt.Errorf("client.Config: Reconnection.Factor is %g; it must be at least 1", r.Factor)
	case r.Jitter > 1:
		return r, fmt.Errorf("client.Config: Reconnection.Jitter is %g; it must be at most 1", r.Jitter)
	}
	if r.Delay == 0 {
		r.Delay = time.Second
	}
	if r.MaxDelay == 0 {
		r.MaxDelay = max(5*time.Second, r.Delay)
	}
	if r.Factor == 0 {
		r.Factor = 2
	}
	if r.Jitter == 0 {
		r.Jitter = 0.5
	}
	r.Jitter = max(r.Jitter, 0)
	return r, nil
}

// pause is how long to wait before an attempt, the first of which is number 0; chance is between 0 and 1. It lies in the
// bounds of the JavaScript client. But where that waits MaxDelay exactly, from the third or fourth attempt on, pauses
// here still differ.
func (r Reconnection) pause(attempt int, chance float64) time.Duration {
	longest := float64(r.MaxDelay)
	base := min(float64(r.Delay)*math.Pow(r.Factor, float64(attempt)), longest)
	from, to := base*(1-r.Jitter), min(base*(1+r.Jitter), longest)
	return time.Duration(from + chance*(to-from))
}
