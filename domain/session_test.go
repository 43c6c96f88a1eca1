package domain_test

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/roombus/roombus/domain"
)

func to(rooms ...string) domain.Target { return domain.Target{Rooms: rooms} }

func logged(n int, body domain.Body) *domain.Entry {
	return &domain.Entry{Offset: at(n), Message: domain.Message{Node: "n", Namespace: "/", Body: body}}
}

func emit(n int, t domain.Target) *domain.Entry { return logged(n, &domain.Broadcast{Target: t}) }

// replay gives a catch-up the entries and returns the positions of the missed packets, and that of the order to
// disconnect, zero when there was none.
func replay(c *domain.CatchUp, log []*domain.Entry) (missed []int, kicked int) {
	for _, e := range log {
		switch c.Next(e) {
		case domain.MissedPacket:
			missed = append(missed, position(e.Offset))
		case domain.MissedDisconnect:
			return missed, position(e.Offset)
		case domain.MissedNothing:
		}
	}
	return missed, 0
}

// record is a session of a socket "me" that began at the beginning of the log.
func record(asOf int, stays ...domain.Stay) *domain.Session {
	return &domain.Session{Socket: "me", Owner: "n", Revision: 1, AsOf: at(asOf), Stays: stays}
}

func wantReplay(t *testing.T, c *domain.CatchUp, log []*domain.Entry, want ...int) {
	t.Helper()
	missed, kicked := replay(c, log)
	if kicked != 0 {
		t.Fatalf("the client is disconnected at %d", kicked)
	}
	if !slices.Equal(missed, want) {
		t.Fatalf("the client missed %v, want %v", missed, want)
	}
}

func wantRooms(t *testing.T, c *domain.CatchUp, want ...string) {
	t.Helper()
	if got := slices.Sorted(slices.Values(c.Rooms())); !slices.Equal(got, want) {
		t.Fatalf("the client is in %q, want %q", got, want)
	}
}

// Offset 5 seen, 6 and 7 to room r, joined r at 8, cut: 6 and 7 must not be seen.
func TestCase12_PacketsBeforeTheJoinAreNotReplayed(t *testing.T) {
	c := domain.NewCatchUp(record(8, domain.Stay{Room: "r", From: at(8)}), at(5), compareOffsets)
	wantReplay(t, c, []*domain.Entry{emit(6, to("r")), emit(7, to("r")), emit(9, to("r"))}, 9)
	wantRooms(t, c, "r")
}

// In flight 6, left r at 7, cut: 6 must not be lost.
func TestCase12_PacketsBeforeTheLeaveAreReplayed(t *testing.T) {
	c := domain.NewCatchUp(record(7, domain.Stay{Room: "r", Until: at(7)}), at(5), compareOffsets)
	wantReplay(t, c, []*domain.Entry{emit(6, to("r")), emit(8, to("r"))}, 6)
	wantRooms(t, c)
}

// Room operations that came after the record are evaluated at their places.
func TestCase12_RoomOperationsOfTheReplayAreApplied(t *testing.T) {
	c := domain.NewCatchUp(record(5, domain.Stay{Room: "r", From: at(1)}), at(5), compareOffsets)
	wantReplay(t, c, []*domain.Entry{
		emit(6, to("r")),
		emit(7, to("s")),
		logged(8, &domain.Join{Target: to("r"), Rooms: []string{"s", "s", "r", "t"}}),
		emit(9, to("s")),
		logged(10, &domain.Join{Target: to("others"), Rooms: []string{"u"}}),
		emit(11, to("u")),
		logged(12, &domain.Leave{Target: to("me"), Rooms: []string{"r", "t"}}),
		emit(13, to("r")),
		emit(14, domain.Target{Except: []string{"s"}}),
		emit(15, domain.Target{Except: []string{"r"}}),
	}, 6, 9, 15)
	wantRooms(t, c, "s")
}

