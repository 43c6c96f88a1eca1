package client

import (
	"testing"
	"time"
)

func TestPausesStayInTheirBounds(t *testing.T) {
	r, err := Reconnection{}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		attempt  int
		from, to time.Duration
	}{
		{0, 500 * time.Millisecond, 1500 * time.Millisecond},
		{1, time.Second, 3 * time.Second},
		{2, 2 * time.Second, 5 * time.Second},
		{3, 2500 * time.Millisecond, 5 * time.Second},
		{5000, 2500 * time.Millisecond, 5 * time.Second},
	} {
		if from, to := r.pause(test.attempt, 0), r.pause(test.attempt, 1); from != test.from || to != test.to {
			t.Errorf("attempt %d: between %s and %s, want between %s and %s", test.attempt, from, to, test.from, test.to)
		}
	}
	if long, err := (Reconnection{Delay: time.Minute}).withDefaults(); err != nil || long.MaxDelay != time.Minute {
		t.Errorf("a long delay: %+v (%v)", long, err)
	}
}
