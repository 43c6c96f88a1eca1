package domain_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/roombus/roombus/domain"
)

var errDeadline = errors.New("deadline")

// fanIn is what both fan-ins can do.
type fanIn interface {
	Leave(id domain.NodeID)
	Lose(id domain.NodeID)
	Done() bool
	Err(cause error) error
}

func wantDone(t *testing.T, f fanIn, want bool) {
	t.Helper()
	if got := f.Done(); got != want {
		t.Fatalf("Done is %v, want %v (missing: %v)", got, want, f.Err(nil))
	}
}

// wantErr compares an error with a *PartialError; nil wants none.
func wantErr(t *testing.T, got error, want *domain.PartialError) {
	t.Helper()
	if want == nil {
		if got != nil {
			t.Fatalf("the error is %q, want none", got)
		}
		return
	}
	var partial *domain.PartialError
	if !errors.As(got, &partial) || !slices.Equal(partial.Missing, want.Missing) || partial.Unnamed != want.Unnamed ||
		partial.MissingAcks != want.MissingAcks || !errors.Is(partial.Err, want.Err) {
		t.Fatalf("the error is %+v, want %+v", got, want)
	}
}

func wantCounts(t *testing.T, what string, got, want bool) {
	t.Helper()
	if got != want {
		t.Fatalf("%s counts: %v, want %v", what, got, want)
	}
}

func nodes(ids ...domain.NodeID) []domain.NodeID { return ids }

func TestFanInOfNobodyIsDone(t *testing.T) {
	f := domain.NewFanIn[int](nil, -3)
	wantDone(t, f, true)
	wantErr(t, f.Err(errDeadline), nil)
	wantCounts(t, "an answer that nobody waits for", f.Answer("a", 1), false)
	if len(f.Answers()) != 0 || len(f.Values()) != 0 {
		t.Fatalf("there are answers: %v", f.Answers())
	}
}

func TestFanInTakesOneAnswerANode(t *testing.T) {
	f := domain.NewFanIn[string](nodes("a", "b", "a"), 0)
	wantCounts(t, "the first answer", f.Answer("b", "from b"), true)
	wantCounts(t, "a second answer", f.Answer("b", "again"), false)
	wantCounts(t, "an unknown node's answer", f.Answer("x", "hello"), false)
	wantDone(t, f, false)
	wantErr(t, f.Err(errDeadline), &domain.PartialError{Missing: nodes("a"), Err: errDeadline})
	wantCounts(t, "the last answer", f.Answer("a", "from a"), true)
	wantDone(t, f, true)
	wantErr(t, f.Err(errDeadline), nil)
	want := []domain.Answer[string]{{Node: "b", Value: "from b"}, {Node: "a", Value: "from a"}}
	if got := f.Answers(); !slices.Equal(got, want) {
		t.Fatalf("the answers are %v, want %v", got, want)
	}
	if got := f.Values(); !slices.Equal(got, []string{"from b", "from a"}) {
		t.Fatalf("the values are %q", got)
	}
}

func TestFanInGoodbyeAndLoss(t *testing.T) {
	f := domain.NewFanIn[int](nodes("lost", "left", "answered", "silent"), 0)
	f.Answer("answered", 1)
	f.Leave("answered")
	f.Lose("answered") // it has answered: nothing of it is missing
	f.Leave("left")
	f.Lose("lost")
	f.Lose("lost")
	f.Lose("a stranger")
	f.Leave("a stranger")
	wantCounts(t, "the answer of a node that was given up", f.Answer("lost", 1), false)
	wantCounts(t, "the answer of a node that has left", f.Answer("left", 1), false)
	wantDone(t, f, false)
	wantErr(t, f.Err(errDeadline), &domain.PartialError{Missing: nodes("lost", "silent"), Err: errDeadline})
	f.Lose("silent")
	wantDone(t, f, true)
	// Nobody's deadline was the reason.
	wantErr(t, f.Err(errDeadline), &domain.PartialError{Missing: nodes("lost", "silent")})
}

func TestFanInAnonymousSlots(t *testing.T) {
	f := domain.NewFanIn[int](nodes("a"), 2)
	wantCounts(t, "the answer of an unknown node", f.Answer("x", 1), true)
	wantCounts(t, "its second answer", f.Answer("x", 2), false)
	wantErr(t, f.Err(errDeadline), &domain.PartialError{Missing: nodes("a"), Unnamed: 1, Err: errDeadline})
	f.Lose("y") // nobody knows that it was counted
	f.Answer("a", 3)
	wantDone(t, f, false)
	wantErr(t, f.Err(nil), &domain.PartialError{Unnamed: 1})
	wantCounts(t, "the answer of another unknown node", f.Answer("y", 4), true)
	wantDone(t, f, true)
	wantCounts(t, "the answer of one too many", f.Answer("z", 5), false)
}