// Room operations that the record knows had their effect; what came between is in the stays.
func TestCase12_RoomOperationsOfTheRecordAreNotAppliedAgain(t *testing.T) {
	c := domain.NewCatchUp(record(8, domain.Stay{Room: "r", From: at(7)}), at(5), compareOffsets)
	wantReplay(t, c, []*domain.Entry{
		logged(6, &domain.Leave{Target: to("me"), Rooms: []string{"r"}}),
		emit(7, to("r")),
		emit(8, to("r")),
		logged(9, &domain.Join{Target: to("s"), Rooms: []string{"t"}}),
		emit(10, to("r")),
	}, 8, 10)
	wantRooms(t, c, "r")
}

// A record can be older than what the client has seen: the operations in between are in the log alone.
func TestCase12_ARecordOlderThanTheClientReachesBack(t *testing.T) {
	c := domain.NewCatchUp(record(5, domain.Stay{Room: "r"}), at(8), compareOffsets)
	if got := c.Start(); got != at(5) {
		t.Fatalf("the replay begins after %q, want 5", got)
	}
	wantReplay(t, c, []*domain.Entry{
		logged(6, &domain.Join{Target: to("r"), Rooms: []string{"s"}}),
		logged(7, &domain.Leave{Target: to("r"), Rooms: []string{"r"}}),
		emit(8, to("s")),
		emit(9, to("s")),
		emit(10, to("r")),
	}, 9)
	wantRooms(t, c, "s")
}

// The rooms of a Node.js server's session hold for the whole range.
func TestCase12_RoomsOfNodeJSHaveNoPlace(t *testing.T) {
	s := &domain.Session{Socket: "me", Stays: []domain.Stay{{Room: "me"}, {Room: "r"}}}
	c := domain.NewCatchUp(s, at(5), compareOffsets)
	if got := c.Start(); got != at(5) {
		t.Fatalf("the replay begins after %q, want 5", got)
	}
	wantReplay(t, c, []*domain.Entry{
		emit(4, to("r")),
		emit(6, to("r")),
		logged(7, &domain.Leave{Target: to("r"), Rooms: []string{"r"}}),
		logged(8, &domain.Join{Target: to("r"), Rooms: []string{"s"}}),
		emit(9, to("r")),
		emit(10, to("s")),
		emit(11, to("me")),
	}, 6, 9, 11)
	wantRooms(t, c, "me", "r")
	if missed, kicked := replay(c, []*domain.Entry{logged(12, &domain.Disconnect{Target: to("r")})}); kicked != 12 {
		t.Fatalf("an order to disconnect is ignored, missed %v", missed)
	}
}

// The offset of an older session, or one that is made up, begins nothing earlier than the session did.
func TestCase13_TheSessionsBeginningIsTheEarliest(t *testing.T) {
	for _, seen := range []domain.Offset{"", at(2), "hello"} {
		s := record(6, domain.Stay{Room: "r"})
		s.Began = at(4)
		c := domain.NewCatchUp(s, seen, compareOffsets)
		if got := c.Start(); got != at(4) {
			t.Fatalf("seen %q: the replay begins after %q, want 4", seen, got)
		}
		wantReplay(t, c, []*domain.Entry{emit(3, to("r")), emit(4, to("r")), emit(5, to("r")), emit(7, to("r"))}, 5, 7)
	}
}

// Where nothing else says where to begin, a made-up offset must not become the beginning of the log.
func TestCase13_AMadeUpOffsetIsLeftToTheLog(t *testing.T) {
	s := &domain.Session{Socket: "me", Stays: []domain.Stay{{Room: "r"}}}
	if got := domain.NewCatchUp(s, "hello", compareOffsets).Start(); got != "hello" {
		t.Fatalf("the replay begins after %q, want what the client said", got)
	}
}

func TestCatchUpStartOfARecordThatIsOlderThanItsSession(t *testing.T) {
	s := record(2)
	s.Began = at(4)
	if got := domain.NewCatchUp(s, at(6), compareOffsets).Start(); got != at(4) {
		t.Fatalf("the replay begins after %q, want 4, where the session began", got)
	}
}

