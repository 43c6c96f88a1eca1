package endtoend

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// message is a broadcast as the log has it, or a client.
type message struct {
	number int
	offset domain.Offset
}

// rooms is where each client is: its socket's own room, and others.
type rooms map[string]map[string]bool

// meant are the clients that a target means.
func (r rooms) meant(t *domain.Target) []string {
	var names []string
	for name, in := range r {
		inRoom := func(room string) bool { return in[room] }
		if len(t.Rooms) > 0 && !slices.ContainsFunc(t.Rooms, inRoom) || slices.ContainsFunc(t.Except, inRoom) {
			continue
		}
		names = append(names, name)
	}
	return names
}

// expect goes through the log and says what each client must receive.
func expect(entries []*domain.Entry, r rooms) (map[string][]message, error) {
	expected := make(map[string][]message)
	for _, e := range entries {
		switch b := e.Message.Body.(type) {
		case *domain.Broadcast:
			if b.Packet.Event() != eventName {
				continue
			}
			var number int
			if _, err := fmt.Sscanf(string(b.Packet.JSON()), `["`+eventName+`",%d]`, &number); err != nil {
				return nil, fmt.Errorf("the entry %s is %s: %w", e.Offset, b.Packet.JSON(), err)
			}
			for _, name := range r.meant(&b.Target) {
				expected[name] = append(expected[name], message{number, e.Offset})
			}
		case *domain.Join:
			for _, name := range r.meant(&b.Target) {
				for _, room := range b.Rooms {
					r[name][room] = true
				}
			}
		case *domain.Leave:
			for _, name := range r.meant(&b.Target) {
				for _, room := range b.Rooms {
					delete(r[name], room)
				}
			}
		}
	}
	return expected, nil
}

// read is everything in the log after a position.
func read(ctx context.Context, log ports.Log, after domain.Offset) ([]*domain.Entry, error) {
	var entries []*domain.Entry
	for {
		page, err := log.Replay(ctx, "/", after, "", 0)
		if err != nil {
			return nil, err
		}
		entries = append(entries, page.Entries...)
		if page.Done {
			return entries, nil
		}
		after = page.Next
	}
}

// account is what is wrong with what clients have received, by the number of the message.
type account struct {
	received                            int
	missing, twice, disordered, strange []int
	first                               []string // words for the first faults
	about                               []string // the clients that these are of
}

// maxWords is how many faults are told in words.
const maxWords = 10

// settle compares what a client has received with what it should have.
func (a *account) settle(name string, got, want []message) {
	a.received += len(got)
	fault := func(list *[]int, m message, what string) {
		*list = append(*list, m.number)
		if len(a.first) < maxWords {
			a.first = append(a.first, fmt.Sprintf("%s: number %d at %s %s", name, m.number, m.offset, what))
			if !slices.Contains(a.about, name) {
				a.about = append(a.about, name)
			}
		}
	}
	wanted := make(map[message]int, len(want)) // to its place
	for i, m := range want {
		wanted[m] = i
	}
	seen := make(map[message]bool, len(got))
	last := -1
	for _, m := range got {
		place, known := wanted[m]
		switch {
		case !known:
			fault(&a.strange, m, "was not for it, or is not what is in the log")
			continue
		case seen[m]:
			fault(&a.twice, m, "came twice")
		case place < last:
			fault(&a.disordered, m, "came after what is behind it in the log")
		}
		seen[m] = true
		last = max(last, place)
	}
	for _, m := range want {
		if !seen[m] {
			fault(&a.missing, m, "is missing")
		}
	}
}

// TestTheAccountFindsWhatItIsFor spoils a good list in each way.
func TestTheAccountFindsWhatItIsFor(t *testing.T) {
	packet := func(number int) domain.Packet {
		p, err := domain.NewPacket(fmt.Appendf(nil, `[%q,%d]`, eventName, number))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	bodies := []domain.Body{
		&domain.Broadcast{Packet: packet(0)},
		&domain.Broadcast{Packet: packet(1), Target: domain.Target{Rooms: []string{"red"}}},
		&domain.Join{Target: domain.Target{Rooms: []string{"blue"}}, Rooms: []string{"red"}},
		&domain.Broadcast{Packet: packet(2), Target: domain.Target{Rooms: []string{"red"}}},
		&domain.Broadcast{Packet: packet(3), Target: domain.Target{Except: []string{"blue"}}},
		&domain.Leave{Target: domain.Target{Rooms: []string{"blue"}}, Rooms: []string{"red"}},
		&domain.Broadcast{Packet: packet(4), Target: domain.Target{Rooms: []string{"red"}}},
		&domain.Broadcast{Packet: packet(5), Target: domain.Target{Rooms: []string{"id-a", "red"}}},
	}
	entries := make([]*domain.Entry, len(bodies))
	for i, b := range bodies {
		entries[i] = &domain.Entry{Offset: domain.Offset(fmt.Sprint(i)), Message: domain.Message{Body: b}}
	}
	expected, err := expect(entries, rooms{"a": {"id-a": true, "blue": true}, "b": {"id-b": true, "red": true}})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]message{
		"a": {{0, "0"}, {2, "3"}, {5, "7"}},
		"b": {{0, "0"}, {1, "1"}, {2, "3"}, {3, "4"}, {4, "6"}, {5, "7"}},
	}
	if !maps.EqualFunc(expected, want, slices.Equal) {
		t.Fatalf("expected are %v, want %v", expected, want)
	}
	for _, c := range []struct {
		title string
		got   []message
		want  string
	}{
		{"good", []message{{0, "0"}, {2, "3"}, {5, "7"}}, "[] [] [] []"},
		{"missing", []message{{0, "0"}, {5, "7"}}, "[2] [] [] []"},
		{"twice", []message{{0, "0"}, {2, "3"}, {2, "3"}, {5, "7"}}, "[] [2] [] []"},
		{"disordered", []message{{0, "0"}, {5, "7"}, {2, "3"}}, "[] [] [2] []"},
		{"strange", []message{{0, "0"}, {1, "1"}, {2, "3"}, {5, "7"}}, "[] [] [] [1]"},
		{"another place", []message{{0, "0"}, {2, "4"}, {5, "7"}}, "[2] [] [] [2]"},
	} {
		var a account
		a.settle("a", c.got, want["a"])
		if got := fmt.Sprint(a.missing, a.twice, a.disordered, a.strange); got != c.want {
			t.Errorf("%s: missing, twice, disordered and strange are %s, want %s; in words: %s",
				c.title, got, c.want, strings.Join(a.first, "; "))
		}
	}
}
