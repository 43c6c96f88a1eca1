package domain_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/roombus/roombus/domain"
)

func numbered(publisher domain.PublisherID, sequence, skipped uint64) *domain.Message {
	return &domain.Message{Publisher: publisher, Sequence: sequence, Skipped: skipped, Body: &domain.Goodbye{}}
}

func TestSequences(t *testing.T) {
	type step struct {
		publisher         domain.PublisherID
		sequence, skipped uint64
		want              domain.Sighting
	}
	fresh, repeat := domain.Sighting{}, domain.Sighting{Repeat: true}
	lost := func(first, last uint64) domain.Sighting { return domain.Sighting{First: first, Last: last} }
	for _, c := range []struct {
		name  string
		steps []step
	}{
		{"one after the other", []step{{"a", 1, 0, fresh}, {"a", 2, 0, fresh}, {"a", 3, 0, fresh}}},
		{"the first number is the base", []step{{"a", 7, 0, fresh}, {"a", 8, 0, fresh}}},
		{"a first number with skipped ones before it", []step{{"a", 7, 3, fresh}, {"a", 8, 0, fresh}}},
		{"what is older than the base is a repeat", []step{{"a", 7, 0, fresh}, {"a", 6, 0, repeat}}},
		{"a repeat", []step{{"a", 1, 0, fresh}, {"a", 1, 0, repeat}, {"a", 2, 0, fresh}}},
		{"a repeat does not move the number back", []step{
			{"a", 1, 0, fresh}, {"a", 2, 0, fresh}, {"a", 1, 0, repeat}, {"a", 3, 0, fresh},
		}},
		{"a hole", []step{{"a", 1, 0, fresh}, {"a", 5, 0, lost(2, 4)}, {"a", 6, 0, fresh}}},
		{"what fills a hole late is a repeat: it was reported as lost", []step{
			{"a", 1, 0, fresh}, {"a", 3, 0, lost(2, 2)}, {"a", 2, 0, repeat},
		}},
		{"a hole that was given up is no loss", []step{{"a", 1, 0, fresh}, {"a", 5, 3, fresh}}},
		{"a hole that was given up in part", []step{{"a", 1, 0, fresh}, {"a", 6, 2, lost(2, 3)}}},
		{"given up, but in the log after all", []step{{"a", 1, 0, fresh}, {"a", 2, 0, fresh}, {"a", 3, 1, fresh}}},
		{"more given up than there is a hole", []step{{"a", 3, 0, fresh}, {"a", 5, 4, fresh}}},
		{"publishers count for themselves", []step{
			{"a", 1, 0, fresh}, {"b", 1, 0, fresh}, {"b", 3, 0, lost(2, 2)}, {"a", 2, 0, fresh},
		}},
		{"without numbers everything is fresh", []step{
			{"", 0, 0, fresh}, {"", 0, 0, fresh}, {"", 5, 0, fresh}, {"", 5, 0, fresh}, {"a", 0, 0, fresh}, {"a", 0, 0, fresh},
		}},
		{"the largest number", []step{{"a", ^uint64(0) - 1, 0, fresh}, {"a", ^uint64(0), 0, fresh}, {"a", ^uint64(0), 0, repeat}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := domain.NewSequences()
			for i, step := range c.steps {
				if got := s.Observe(numbered(step.publisher, step.sequence, step.skipped), noon); got != step.want {
					t.Fatalf("step %d, number %d of %q: %+v, want %+v", i, step.sequence, step.publisher, got, step.want)
				}
			}
		})
	}
}

func TestSightingLost(t *testing.T) {
	for sighting, want := range map[domain.Sighting]uint64{
		{}: 0, {Repeat: true}: 0, {First: 3, Last: 3}: 1, {First: 3, Last: 12}: 10,
	} {
		if got := sighting.Lost(); got != want {
			t.Errorf("%+v: %d lost, want %d", sighting, got, want)
		}
	}
}

func TestSequencesForget(t *testing.T) {
	s := domain.NewSequences()
	s.Observe(numbered("old", 1, 0), noon)
	s.Observe(numbered("retries", 1, 0), noon)
	s.Observe(numbered("retries", 1, 0), noon.Add(time.Minute)) // a repeat, but a sign of life
	s.Observe(numbered("no time", 1, 0), time.Time{})           // as old as the newest before it
	s.Observe(&domain.Message{Body: &domain.Goodbye{}}, noon.Add(2*time.Minute))
	s.Observe(numbered("new", 1, 0), noon.Add(90*time.Second)) // the log's clock was set back

	s.Forget(noon)
	if got := s.Len(); got != 4 {
		t.Fatalf("%d publishers are watched, want all 4", got)
	}
	s.Forget(noon.Add(time.Second))
	if got := s.Len(); got != 3 {
		t.Fatalf("%d publishers are watched, want 3", got)
	}
	if got := s.Observe(numbered("retries", 1, 0), noon.Add(2*time.Minute)); !got.Repeat {
		t.Fatalf("a repeat of a publisher that was heard a minute ago: %+v", got)
	}
	if got := s.Observe(numbered("old", 9, 0), noon.Add(2*time.Minute)); got != (domain.Sighting{}) {
		t.Fatalf("a forgotten publisher has a new base, but: %+v", got)
	}
}

func TestSequencesOfALogWithoutTimesAreKept(t *testing.T) {
	s := domain.NewSequences()
	s.Observe(numbered("a", 1, 0), time.Time{})
	s.Forget(noon)
	if got := s.Observe(numbered("a", 1, 0), time.Time{}); !got.Repeat {
		t.Fatalf("a repeat in a log without times: %+v", got)
	}
}

// TestSequencesAgainstModel has publishers that give up, a log that loses entries, and entries that come again. What
// is reported as lost must be what was stored and lost, and every entry is fresh once.
func TestSequencesAgainstModel(t *testing.T) {
	forSeeds(t, 200, func(t *testing.T, rnd *rand.Rand) {
		s := domain.NewSequences()
		var seen []*domain.Message
		for _, publisher := range []domain.PublisherID{"a", "b", "c"} {
			var number, skipped, lost, reported uint64
			pending := uint64(0) // lost since the last entry that was read
			for range 100 {
				number++
				switch p := rnd.IntN(100); {
				case p < 15 && pending == 0: // given up, with an error to its caller
					skipped++
				case p < 25 && skipped == 0 && len(seen) > 0: // stored, and lost
					lost++
					pending++
				default:
					m := numbered(publisher, number, skipped)
					skipped = 0
					got := s.Observe(m, noon)
					if got.Repeat {
						t.Fatalf("number %d of %q is new, but taken for a repeat", number, publisher)
					}
					if known := len(seen) > 0 && seen[len(seen)-1].Publisher == publisher; known {
						if got.Lost() != pending {
							t.Fatalf("number %d of %q: %d lost, want %d", number, publisher, got.Lost(), pending)
						}
					} else {
						lost -= pending // before the base
					}
					reported += got.Lost()
					pending = 0
					seen = append(seen, m)
				}
				if len(seen) > 0 && chance(rnd, 10) {
					if again := pick(rnd, seen); !s.Observe(again, noon).Repeat {
						t.Fatalf("number %d of %q was seen, but taken for new", again.Sequence, again.Publisher)
					}
				}
			}
			if lost -= pending; reported != lost {
				t.Fatalf("%d entries of %q are reported as lost, want %d", reported, publisher, lost)
			}
		}
		if s.Len() != 3 {
			t.Fatalf("%d publishers are watched, want 3", s.Len())
		}
	})
}