func TestCase21_ASlotInDoubtIsNotWaitedFor(t *testing.T) {
	f := domain.NewFanIn[int](nodes("a", "b", "c"), 2)
	f.Doubt(nodes("a", "b", "a stranger"), 1)
	settled := func(what string, want bool) {
		t.Helper()
		if got := f.Settled(); got != want {
			t.Fatalf("%s: settled is %v, want %v", what, got, want)
		}
	}
	f.Expect("a") // has a slot, which stays in doubt
	f.Answer("c", 1)
	settled("with two without a name missing", false)
	f.Answer("x", 2)
	settled("with a, b and one without a name in doubt", true)
	wantCounts(t, "the answer of a node in doubt", f.Answer("a", 3), true)
	wantDone(t, f, false)
	wantErr(t, f.Err(errDeadline), &domain.PartialError{Missing: nodes("b"), Unnamed: 1, Err: errDeadline})
	f.Expect("d")
	settled("with a new slot", false)
	f.Lose("d")
	f.Answer("b", 4)
	f.Answer("y", 5)
	wantDone(t, f, true)
	settled("at the end", true)
}

func TestAckFanInInDoubt(t *testing.T) {
	f := domain.NewAckFanIn(nodes("a", "b"), 0)
	f.Doubt(nodes("b"), 0)
	f.Count("a", 1)
	if f.Settled() {
		t.Fatal("settled although a socket is to answer")
	}
	f.Ack("a", ack(1))
	if !f.Settled() || f.Done() {
		t.Fatalf("settled %v, done %v, want the one without the other", f.Settled(), f.Done())
	}
	f.Count("b", 1)
	if f.Settled() {
		t.Fatal("settled although the node in doubt lives and its socket is to answer")
	}
	f.Ack("b", ack(2))
	wantDone(t, f, true)
}

func TestAckFanInThatExpectsOne(t *testing.T) {
	one := func() *domain.AckFanIn {
		f := domain.NewAckFanIn(nodes("a", "b"), 1)
		f.ExpectOne()
		return f
	}
	t.Run("the node that has the socket ends it", func(t *testing.T) {
		f := one()
		f.Count("a", 0)
		wantDone(t, f, false)
		f.Count("b", 1)
		wantDone(t, f, false)
		wantErr(t, f.Err(errDeadline), &domain.PartialError{MissingAcks: 1, Err: errDeadline})
		f.Ack("b", ack(1))
		wantDone(t, f, true)
		wantErr(t, f.Err(nil), nil)
	})
	t.Run("so does its death", func(t *testing.T) {
		f := one()
		f.Count("b", 1)
		f.Lose("b")
		wantDone(t, f, true)
		wantErr(t, f.Err(errDeadline), &domain.PartialError{MissingAcks: 1})
	})
	t.Run("nobody has it", func(t *testing.T) {
		f := one()
		f.Count("a", 0)
		f.Count("b", 0)
		wantDone(t, f, false)
		wantErr(t, f.Err(errDeadline), &domain.PartialError{Unnamed: 1, Err: errDeadline})
		f.Count("x", 0)
		wantDone(t, f, true)
		wantErr(t, f.Err(nil), nil)
	})
}

// slot is a place in the model of a fan-in.
type slot struct {
	node  domain.NodeID // empty: anonymous
	state string        // "", "answered", "left", "lost"
}

// slots is a fan-in as a list.
type slots []*slot

func newSlots(named []domain.NodeID, anonymous int) slots {
	var s slots
	for _, id := range named {
		s = append(s, &slot{node: id})
	}
	for range anonymous {
		s = append(s, &slot{})
	}
	return s
}

func (s slots) of(id domain.NodeID) *slot {
	for _, one := range s {
		if one.node == id {
			return one
		}
	}
	return nil
}

// open is the slot that an answer of a node would fill; nil when there is none.
func (s slots) open(id domain.NodeID) *slot {
	one := s.of(id)
	if one == nil {
		one = s.of("")
	}
	if one == nil || one.state != "" {
		return nil
	}
	return one
}

func (s slots) answer(id domain.NodeID) bool {
	one := s.open(id)
	if one == nil {
		return false
	}
	one.node, one.state = id, "answered"
	return true
}

func (s slots) end(id domain.NodeID, state string) {
	if one := s.of(id); one != nil && one.state == "" {
		one.state = state
	}
}

func (s slots) done() bool {
	return !slices.ContainsFunc(s, func(one *slot) bool { return one.state == "" })
}

