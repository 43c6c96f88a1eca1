package main

import (
	"testing"
	"time"
)

func TestTheBrakeLetsSomeLinesThroughAndCountsTheOthers(t *testing.T) {
	var b brake
	now := time.Unix(1_700_000_000, 0)
	for i := range brakeLines {
		if _, ok := b.pass(now); !ok {
			t.Fatalf("line %d was held back, want %d to pass", i, brakeLines)
		}
	}
	for range 5 {
		if _, ok := b.pass(now.Add(brakeWindow - 1)); ok {
			t.Fatal("a line passed beyond the limit")
		}
	}
	if held, ok := b.pass(now.Add(brakeWindow)); !ok || held != 5 {
		t.Errorf("the next window begins with %v and %d held back, want true and 5", ok, held)
	}
}
