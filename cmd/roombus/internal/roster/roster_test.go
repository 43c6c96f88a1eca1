package roster_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/roombus/roombus/cmd/roombus/internal/logview"
	"github.com/roombus/roombus/cmd/roombus/internal/roster"
	"github.com/roombus/roombus/domain"
)

var begin = time.UnixMilli(1_700_000_000_000)

// tell tells the roster that somebody has said something so long after the beginning.
func tell(t *testing.T, r *roster.Roster, after time.Duration, node domain.NodeID, namespace string, b domain.Body) {
	t.Helper()
	at := logview.OffsetAt(begin.Add(after))
	r.HandleEntry(t.Context(), &domain.Entry{
		Stream: "s", Offset: at, Time: logview.TimeOf(at), Message: domain.Message{Node: node, Namespace: namespace, Body: b},
	})
}

func TestWhoIsThere(t *testing.T) {
	r := roster.New(1, 10*time.Second)
	beat := &domain.Heartbeat{Node: domain.NodeInfo{Name: "north", StartedAt: begin}, Cursor: logview.OffsetAt(begin)}
	tell(t, r, 0, "js", "/", &domain.InitialHeartbeat{})
	tell(t, r, time.Second, "emitter", "/", &domain.Broadcast{})
	tell(t, r, 2*time.Second, "stranger", "/chat", &domain.Broadcast{})
	tell(t, r, 3*time.Second, "north", "/", beat) // it had read the first of four
	tell(t, r, 4*time.Second, "gone", "/", &domain.Heartbeat{})
	tell(t, r, 5*time.Second, "gone", "/", &domain.Goodbye{})
	tell(t, r, 11*time.Second, "north", domain.NamespaceDiagnostics, &domain.Heartbeat{Node: beat.Node})
	who := func(after time.Duration) (all []string) {
		members, strangers := r.At(begin.Add(after))
		for i := range members {
			m := &members[i]
			all = append(all, fmt.Sprintf("%s %s js=%v suspect=%v lost=%v behind=%d", m.Namespace, m.ID, roster.IsNodeJS(&m.Member), m.Suspect, m.Lost, m.Behind))
		}
		for _, s := range strangers {
			all = append(all, fmt.Sprintf("%s %s", s.Namespace, s.ID))
		}
		return all
	}
	want := []string{
		"/ js js=true suspect=true lost=false behind=-1", "/ north js=false suspect=false lost=false behind=2",
		"/roombus/diagnostics north js=false suspect=false lost=false behind=-1", "/chat stranger",
	}
	if got := who(9 * time.Second); !slices.Equal(got, want) {
		t.Errorf("after 9 s there are\n%q\nwant\n%q", got, want)
	}
	want = []string{
		"/ js js=true suspect=true lost=true behind=-1", "/ north js=false suspect=false lost=true behind=2",
		"/roombus/diagnostics north js=false suspect=false lost=false behind=-1",
	}
	if got := who(14 * time.Second); !slices.Equal(got, want) {
		t.Errorf("after 14 s there are\n%q\nwant\n%q", got, want)
	}
	tell(t, r, 15*time.Second, "js", "/", &domain.Heartbeat{})
	if got := who(15 * time.Second)[0]; got != "/ js js=true suspect=false lost=false behind=-1" {
		t.Errorf("who is back is %q", got)
	}
	if got := r.Namespaces(); !slices.Equal(got, []string{"/", "/chat"}) {
		t.Errorf("the namespaces are %q", got)
	}
}

// Who is gone for long is forgotten, whatever names he has had.
func TestMemoryIsBounded(t *testing.T) {
	r := roster.New(1, 10*time.Second)
	for i := range 1000 {
		tell(t, r, 0, domain.NodeID(fmt.Sprint(i)), fmt.Sprint("/", i), &domain.Broadcast{})
	}
	tell(t, r, 2*time.Minute, "north", "/", &domain.Heartbeat{})
	if members, strangers := r.At(begin.Add(2 * time.Minute)); len(members) != 1 || len(strangers) != 0 {
		t.Errorf("there are %d members and %d others, want one", len(members), len(strangers))
	}
	if names := r.Namespaces(); len(names) != 1 {
		t.Errorf("%d namespaces are remembered, want one", len(names))
	}
}

func TestCaughtUp(t *testing.T) {
	r := roster.New(2, time.Second)
	caught := func() bool {
		select {
		case <-r.CaughtUp():
			return true
		default:
			return false
		}
	}
	for _, stream := range []string{"a", "a", "b"} {
		if caught() {
			t.Errorf("it has caught up before the end of %s", stream)
		}
		r.HandleNotice(t.Context(), &domain.AtTail{Stream: stream})
	}
	if !caught() {
		t.Error("it has not caught up at the end of both")
	}
}
