package redisstream

import (
	"testing"
	"time"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/testkit/realredis"
	"github.com/roombus/roombus/ports"
)

// TestCase17_HeldTellsHowFarTheStreamReaches looks at a stream before, while and after it is trimmed.
func TestCase17_HeldTellsHowFarTheStreamReaches(t *testing.T) {
	server := realredis.Start(t)
	transport := open(t, server.Addr(), Config{MaxLength: 5, ReadCount: 2, TrimExactly: true, NoFlowControl: true})
	retention, ok := ports.As[ports.Retention](transport.Log())
	if !ok {
		t.Fatal("the log cannot tell how much it holds")
	}
	held := func() domain.Held {
		t.Helper()
		held, err := retention.Held(t.Context(), "/")
		if err != nil {
			t.Fatal(err)
		}
		return held
	}
	if got := held(); got != (domain.Held{}) {
		t.Errorf("a stream that is not there holds %+v", got)
	}
	first := mustAppend(t, transport, "1")
	var last domain.Offset
	for range 4 {
		last = mustAppend(t, transport, "x")
	}
	age := func(first, last domain.Offset) time.Duration {
		from, _ := parseID(first)
		to, _ := parseID(last)
		return to.time().Sub(from.time())
	}
	if got, want := held(), (domain.Held{Age: age(first, last), Entries: 5}); got != want {
		t.Errorf("the stream holds %+v, want %+v", got, want)
	}
	mustAppend(t, transport, "6")
	if got := held(); got.Entries != 5 || !got.Trimmed {
		t.Errorf("the trimmed stream holds %+v", got)
	}
}
