package domain_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/roombus/roombus/domain"
)

// TestStaysAgainstHistory compares stays with the plain truth: who was in which room after which position.
func TestStaysAgainstHistory(t *testing.T) {
	forSeeds(t, 300, func(t *testing.T, rnd *rand.Rand) {
		rooms := make([]string, 1+rnd.IntN(30))
		for i := range rooms {
			rooms[i] = fmt.Sprint("room", i)
		}
		var s domain.Stays
		in := make(map[string]bool)
		var truth []map[string]bool // by position
		pruned := 0
		for place := range 40 {
			for range rnd.IntN(20) {
				room := pick(rnd, rooms)
				if chance(rnd, 60) {
					if joined := s.Join(room, at(place)); joined == in[room] {
						t.Fatalf("join %s at %d: %t", room, place, joined)
					}
					in[room] = true
				} else {
					if left := s.Leave(room, at(place)); left != in[room] {
						t.Fatalf("leave %s at %d: %t", room, place, left)
					}
					delete(in, room)
				}
			}
			truth = append(truth, maps.Clone(in))
			if chance(rnd, 10) {
				pruned = max(pruned, place-rnd.IntN(10))
				s.Prune(at(pruned), compareOffsets)
			}
			if chance(rnd, 20) { // stored and read again
				s = domain.NewStays(s.List(), s.Whole())
			}
		}
		got, want := s.Rooms(), slices.Sorted(maps.Keys(in))
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Fatalf("the rooms are %q, want %q", got, want)
		}
		for _, room := range rooms {
			if s.Has(room) != in[room] {
				t.Fatalf("in %s: %t", room, s.Has(room))
			}
		}
		// A catch-up over the whole time sees what was true right before each entry.
		session := &domain.Session{Socket: "me", Revision: 1, AsOf: at(100), Stays: s.List()}
		c := domain.NewCatchUp(session, at(pruned), compareOffsets)
		for place := pruned + 1; place < len(truth); place++ {
			room := pick(rnd, rooms)
			missed := c.Next(emit(place, to(room))) == domain.MissedPacket
			if want := truth[place-1][room]; missed != want {
				t.Fatalf("entry %d to %s: missed %t, want %t", place, room, missed, want)
			}
		}
	})
}

func TestStaysInALogThatBeganAnew(t *testing.T) {
	var s domain.Stays
	for i := range 40 {
		s.Join(fmt.Sprint("room", i), at(5))
	}
	s.Leave("room3", at(7))
	s.Restart(at(1))
	if got := s.List(); len(got) != 39 || slices.ContainsFunc(got, func(stay domain.Stay) bool {
		return stay.From != at(1) || stay.Until != ""
	}) {
		t.Errorf("the stays are %v", got)
	}
	if s.Has("room3") || !s.Has("room39") {
		t.Error("the rooms are others than before")
	}
}

func TestStaysAtTheBeginningOfALog(t *testing.T) {
	var s domain.Stays
	s.Join("r", "")
	s.Leave("r", "")
	if len(s.List()) != 0 {
		t.Errorf("a stay that covers nothing is kept: %v", s.List())
	}
	if s.Leave("r", at(1)) {
		t.Error("it left where it was not")
	}
	// Of two stays that go on in one room the first is taken.
	s = domain.NewStays([]domain.Stay{{Room: "r"}, {Room: "r", From: at(3)}, {Room: "r", Until: at(2)}}, "")
	if got := s.List(); len(got) != 2 || !slices.Equal(s.Rooms(), []string{"r"}) {
		t.Errorf("the stays are %v", got)
	}
}

