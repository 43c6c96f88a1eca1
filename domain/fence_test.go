package domain_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/roombus/roombus/domain"
)

func newFence() *domain.Fence[string] { return domain.NewFence[string](compareOffsets) }

// ready takes all changes that may be made.
func ready(f *domain.Fence[string]) []string {
	var changes []string
	for {
		change, ok := f.Next()
		if !ok {
			return changes
		}
		changes = append(changes, change)
	}
}

func wantReady(t *testing.T, f *domain.Fence[string], want ...string) {
	t.Helper()
	if got := ready(f); !slices.Equal(got, want) {
		t.Fatalf("the changes %q may be made, want %q", got, want)
	}
}

func TestFenceWithNothingOutstandingWaitsForNothing(t *testing.T) {
	f := newFence()
	if !f.Add("join") {
		t.Fatal("a change must wait although nothing is outstanding")
	}
	f.Resolve(f.Begin(), at(1))
	f.Pass(at(1))
	if !f.Add("leave") {
		t.Fatal("a change must wait although everything has come back")
	}
	if f.Outstanding() {
		t.Fatal("something waits in an empty fence")
	}
	wantReady(t, f)
}

// To(r).Emit("bye"); s.Leave(r): the emit comes back after the call of Leave.
func TestCase10_LeaveAfterEmitDoesNotMissTheEmit(t *testing.T) {
	f := newFence()
	emit := f.Begin()
	if f.Add("leave") {
		t.Fatal("the leave is made before the emit was even answered")
	}
	wantReady(t, f)
	f.Resolve(emit, at(7))
	wantReady(t, f)
	f.Pass(at(6))
	wantReady(t, f)
	f.Pass(at(7))
	wantReady(t, f, "leave")
}

// To(r).Emit(x); s.Join(r): the newcomer must not get x, and gets what this node emits next.
func TestCase10_JoinStandsBetweenTheEmits(t *testing.T) {
	f := newFence()
	before := f.Begin()
	f.Add("join")
	after := f.Begin()
	f.Resolve(after, at(2))
	f.Resolve(before, at(1))
	f.Pass(at(1))
	wantReady(t, f, "join")
	if !f.Outstanding() {
		t.Fatal("the second emit has not come back, but nothing is outstanding")
	}
	f.Add("leave")
	wantReady(t, f)
	f.Pass(at(2))
	wantReady(t, f, "leave")
}

func TestFenceEchoBeforeTheAnswer(t *testing.T) {
	f := newFence()
	emit := f.Begin()
	f.Add("leave")
	f.Pass(at(3)) // the reader was faster than the answer
	wantReady(t, f)
	f.Resolve(emit, at(3))
	wantReady(t, f, "leave")
}

func TestFenceFailedAppendIsNotWaitedFor(t *testing.T) {
	f := newFence()
	first, second := f.Begin(), f.Begin()
	f.Add("leave")
	f.Resolve(second, "")
	wantReady(t, f)
	f.Resolve(first, "")
	wantReady(t, f, "leave")
}

func TestFenceFirstAnswerCounts(t *testing.T) {
	f := newFence()
	emit := f.Begin()
	f.Add("leave")
	f.Resolve(emit, at(5))
	f.Resolve(emit, "")
	f.Resolve(emit+1000, "") // no such ticket
	wantReady(t, f)
	f.Pass(at(5))
	wantReady(t, f, "leave")
	f.Resolve(emit, at(9)) // gone
	if !f.Add("join") {
		t.Fatal("an answer to a ticket that is done made a change wait")
	}
}

func TestFenceCursorDoesNotGoBack(t *testing.T) {
	f := newFence()
	f.Pass(at(5))
	f.Pass(at(3))
	f.Pass("not an offset")
	if got := f.Cursor(); got != at(5) {
		t.Fatalf("the cursor is at %q, want 5", got)
	}
	f.Restart(at(2))
	if got := f.Cursor(); got != at(2) {
		t.Fatalf("after a restart the cursor is at %q, want 2", got)
	}
}

// A position of a log that is gone would be waited for until the new log happens to reach it.
func TestFenceRestartLeavesNothingStuck(t *testing.T) {
	f := newFence()
	f.Pass(at(100))
	answered, underWay := f.Begin(), f.Begin()
	f.Add("leave")
	f.Resolve(answered, at(101))
	f.Restart(at(1))
	wantReady(t, f) // the second append is still under way
	f.Resolve(underWay, at(102))
	wantReady(t, f, "leave")

	next := f.Begin()
	f.Add("join")
	f.Resolve(next, at(2))
	wantReady(t, f) // positions of the new log are waited for
	f.Pass(at(2))
	wantReady(t, f, "join")
}

// fenceModel is a fence as a list: nothing is ever taken out of it.
type fenceModel struct {
	items  []*modelItem
	cursor int
}

type modelItem struct {
	ticket   domain.Ticket
	change   string // empty for an append
	made     bool
	resolved bool
	orphan   bool
	at       int
}