// missing is what Err must say.
func (s slots) missing(acks int, done bool) *domain.PartialError {
	e := &domain.PartialError{MissingAcks: acks}
	for _, one := range s {
		switch {
		case one.state == "" && one.node == "":
			e.Unnamed++
		case one.state == "" || one.state == "lost":
			e.Missing = append(e.Missing, one.node)
		}
	}
	if len(e.Missing)+e.Unnamed+acks == 0 {
		return nil
	}
	slices.Sort(e.Missing)
	if !done {
		e.Err = errDeadline
	}
	return e
}

// randomFanIn chooses who is waited for among some nodes.
func randomFanIn(rnd *rand.Rand) (all, named []domain.NodeID, anonymous int) {
	all = nodes("a", "b", "c", "d", "e", "f")
	return all, some(rnd, all, 50), rnd.IntN(3)
}

func TestFanInAgainstModel(t *testing.T) {
	forSeeds(t, 300, func(t *testing.T, rnd *rand.Rand) {
		all, named, anonymous := randomFanIn(rnd)
		f, model := domain.NewFanIn[int](named, anonymous), newSlots(named, anonymous)
		var answers []domain.Answer[int]
		for i := range 60 {
			done, id := f.Done(), pick(rnd, all)
			switch rnd.IntN(5) {
			case 0, 1:
				want := model.answer(id)
				wantCounts(t, fmt.Sprintf("answer %d of %s", i, id), f.Answer(id, i), want)
				if want {
					answers = append(answers, domain.Answer[int]{Node: id, Value: i})
				}
				if done && want {
					t.Fatal("an answer counts that came after the end")
				}
			case 2:
				f.Doubt(nodes(id), rnd.IntN(2)) // changes nothing of what counts and what is missing
			case 3:
				f.Leave(id)
				model.end(id, "left")
			case 4:
				f.Lose(id)
				model.end(id, "lost")
			}
			wantDone(t, f, model.done())
			if done && !f.Done() {
				t.Fatal("Done was not final")
			}
			wantErr(t, f.Err(errDeadline), model.missing(0, model.done()))
			if !slices.Equal(f.Answers(), answers) {
				t.Fatalf("the answers are %v, want %v", f.Answers(), answers)
			}
		}
	})
}

func ack(i int) domain.Value { return domain.TextValue(fmt.Sprint(i)) }

func TestAckFanInCountsThenAcks(t *testing.T) {
	f := domain.NewAckFanIn(nodes("a", "b"), 0)
	wantDone(t, f, false)
	wantCounts(t, "a count", f.Count("a", 2), true)
	wantCounts(t, "a second count", f.Count("a", 0), false)
	wantCounts(t, "a count of nobody", f.Count("b", 0), true)
	wantDone(t, f, false)
	wantCounts(t, "the first ack", f.Ack("a", ack(1)), true)
	wantErr(t, f.Err(errDeadline), &domain.PartialError{MissingAcks: 1, Err: errDeadline})
	wantCounts(t, "an ack of a node without sockets", f.Ack("b", ack(0)), false)
	wantCounts(t, "the second ack", f.Ack("a", ack(2)), true)
	wantDone(t, f, true)
	wantErr(t, f.Err(errDeadline), nil)
	wantCounts(t, "one ack too many", f.Ack("a", ack(3)), false)
	if got := f.Acks(); len(got) != 2 || string(got[0].JSON()) != `"1"` || string(got[1].JSON()) != `"2"` {
		t.Fatalf("the acks are %v", got)
	}
}

func TestAckFanInOfNobodyIsDone(t *testing.T) {
	f := domain.NewAckFanIn(nil, 0)
	wantDone(t, f, true)
	wantCounts(t, "an ack of a node without a slot", f.Ack("x", ack(1)), false)
	f.Leave("x")
	f.Lose("y")
	wantErr(t, f.Err(errDeadline), nil)
	if len(f.Acks()) != 0 {
		t.Fatalf("the acks are %v", f.Acks())
	}
}

func TestAckFanInAckBeforeCount(t *testing.T) {
	f := domain.NewAckFanIn(nodes("a"), 1)
	wantCounts(t, "an early ack", f.Ack("a", ack(1)), true)
	wantCounts(t, "an early ack of an unknown node", f.Ack("x", ack(2)), true)
	wantDone(t, f, false)
	wantErr(t, f.Err(errDeadline), &domain.PartialError{Missing: nodes("a"), Unnamed: 1, Err: errDeadline})
	f.Count("a", 1)
	f.Count("x", 2)
	wantDone(t, f, false)
	wantCounts(t, "an ack of one who has no slot", f.Ack("y", ack(3)), false)
	f.Ack("x", ack(4))
	wantDone(t, f, true)
}

