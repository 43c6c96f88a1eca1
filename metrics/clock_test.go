package metrics_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/metrics"
	"github.com/roombus/roombus/ports"
)

// A clock that is behind the log's is found out, and forgotten some minutes after it was set.
func TestALeadOfTheLogsClockIsAdded(t *testing.T) {
	var l metrics.Lead
	now := time.Unix(1_700_000_000, 0)
	for _, step := range []struct {
		after, measured, want time.Duration
	}{
		{0, 2 * time.Millisecond, 2 * time.Millisecond},
		{0, -time.Second, 0},
		{0, -990 * time.Millisecond, 10 * time.Millisecond},
		{metrics.LeadWindow, 5 * time.Millisecond, 1005 * time.Millisecond}, // the window before still counts
		{metrics.LeadWindow, 5 * time.Millisecond, 5 * time.Millisecond},
	} {
		now = now.Add(step.after)
		if got := l.Correct(step.measured, now); got != step.want {
			t.Errorf("%s becomes %s, want %s", step.measured, got, step.want)
		}
	}
}

// told is a log whose tail the test is.
type told struct {
	ports.Log
	to     ports.LogHandler
	behind int64
}

func (l *told) Tail(_ context.Context, _ domain.Offset, h ports.LogHandler) (ports.Subscription, error) {
	l.to = h
	return nil, nil //nolint:nilnil // nobody closes it
}

func (l *told) Behind() (int64, bool) { return l.behind, l.behind >= 0 }

type deaf struct{}

func (deaf) HandleEntry(context.Context, *domain.Entry) {}

func (deaf) HandleNotice(context.Context, domain.Notice) {}

func TestHowFarANodeIsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, log := newMeter(t, metrics.Config{}), &told{behind: 12}
		if _, err := m.Log(log).Tail(t.Context(), "", deaf{}); err != nil {
			t.Fatal(err)
		}
		entry := func(stream string, age time.Duration) {
			log.to.HandleEntry(t.Context(), &domain.Entry{
				Stream: stream, Time: time.Now().Add(-age), Message: domain.Message{Body: &domain.Goodbye{}},
			})
		}
		wants := func(what string, want time.Duration) {
			t.Helper()
			if got := m.collected()["roombus.log.delay{}"]; got != want.Seconds() {
				t.Errorf("%s: the node is %v s behind, want %s", what, got, want)
			}
		}
		wants("nothing was read", 0)
		entry("a", 4*time.Second)
		entry("b", 2*time.Second)
		wants("two streams are behind", 4*time.Second)
		m.want(map[string]float64{"roombus.log.lag{}": 12})
		for _, stream := range []string{"a", "b"} {
			log.to.HandleNotice(t.Context(), &domain.AtTail{Stream: stream})
		}
		wants("both stand at the tail", 0)
		time.Sleep(time.Second)
		wants("it is quiet", 0)
		time.Sleep(4 * time.Second)
		wants("nothing was heard for long", 5*time.Second)
		log.behind = -1
		if _, there := m.collected()["roombus.log.lag{}"]; there {
			t.Error("a lag is told that is not known")
		}
	})
}