func (m *fenceModel) open(i *modelItem) bool {
	if i.change != "" {
		return !i.made
	}
	return !i.resolved || (!i.orphan && i.at > m.cursor)
}

func (m *fenceModel) outstanding() bool { return slices.ContainsFunc(m.items, m.open) }

// ready makes the changes that have nothing open before them.
func (m *fenceModel) ready() []string {
	var changes []string
	for _, i := range m.items {
		if i.change != "" && !i.made {
			i.made = true
			changes = append(changes, i.change)
		}
		if m.open(i) {
			break
		}
	}
	return changes
}

func TestFenceAgainstModel(t *testing.T) {
	forSeeds(t, 300, func(t *testing.T, rnd *rand.Rand) {
		f, m := newFence(), &fenceModel{}
		var underWay []*modelItem
		end, changes := 0, 0 // of the log; made so far
		settle := func(step string) {
			t.Helper()
			if got, want := ready(f), m.ready(); !slices.Equal(got, want) {
				t.Fatalf("%s: the changes %q may be made, want %q", step, got, want)
			}
			if f.Outstanding() != m.outstanding() {
				t.Fatalf("%s: Outstanding is %v, want %v", step, f.Outstanding(), m.outstanding())
			}
		}
		resolve := func(k int) string {
			item := underWay[k]
			underWay = slices.Delete(underWay, k, k+1)
			item.resolved = true
			if chance(rnd, 80) {
				end += rnd.IntN(3) + 1
				item.at = end
				if chance(rnd, 20) { // the echo comes first
					m.cursor = end
					f.Pass(at(end))
				}
			}
			f.Resolve(item.ticket, at(item.at))
			return fmt.Sprintf("resolve %d at %d", item.ticket, item.at)
		}
		for range 300 {
			var step string
			switch p := rnd.IntN(100); {
			case p < 30:
				item := &modelItem{ticket: f.Begin()}
				m.items, underWay = append(m.items, item), append(underWay, item)
				step = fmt.Sprintf("begin %d", item.ticket)
			case p < 60:
				if len(underWay) == 0 {
					continue
				}
				step = resolve(rnd.IntN(len(underWay)))
			case p < 75:
				if end > m.cursor {
					m.cursor += rnd.IntN(end-m.cursor) + 1
				}
				f.Pass(at(m.cursor))
				step = fmt.Sprintf("pass %d", m.cursor)
			case p < 98:
				changes++
				item := &modelItem{change: fmt.Sprintf("change %d", changes)}
				now := f.Add(item.change)
				if now == m.outstanding() {
					t.Fatalf("%s is made at once: %v", item.change, now)
				}
				item.made = now
				m.items = append(m.items, item)
				step = item.change
			default:
				end = rnd.IntN(end + 1)
				m.cursor = rnd.IntN(end + 1)
				f.Restart(at(m.cursor))
				for _, i := range m.items {
					i.orphan = true
				}
				step = fmt.Sprintf("restart at %d", m.cursor)
			}
			settle(step)
		}
		for len(underWay) > 0 {
			resolve(0)
		}
		m.cursor = end
		f.Pass(at(end))
		settle("the end")
		if f.Outstanding() {
			t.Fatal("everything was answered and has come back, but something waits")
		}
	})
}

func TestFenceThatIsNeverEmptyStaysSmall(t *testing.T) {
	f := newFence()
	last := f.Begin()
	turn := func() {
		next := f.Begin()
		f.Resolve(last, at(0))
		last = next
		f.Next()
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 100_000 {
		turn()
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<10 {
		t.Fatalf("100,000 appends, two at a time, have allocated %d bytes", grown)
	}
	if !f.Outstanding() {
		t.Fatal("the fence was empty")
	}
}

// BenchmarkFence is what an append costs, alone and among a thousand others.
func BenchmarkFence(b *testing.B) {
	for _, outstanding := range []int{0, 1000} {
		b.Run(fmt.Sprintf("%d outstanding", outstanding), func(b *testing.B) {
			f := domain.NewFence[func()](func(a, b domain.Offset) int {
				return int(a[0]) - int(b[0])
			})
			f.Restart("0")
			tickets := make([]domain.Ticket, 0, outstanding+1)
			for range outstanding {
				tickets = append(tickets, f.Begin())
			}
			b.ReportAllocs()
			for b.Loop() {
				tickets = append(tickets, f.Begin())
				f.Resolve(tickets[0], "1")
				f.Pass("1")
				f.Next()
				tickets = append(tickets[:0], tickets[1:]...)
			}
		})
	}
}

func TestFenceBeforeReleasesWhatCannotCome(t *testing.T) {
	f := domain.NewFence[string](func(a, b domain.Offset) int { return strings.Compare(string(a), string(b)) })
	f.Resolve(f.Begin(), "3")
	f.Add("change")
	f.Before("3")
	if change, ok := f.Next(); ok {
		t.Errorf("%s was made before 3 came back", change)
	}
	f.Before("4")
	if _, ok := f.Next(); !ok {
		t.Error("4 has been read, so 3 will not come: the change still waits")
	}
}