// A kicked user must not come back: an order that came after the record holds.
func TestCase15_DisconnectOrderInTheLogIsApplied(t *testing.T) {
	for _, c := range []struct {
		name   string
		asOf   int
		seen   domain.Offset
		target domain.Target
		at     int
		kicked bool
	}{
		{"by a room", 5, at(5), to("r"), 6, true},
		{"by its id", 5, at(5), to("me"), 6, true},
		{"everybody", 5, at(5), domain.Target{}, 6, true},
		{"everybody else", 5, at(5), domain.Target{Except: []string{"me"}}, 6, false},
		{"another room", 5, at(5), to("s"), 6, false},
		{"a client that says to have seen more", 5, at(100), to("r"), 6, true},
		{"an order that the record has survived", 6, at(5), to("r"), 6, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			catchUp := domain.NewCatchUp(record(c.asOf, domain.Stay{Room: "r"}), c.seen, compareOffsets)
			_, kicked := replay(catchUp, []*domain.Entry{logged(c.at, &domain.Disconnect{Target: c.target})})
			if got := kicked != 0; got != c.kicked {
				t.Fatalf("the client is disconnected: %v, want %v", got, c.kicked)
			}
		})
	}
}

// The user was put into the room by the log, after the record, and the order goes to the room.
func TestCase15_DisconnectOrderFindsTheRoomsAtItsPlace(t *testing.T) {
	c := domain.NewCatchUp(record(5), at(5), compareOffsets)
	missed, kicked := replay(c, []*domain.Entry{
		logged(6, &domain.Disconnect{Target: to("banned")}),
		logged(7, &domain.Join{Target: to("me"), Rooms: []string{"banned"}}),
		emit(8, to("banned")),
		logged(9, &domain.Disconnect{Target: to("banned")}),
		emit(10, to("me")),
	})
	if !slices.Equal(missed, []int{8}) || kicked != 9 {
		t.Fatalf("the client missed %v and is disconnected at %d, want [8] and 9", missed, kicked)
	}
}

// What wants an answer and what nobody may wait for is not replayed.
func TestCase20_AckedAndVolatileArePassedOver(t *testing.T) {
	ackID := uint64(7)
	c := domain.NewCatchUp(record(0, domain.Stay{Room: "r"}), "", compareOffsets)
	wantReplay(t, c, []*domain.Entry{
		logged(1, &domain.Broadcast{Target: domain.Target{Flags: domain.Flags{Volatile: true}}}),
		logged(2, &domain.Broadcast{Request: "r"}),
		logged(3, &domain.Broadcast{AckID: &ackID, Target: to("me")}),
		logged(4, &domain.Heartbeat{}),
		logged(5, &domain.ServerSideEmit{}),
		emit(6, to("me")),
	}, 6)
}

func TestCatchUpRoomsAreTheCallersOwn(t *testing.T) {
	c := domain.NewCatchUp(record(1, domain.Stay{Room: "r"}, domain.Stay{Room: "s"}, domain.Stay{Room: "r"}), at(1), compareOffsets)
	wantRooms(t, c, "r", "s")
	c.Next(logged(2, &domain.Join{Target: to("me"), Rooms: []string{"t"}}))
	before := c.Rooms()
	c.Next(logged(3, &domain.Leave{Target: to("me"), Rooms: []string{"r"}}))
	if !slices.Equal(before, []string{"r", "s", "t"}) {
		t.Fatalf("what Rooms returned has changed into %q", before)
	}
}

// life is a socket in a log, with everything that is true of it.
type life struct {
	rnd    *rand.Rand
	log    []*domain.Entry
	began  int
	rooms  map[string]bool
	stays  []domain.Stay
	record *domain.Session
	meant  []int // positions of the packets that were for it
	kicked int
}

var lifeRooms = []string{"a", "b", "c"}

func (l *life) in(room string) bool { return room == "me" || l.rooms[room] }

// join and leave take effect after a position.
func (l *life) join(room string, place int) {
	if !l.rooms[room] {
		l.rooms[room] = true
		l.stays = append(l.stays, domain.Stay{Room: room, From: at(place)})
	}
}

func (l *life) leave(room string, place int) {
	if !l.rooms[room] {
		return
	}
	delete(l.rooms, room)
	i := slices.IndexFunc(l.stays, func(s domain.Stay) bool { return s.Room == room && s.Until == "" })
	if l.stays[i].Until = at(place); l.stays[i].From == l.stays[i].Until {
		l.stays = slices.Delete(l.stays, i, i+1) // nothing came meanwhile
	}
}

