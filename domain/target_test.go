package domain_test

import (
	"slices"
	"testing"

	"github.com/roombus/roombus/domain"
)

func TestTargetIncludes(t *testing.T) {
	for _, c := range []struct {
		name          string
		rooms, except []string
		in            []string
		want          bool
	}{
		{"everybody", nil, nil, nil, true},
		{"everybody but", nil, []string{"a"}, []string{"a", "b"}, false},
		{"everybody but others", nil, []string{"a"}, []string{"b"}, true},
		{"in the room", []string{"a"}, nil, []string{"a"}, true},
		{"not in the room", []string{"a"}, nil, []string{"b"}, false},
		{"in one of the rooms", []string{"a", "b"}, nil, []string{"b"}, true},
		{"in the room and in an excepted one", []string{"a"}, []string{"x", "b"}, []string{"a", "b"}, false},
		{"the same room both ways", []string{"a"}, []string{"a"}, []string{"a"}, false},
		{"in no room", []string{"a"}, nil, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			target := &domain.Target{Rooms: c.rooms, Except: c.except}
			in := func(room string) bool { return slices.Contains(c.in, room) }
			if got := target.Includes(in); got != c.want {
				t.Errorf("a socket in %q is meant by %+v: %v, want %v", c.in, target, got, c.want)
			}
			if got, want := target.Everyone(), len(c.rooms)+len(c.except) == 0; got != want {
				t.Errorf("Everyone is %v, want %v", got, want)
			}
		})
	}
}
