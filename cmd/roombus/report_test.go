package main

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/roombus/roombus/domain"
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

func TestReportsOfRecovery(t *testing.T) {
	var text strings.Builder
	r := &report{log: slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	for _, test := range []struct {
		event domain.Event
		words []string
	}{
		{&domain.RecoveryEnded{Recovery: domain.Recovery{Outcome: domain.RecoveryGap, Reason: "too late"}}, []string{"WARN", "too late"}},
		{&domain.RecoveryEnded{Recovery: domain.Recovery{Outcome: domain.Recovered}, Replayed: 7}, []string{"DEBUG", "recovered", "=7"}},
		{&domain.SessionsFailed{Sessions: 3, Err: domain.ErrClosed}, []string{"WARN", "=3", domain.ErrClosed.Error()}},
		{&domain.LogTooShort{Held: domain.Held{Age: 33 * time.Second}, Window: time.Minute}, []string{"WARN", "holds=33s", "window=1m0s"}},
		{&domain.LogTooShort{Enough: true}, []string{"INFO", "again"}},
		{&domain.TransportLost{Stream: "s", Err: domain.ErrClosed}, []string{"WARN", "=s", domain.ErrClosed.Error()}},
		{&domain.TransportFound{Stream: "s", Away: 3 * time.Second}, []string{"INFO", "=s", "away=3s"}},
	} {
		text.Reset()
		r.Observe(t.Context(), test.event)
		for _, word := range test.words {
			if !strings.Contains(text.String(), word) {
				t.Errorf("%T: %q is not in %q", test.event, word, text.String())
			}
		}
	}
}