// A session that was caught up can be caught up again, with the same outcome as in one go.
func TestCatchUpInTwoParts(t *testing.T) {
	forSeeds(t, 300, func(t *testing.T, rnd *rand.Rand) {
		l := newLife(rnd)
		whole := domain.NewCatchUp(l.record, "", compareOffsets)
		missed, kicked := replay(whole, l.log)
		cut := rnd.IntN(len(l.log) + 1)
		first := domain.NewCatchUp(l.record, "", compareOffsets)
		before, ended := replay(first, l.log[:cut])
		if ended != 0 {
			return
		}
		reached := l.record.AsOf
		if cut > 0 && compareOffsets(l.log[cut-1].Offset, reached) > 0 {
			reached = l.log[cut-1].Offset
		}
		between := first.Session(reached)
		var seen domain.Offset
		if len(before) > 0 {
			seen = at(before[len(before)-1])
		}
		second := domain.NewCatchUp(between, seen, compareOffsets)
		after, ended := replay(second, l.log)
		if got := slices.Concat(before, after); !slices.Equal(got, missed) || ended != kicked {
			t.Fatalf("cut at %d: missed %v and %v, disconnected at %d; want %v and %d", cut, before, after, ended, missed, kicked)
		}
		if kicked == 0 {
			wantRooms(t, second, slices.Sorted(slices.Values(whole.Rooms()))...)
		}
	})
}

// Who goes in and out of rooms all the time does not make its record larger and larger.
func TestStaysThatEndedAreBounded(t *testing.T) {
	forSeeds(t, 20, func(t *testing.T, rnd *rand.Rand) {
		var s domain.Stays
		in := make(map[string]bool)
		truth := []map[string]bool{{}}
		for place := 1; place < 3000; place++ {
			room := fmt.Sprint("room", rnd.IntN(20))
			if s.Join(room, at(place)) {
				in[room] = true
			} else if s.Leave(room, at(place)) {
				delete(in, room)
			}
			s.Bound(compareOffsets)
			truth = append(truth, maps.Clone(in))
			if chance(rnd, 1) { // stored and read again
				s = domain.NewStays(s.List(), s.Whole())
			}
		}
		stays := s.List()
		if len(stays) < 250 || len(stays) > 520 {
			t.Fatalf("%d stays are kept", len(stays))
		}
		whole, _ := strconv.Atoi(string(s.Whole()))
		if whole < 1000 || whole > 2950 {
			t.Fatalf("the stays are complete from %d on", whole)
		}
		session := &domain.Session{Socket: "me", Revision: 1, AsOf: at(3000), Stays: stays, Whole: s.Whole()}
		if domain.NewCatchUp(session, at(whole-1), compareOffsets).Whole() {
			t.Error("it is not said that a replay needs what was forgotten")
		}
		if session.Began = at(whole); !domain.NewCatchUp(session, at(1), compareOffsets).Whole() {
			t.Error("what was before the session's beginning was never needed")
		}
		session.Began = ""
		c := domain.NewCatchUp(session, at(whole), compareOffsets)
		if !c.Whole() || c.Session(at(2999)).Whole != s.Whole() {
			t.Fatal("a replay from there on is not whole, or what follows it forgets so")
		}
		for place := whole + 1; place < 3000; place++ {
			room := fmt.Sprint("room", rnd.IntN(20))
			missed := c.Next(emit(place, to(room))) == domain.MissedPacket
			if want := truth[place-1][room]; missed != want {
				t.Fatalf("entry %d to %s: missed %t, want %t", place, room, missed, want)
			}
		}
	})
}

// Who leaves many rooms at one place has still been in all of them.
func TestStaysThatEndedTogether(t *testing.T) {
	var s domain.Stays
	all := func(change func(room string, at domain.Offset) bool, place int) {
		for i := range 3000 {
			change(fmt.Sprint("room", i), at(place))
			s.Bound(compareOffsets)
		}
	}
	s.Join("early", at(1))
	s.Leave("early", at(2))
	all(s.Join, 3)
	all(s.Leave, 4)
	if got := s.List(); len(got) != 3000 || s.Whole() != at(2) {
		t.Errorf("%d stays are kept, complete from %s on", len(got), s.Whole())
	}
	all(s.Join, 4)
	if got := s.Rooms(); len(got) != 3000 {
		t.Errorf("%d rooms after all were joined again", len(got))
	}
	all(s.Leave, 5)
	all(s.Join, 6)
	all(s.Leave, 6) // was never there
	all(s.Join, 7)
	all(s.Leave, 8)
	if got := s.List(); len(got) != 3000 || s.Whole() != at(5) {
		t.Errorf("%d stays are kept, complete from %s on", len(got), s.Whole())
	}
}