func TestAckFanInNegativeCountIsNone(t *testing.T) {
	f := domain.NewAckFanIn(nodes("a"), 0)
	wantCounts(t, "a negative count", f.Count("a", -5), true)
	wantDone(t, f, true)
	wantErr(t, f.Err(errDeadline), nil)
}

func TestAckFanInGoodbyeAndLoss(t *testing.T) {
	f := domain.NewAckFanIn(nodes("counted", "uncounted", "left", "silent"), 0)
	f.Count("counted", 3)
	f.Ack("counted", ack(1))
	f.Lose("counted") // two acks will not come any more
	wantCounts(t, "an ack of a node that was given up", f.Ack("counted", ack(2)), false)
	f.Lose("uncounted")
	wantCounts(t, "a count of a node that was given up", f.Count("uncounted", 1), false)
	wantCounts(t, "an ack of it", f.Ack("uncounted", ack(2)), false)
	f.Leave("left")
	wantErr(t, f.Err(errDeadline), &domain.PartialError{
		Missing: nodes("silent", "uncounted"), MissingAcks: 2, Err: errDeadline,
	})
	f.Count("silent", 1)
	wantDone(t, f, false)
	f.Leave("silent")
	wantDone(t, f, true)
	wantErr(t, f.Err(errDeadline), &domain.PartialError{Missing: nodes("uncounted"), MissingAcks: 3})
}

// ackModel is an ack fan-in as a list of slots and what is known of each node.
type ackModel struct {
	slots
	count, acks map[domain.NodeID]int
	ended       map[domain.NodeID]bool
}

func (m *ackModel) takes(id domain.NodeID) bool {
	if m.ended[id] {
		return false
	}
	if count, counted := m.count[id]; counted {
		return m.acks[id] < count
	}
	return m.open(id) != nil
}

func (m *ackModel) end(id domain.NodeID, state string) {
	if one := m.of(id); one != nil || m.of("") != nil || m.acks[id] > 0 {
		m.ended[id] = true
	}
	m.slots.end(id, state)
}

func (m *ackModel) owed() (all, open int) {
	for id, count := range m.count {
		owed := max(count-m.acks[id], 0)
		all += owed
		if !m.ended[id] {
			open += owed
		}
	}
	return all, open
}

func TestAckFanInAgainstModel(t *testing.T) {
	forSeeds(t, 300, func(t *testing.T, rnd *rand.Rand) {
		all, named, anonymous := randomFanIn(rnd)
		f := domain.NewAckFanIn(named, anonymous)
		m := &ackModel{
			slots: newSlots(named, anonymous),
			count: map[domain.NodeID]int{}, acks: map[domain.NodeID]int{}, ended: map[domain.NodeID]bool{},
		}
		acks := 0
		for i := range 80 {
			done, id := f.Done(), pick(rnd, all)
			step := fmt.Sprintf("step %d of %s", i, id)
			switch p := rnd.IntN(100); {
			case p < 25:
				want, clients := m.answer(id), rnd.IntN(4)
				if want {
					m.count[id] = clients
				}
				wantCounts(t, step+", a count", f.Count(id, clients), want)
			case p < 75:
				want := m.takes(id)
				if want {
					m.acks[id]++
					acks++
				}
				wantCounts(t, step+", an ack", f.Ack(id, ack(i)), want)
				if done && want {
					t.Fatal("an ack counts that came after the end")
				}
			case p < 85:
				f.Doubt(nodes(id), rnd.IntN(2)) // changes nothing of what counts and what is missing
			case p < 93:
				f.Leave(id)
				m.end(id, "left")
			default:
				f.Lose(id)
				m.end(id, "lost")
			}
			owed, open := m.owed()
			isDone := m.done() && open == 0
			wantDone(t, f, isDone)
			if done && !isDone {
				t.Fatal("Done was not final")
			}
			wantErr(t, f.Err(errDeadline), m.missing(owed, isDone))
			if len(f.Acks()) != acks {
				t.Fatalf("%s: there are %d acks, want %d", step, len(f.Acks()), acks)
			}
		}
	})
}

func TestFanInExpect(t *testing.T) {
	f := domain.NewFanIn[int]([]domain.NodeID{"a"}, 0)
	f.Expect("a")
	f.Expect("b")
	f.Answer("a", 1)
	f.Expect("a") // has answered
	if f.Done() {
		t.Error("done although b was expected")
	}
	if !f.Answer("b", 2) || !f.Done() {
		t.Error("the answer of an expected node does not count")
	}
	acks := domain.NewAckFanIn([]domain.NodeID{"a"}, 0)
	acks.Expect("b")
	acks.Count("a", 0)
	if acks.Done() {
		t.Error("done although b was expected")
	}
	acks.Count("b", 0)
	if !acks.Done() {
		t.Error("not done although all have answered")
	}
}
