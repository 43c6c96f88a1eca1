package domain_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
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
				s = domain.NewStays(s.List())
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
	s = domain.NewStays([]domain.Stay{{Room: "r"}, {Room: "r", From: at(3)}, {Room: "r", Until: at(2)}})
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