func (l *life) target() domain.Target {
	names := append(slices.Clone(lifeRooms), "me")
	return domain.Target{Rooms: some(l.rnd, names, 35), Except: some(l.rnd, names, 10)}
}

// append puts an entry at the end of the log and makes it true.
func (l *life) append(place int, live bool) {
	target, rooms := l.target(), some(l.rnd, lifeRooms, 40)
	means := live && l.kicked == 0 && target.Includes(l.in)
	var body domain.Body
	switch p := l.rnd.IntN(100); {
	case p < 60:
		b := &domain.Broadcast{Target: target}
		switch l.rnd.IntN(10) {
		case 0:
			b.Target.Flags.Volatile = true
		case 1:
			b.Request = "request"
		case 2:
			b.AckID = new(uint64)
		default:
			if means {
				l.meant = append(l.meant, place)
			}
		}
		body = b
	case p < 76:
		body = &domain.Join{Target: target, Rooms: rooms}
		if means {
			for _, room := range rooms {
				l.join(room, place)
			}
		}
	case p < 92:
		body = &domain.Leave{Target: target, Rooms: rooms}
		if means {
			for _, room := range rooms {
				l.leave(room, place)
			}
		}
	case p < 94:
		if means && l.record == nil {
			return // there would be no record
		}
		body = &domain.Disconnect{Target: target}
		if means {
			l.kicked = place
		}
	default:
		return // another namespace's
	}
	l.log = append(l.log, logged(place, body))
}

func (l *life) save(place int) {
	l.record = &domain.Session{
		Socket: "me", Revision: uint64(l.rnd.IntN(5) + 1), Began: at(l.began), AsOf: at(place), Stays: slices.Clone(l.stays),
	}
}

func newLife(rnd *rand.Rand) *life {
	l := &life{rnd: rnd, rooms: map[string]bool{}, began: rnd.IntN(15)}
	saved := l.began + rnd.IntN(25)
	for place := range 60 {
		if place > 0 {
			l.append(place, place > l.began)
		}
		if place >= l.began && place <= saved {
			for range rnd.IntN(4) { // local changes
				if room := pick(rnd, lifeRooms); chance(rnd, 50) {
					l.join(room, place)
				} else {
					l.leave(room, place)
				}
			}
		}
		if place == saved {
			l.save(place)
		}
	}
	return l
}

// TestCatchUpAgainstLife records a socket at a random moment, cuts it off at another, and replays. It must get every
// packet that was for it and that it has not seen, in order, whatever it says to have seen before its beginning.
func TestCatchUpAgainstLife(t *testing.T) {
	forSeeds(t, 500, func(t *testing.T, rnd *rand.Rand) {
		l := newLife(rnd)
		for _, seen := range []domain.Offset{"", "hello", at(l.began), l.record.AsOf, at(rnd.IntN(70)), at(rnd.IntN(70))} {
			var want []int
			for _, place := range l.meant {
				if place > position(seen) {
					want = append(want, place)
				}
			}
			c := domain.NewCatchUp(l.record, seen, compareOffsets)
			log := l.log
			if chance(rnd, 50) { // Entries before the start change nothing.
				log = slices.DeleteFunc(slices.Clone(log), func(e *domain.Entry) bool {
					return compareOffsets(e.Offset, c.Start()) <= 0
				})
			}
			missed, kicked := replay(c, log)
			if !slices.Equal(missed, want) || kicked != l.kicked {
				t.Fatalf("began at %d, record as of %s, seen %q: missed %v, disconnected at %d; want %v and %d",
					l.began, l.record.AsOf, seen, missed, kicked, want, l.kicked)
			}
			if l.kicked == 0 {
				wantRooms(t, c, slices.Sorted(maps.Keys(l.rooms))...)
			}
		}
	})
}

func TestOutcomeString(t *testing.T) {
	for outcome, want := range map[domain.Outcome]string{
		domain.Recovered: "recovered", domain.RecoveryGap: "gap", domain.RecoveryExpired: "expired",
		domain.RecoveryUnknown: "unknown", domain.RecoveryDisabled: "disabled", 0: "no recovery",
	} {
		if got := outcome.String(); got != want {
			t.Errorf("outcome %d is %q, want %q", outcome, got, want)
		}
	}
}
