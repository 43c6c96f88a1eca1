package domain_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/roombus/roombus/domain"
)

// roomsModel is the index as a map of sets.
type roomsModel map[int]map[string]bool

func (m roomsModel) size(room string) int {
	n := 0
	for _, in := range m {
		if in[room] {
			n++
		}
	}
	return n
}

func (m roomsModel) names() []string {
	names := map[string]bool{}
	for _, in := range m {
		maps.Copy(names, in)
	}
	return slices.Sorted(maps.Keys(names))
}

// selected filters all sockets by the target's own rule.
func (m roomsModel) selected(t *domain.Target) []int {
	var sockets []int
	for s, in := range m {
		if t.Includes(func(room string) bool { return in[room] }) {
			sockets = append(sockets, s)
		}
	}
	slices.Sort(sockets)
	return sockets
}

func TestRoomsAgainstModel(t *testing.T) {
	forSeeds(t, 100, func(t *testing.T, rnd *rand.Rand) {
		index, model := domain.NewRooms[int](), roomsModel{}
		// Rooms of some and rooms of many, so that both forms of a set are used; more names than a selection keeps
		// without a map.
		var names []string
		for i := range 20 {
			names = append(names, fmt.Sprintf("room %d", i))
		}
		for step := range 600 {
			s, name := rnd.IntN(60), names[min(rnd.IntN(40), rnd.IntN(len(names)))]
			switch p := rnd.IntN(100); {
			case p < 20:
				index.Add(s)
				if model[s] == nil {
					model[s] = map[string]bool{}
				}
			case p < 65:
				in, known := model[s]
				wantCreated := known && model.size(name) == 0
				wantJoined := known && !in[name]
				if joined, created := index.Join(s, name); joined != wantJoined || created != wantCreated {
					t.Fatalf("step %d: Join(%d, %q) is %v, %v, want %v, %v", step, s, name, joined, created, wantJoined, wantCreated)
				}
				if known {
					in[name] = true
				}
			case p < 85:
				wantLeft := model[s][name]
				delete(model[s], name)
				wantDeleted := wantLeft && model.size(name) == 0
				if left, deleted := index.Leave(s, name); left != wantLeft || deleted != wantDeleted {
					t.Fatalf("step %d: Leave(%d, %q) is %v, %v, want %v, %v", step, s, name, left, deleted, wantLeft, wantDeleted)
				}
			case p < 92:
				wantLeft := slices.Sorted(maps.Keys(model[s]))
				delete(model, s)
				var wantDeleted []string
				for _, name := range wantLeft {
					if model.size(name) == 0 {
						wantDeleted = append(wantDeleted, name)
					}
				}
				left, deleted := index.Remove(s)
				slices.Sort(left)
				slices.Sort(deleted)
				if !slices.Equal(left, wantLeft) || !slices.Equal(deleted, wantDeleted) {
					t.Fatalf("step %d: Remove(%d) is %q, %q, want %q, %q", step, s, left, deleted, wantLeft, wantDeleted)
				}
			default:
				target := &domain.Target{Rooms: some(rnd, names, rnd.IntN(100)), Except: some(rnd, names, rnd.IntN(30))}
				if chance(rnd, 30) {
					target.Rooms = append(target.Rooms, target.Rooms...)
				}
				got := slices.Sorted(index.Select(target))
				if want := model.selected(target); !slices.Equal(got, want) {
					t.Fatalf("step %d: Select(%+v) is %v, want %v", step, target, got, want)
				}
			}
			checkRooms(t, step, index, model, s, name)
		}
	})
}

func checkRooms(t *testing.T, step int, index *domain.Rooms[int], model roomsModel, s int, name string) {
	t.Helper()
	if got, want := index.In(s, name), model[s][name]; got != want {
		t.Fatalf("step %d: In(%d, %q) is %v, want %v", step, s, name, got, want)
	}
	if got, want := slices.Sorted(slices.Values(index.Of(s))), slices.Sorted(maps.Keys(model[s])); !slices.Equal(got, want) {
		t.Fatalf("step %d: Of(%d) is %q, want %q", step, s, got, want)
	}
	if got, want := index.Size(name), model.size(name); got != want {
		t.Fatalf("step %d: Size(%q) is %d, want %d", step, name, got, want)
	}
	if got, want := index.Len(), len(model); got != want {
		t.Fatalf("step %d: Len is %d, want %d", step, got, want)
	}
	if got, want := index.Count(), len(model.names()); got != want {
		t.Fatalf("step %d: Count is %d, want %d", step, got, want)
	}
	if got, want := slices.Sorted(index.Names()), model.names(); !slices.Equal(got, want) {
		t.Fatalf("step %d: Names are %q, want %q", step, got, want)
	}
}

func TestRoomsOfAreInTheOrderOfJoining(t *testing.T) {
	index := domain.NewRooms[string]()
	index.Add("a")
	for _, name := range []string{"3", "1", "2"} {
		index.Join("a", name)
	}
	index.Leave("a", "1")
	index.Join("a", "1")
	if got, want := index.Of("a"), []string{"3", "2", "1"}; !slices.Equal(got, want) {
		t.Fatalf("the rooms are %q, want %q", got, want)
	}
	index.Of("a")[0] = "changed"
	if !index.In("a", "3") || index.Of("a")[0] != "3" {
		t.Fatal("the index shares its memory with the answer of Of")
	}
}

func TestRoomsIterationsCanStop(t *testing.T) {
	index := domain.NewRooms[int]()
	for s := range 3 {
		index.Add(s)
		index.Join(s, "a")
		index.Join(s, fmt.Sprint(s))
	}
	for _, target := range []*domain.Target{{}, {Rooms: []string{"a", "1"}}} {
		n := 0
		for range index.Select(target) {
			n++
			break
		}
		if n != 1 {
			t.Fatalf("a stopped selection yielded %d sockets", n)
		}
	}
	n := 0
	for range index.Names() {
		n++
		break
	}
	if n != 1 {
		t.Fatalf("a stopped iteration yielded %d rooms", n)
	}
}

// A handler of one selection may begin another, or read the index.
func TestRoomsSelectionsMayBeNested(t *testing.T) {
	index := domain.NewRooms[int]()
	for s := range 40 {
		index.Add(s)
		index.Join(s, "a")
		index.Join(s, "b")
	}
	target := &domain.Target{Rooms: []string{"a", "b"}}
	pairs := 0
	for range index.Select(target) {
		for range index.Select(target) {
			pairs++
		}
	}
	if pairs != 40*40 {
		t.Fatalf("nested selections yielded %d pairs, want %d", pairs, 40*40)
	}
}

// The few allocations that are left are those of the iterator itself, where the compiler does not inline it.
func TestRoomsSelectAllocatesNothingASocket(t *testing.T) {
	const limit = 5
	index := domain.NewRooms[*benchSocket]()
	sockets := benchSockets(1000)
	fill(index, sockets)
	for _, target := range []*domain.Target{
		{},
		{Rooms: []string{"everybody"}},
		{Rooms: []string{"group", "everybody"}, Except: []string{sockets[0].id, sockets[1].id}},
	} {
		n := 0
		allocs := testing.AllocsPerRun(10, func() {
			for range index.Select(target) {
				n++
			}
		})
		if allocs > limit {
			t.Errorf("Select(%+v) allocates %v times, want no more than %d", target, allocs, limit)
		}
		if n < 998 {
			t.Errorf("Select(%+v) found %d sockets in all", target, n)
		}
	}
}
