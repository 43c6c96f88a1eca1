package socketio_test

import (
	"maps"
	"testing"

	"github.com/roombus/roombus/adapters/socketio"
)

func TestRoomSizes(t *testing.T) {
	h := serve(t, socketio.Config{})
	var ids []string
	for range 3 {
		c := h.dial()
		ids = append(ids, c.join("/"))
	}
	if err := h.SocketsJoin(t.Context(), "kitchen"); err != nil {
		t.Fatal(err)
	}
	if err := h.In(ids[0]).SocketsJoin(t.Context(), "cellar"); err != nil {
		t.Fatal(err)
	}
	// A socket in the room of another one makes a room of two, which says something.
	if err := h.In(ids[0]).SocketsJoin(t.Context(), ids[1]); err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"kitchen": 3, "cellar": 1, ids[1]: 2}
	if got := h.RoomSizes("/"); !maps.Equal(got, want) {
		t.Errorf("the sizes are %v, want %v", got, want)
	}
	if got := h.RoomSizes("/nowhere"); len(got) != 0 {
		t.Errorf("a namespace that is not there has the rooms %v", got)
	}
}
