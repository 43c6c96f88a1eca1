package socketio_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/domain"
)

// crowd is three clients: ann in rooms r1 and both, ben in r2 and both, cem in none.
type crowd struct {
	*harness
	ann, ben, cem *client
	id            map[string]string
}

func gather(t *testing.T) crowd {
	t.Helper()
	w := crowd{harness: serve(t, socketio.Config{}), id: map[string]string{}}
	w.Use(func(ctx context.Context, s *socketio.Socket) error {
		var auth struct{ Name string }
		if err := json.Unmarshal(s.Handshake().Auth.JSON(), &auth); err != nil {
			return err
		}
		rooms := map[string][]string{"ann": {"r1", "both"}, "ben": {"r2", "both"}}
		return errors.Join(s.Join(ctx, rooms[auth.Name]...), s.SetData(map[string]string{"name": auth.Name}))
	})
	for name, c := range map[string]**client{"ann": &w.ann, "ben": &w.ben, "cem": &w.cem} {
		*c = w.dial()
		(*c).send(fmt.Sprintf(`40{"name":%q}`, name))
		w.id[name] = (*c).joined("/")
	}
	return w
}

func (w crowd) socket(name string) *socketio.Socket {
	w.t.Helper()
	s, ok := w.Socket(domain.SocketID(w.id[name]))
	if !ok {
		w.t.Fatalf("%s is not there", name)
	}
	return s
}

// gets checks who of the three gets the next event. A fence behind it shows who does not.
func (w crowd) gets(what, event, names string) {
	w.t.Helper()
	if _, err := w.Emit(w.t.Context(), "fence"); err != nil {
		w.t.Fatal(err)
	}
	var got []string
	for _, who := range []struct {
		name string
		c    *client
	}{{"ann", w.ann}, {"ben", w.ben}, {"cem", w.cem}} {
		for p := who.c.text(); p != `42["fence"]`; p = who.c.text() {
			if p != event {
				w.t.Errorf("%s: %s got %q", what, who.name, p)
			}
			got = append(got, who.name)
		}
	}
	if all := strings.Join(got, " "); all != names {
		w.t.Errorf("%s: reached %q, want %q", what, all, names)
	}
}

func TestTargets(t *testing.T) {
	w := gather(t)
	ann := w.socket("ann")
	for _, test := range []struct {
		name  string
		to    socketio.BroadcastOperator
		names string
	}{
		{"a room", w.To("r1"), "ann"},
		{"two rooms", w.To("r1", "r2"), "ann ben"},
		{"a room twice", w.To("r1").To("both"), "ann ben"},
		{"In", w.In("r2"), "ben"},
		{"a room and not another", w.To("both").Except("r2"), "ann"},
		{"all but a room", w.Except("r1"), "ben cem"},
		{"a socket by its id", w.To(w.id["cem"]), "cem"},
		{"nobody's room", w.To("nobody"), ""},
		{"local", w.Local(), "ann ben cem"},
		{"volatile", w.Volatile().To("both"), "ann ben"},
		{"compress", w.Compress(true).To("both"), "ann ben"},
		{"the others", ann.Broadcast(), "ben cem"},
		{"the others of a room", ann.To("both"), "ben"},
		{"the others, In", ann.In("both"), "ben"},
		{"the others but", ann.Except("r2"), "cem"},
		{"the others here", ann.Local(), "ben cem"},
		{"the others, volatile", ann.Volatile().Broadcast(), "ben cem"},
		{"the others, compressed", ann.Compress(false).To("both"), "ben"},
		{"the others, in time", ann.Timeout(time.Second).In("both"), "ben"},
	} {
		if _, err := test.to.Emit(t.Context(), "e", 1); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		w.gets(test.name, `42["e",1]`, test.names)
	}
}

// An operator is a value: what is made of it does not change it.
func TestOperatorIsImmutable(t *testing.T) {
	w := gather(t)
	base := w.To("r1", "x")
	r2, nobody := base.To("r2"), base.Except("r1")
	_ = base.Volatile().Local().To("both")
	for _, test := range []struct {
		to    socketio.BroadcastOperator
		names string
	}{{base, "ann"}, {r2, "ann ben"}, {nobody, ""}, {base, "ann"}} {
		if _, err := test.to.Emit(t.Context(), "e"); err != nil {
			t.Error(err)
		}
		w.gets("operator", `42["e"]`, test.names)
	}
}

// An empty list of rooms means everybody in Node.js. Here it is an error.
func TestNoRooms(t *testing.T) {
	w := gather(t)
	var rooms []string
	to, ctx := w.To(rooms...), t.Context()
	_, emitErr := to.Emit(ctx, "e")
	_, ackErr := to.EmitWithAck(ctx, "e")
	_, fetchErr := to.FetchSockets(ctx)
	for name, err := range map[string]error{
		"Emit": emitErr, "EmitWithAck": ackErr, "FetchSockets": fetchErr,
		"SocketsJoin": to.SocketsJoin(ctx, "r"), "SocketsLeave": to.SocketsLeave(ctx, "r"),
		"DisconnectSockets": to.DisconnectSockets(ctx, true),
	} {
		if !errors.Is(err, socketio.ErrNoRooms) {
			t.Errorf("%s to no room: %v, want ErrNoRooms", name, err)
		}
	}
	if _, err := to.To("r1").Emit(ctx, "e"); err != nil {
		t.Errorf("once there is a room: %v", err)
	}
	w.gets("to a room in the end", `42["e"]`, "ann")
}

func TestEmitErrors(t *testing.T) {
	w := gather(t)
	if _, err := w.Emit(t.Context(), "disconnect"); !errors.Is(err, domain.ErrInvalidPayload) {
		t.Errorf("a reserved name: %v", err)
	}
	if err := w.socket("ann").Emit(t.Context(), "e", func() {}); err == nil {
		t.Error("no error for an argument that cannot be encoded")
	}
	if _, err := w.socket("ann").EmitWithAck(t.Context(), "connect"); !errors.Is(err, domain.ErrInvalidPayload) {
		t.Errorf("a reserved name, with ack: %v", err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.Emit(over, "e"); !errors.Is(err, domain.ErrNotPublished) {
		t.Errorf("a context that is over: %v", err)
	}
	if err := w.socket("ann").Emit(over, "e"); !errors.Is(err, context.Canceled) {
		t.Errorf("a direct emit with a context that is over: %v", err)
	}
	w.gets("nothing", "", "")
}

// Case 10 of docs/guarantees.md: what was sent to a room before a socket left it still arrives there.
func TestCase10_FarewellBeforeLeave(t *testing.T) {
	for name, leave := range map[string]func(context.Context, *socketio.Socket) error{
		"Leave":      func(ctx context.Context, s *socketio.Socket) error { return s.Leave(ctx, "r1") },
		"Disconnect": func(ctx context.Context, s *socketio.Socket) error { return s.Disconnect(ctx) },
		"Close":      func(ctx context.Context, s *socketio.Socket) error { return s.Close(ctx) },
	} {
		t.Run(name, func(t *testing.T) {
			w := gather(t)
			ann := w.socket("ann")
			w.node.hold()
			if _, err := w.To("r1").Emit(t.Context(), "bye"); err != nil {
				t.Fatal(err)
			}
			if err := ann.Emit(t.Context(), "direct"); err != nil {
				t.Fatal(err)
			}
			left := make(chan error, 1)
			go func() { left <- leave(t.Context(), ann) }()
			w.node.waitFor(t, 3) // the broadcast, the direct emit, the change
			if len(left) > 0 || !slices.Contains(ann.Rooms(), "r1") {
				t.Fatalf("the socket left before the broadcast came back (rooms %q)", ann.Rooms())
			}
			if _, err := w.To("r1").Emit(t.Context(), "too late"); err != nil {
				t.Fatal(err)
			}
			w.node.release()
			if err := receive(t, "the change", left); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			w.ann.want(`42["bye"]`, `42["direct"]`)
			if name != "Leave" {
				w.ann.want("41")
				return
			}
			w.gets("after it left", "", "")
		})
	}
}

// Case 10: a newcomer does not get what was sent to the room before.
func TestCase10_JoinBehindWhatWasSent(t *testing.T) {
	w := gather(t)
	cem := w.socket("cem")
	w.node.hold()
	if _, err := w.To("r1").Emit(t.Context(), "before"); err != nil {
		t.Fatal(err)
	}
	joined := make(chan error, 1)
	go func() { joined <- cem.Join(t.Context(), "r1") }()
	w.node.waitFor(t, 2)
	w.node.release()
	if err := receive(t, "Join", joined); err != nil {
		t.Fatal(err)
	}
	w.gets("before it joined", `42["before"]`, "ann")
	if _, err := w.To("r1").Emit(t.Context(), "after"); err != nil {
		t.Fatal(err)
	}
	w.gets("after it joined", `42["after"]`, "ann cem")
}

// When the context ends first the change is still made, at its place.
func TestJoinThatIsNotWaitedFor(t *testing.T) {
	w := gather(t)
	w.node.hold()
	if _, err := w.Emit(t.Context(), "before"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.socket("cem").Join(ctx, "late"); !errors.Is(err, context.Canceled) {
		t.Errorf("Join: %v, want context.Canceled", err)
	}
	w.node.release()
	if rooms := w.socket("cem").Rooms(); !slices.Contains(rooms, "late") {
		t.Errorf("rooms %q", rooms)
	}
}

func TestOperations(t *testing.T) {
	w := gather(t)
	ctx := t.Context()
	if err := w.In("both").SocketsJoin(ctx, "x", "y"); err != nil {
		t.Fatal(err)
	}
	if err := w.In("r2").SocketsLeave(ctx, "y", "r2"); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"ann": "r1 both x y", "ben": "both x", "cem": ""}
	sockets, err := w.FetchSockets(ctx)
	if err != nil || len(sockets) != 3 {
		t.Fatalf("%d sockets (%v)", len(sockets), err)
	}
	for _, s := range sockets {
		data, err := socketio.Data[map[string]string](s)
		name := data["name"]
		if err != nil || w.id[name] != string(s.ID()) {
			t.Errorf("data %v (%v) of socket %s", data, err, s.ID())
		}
		if got := strings.TrimSpace(strings.Join(s.Rooms()[1:], " ")); got != want[name] || s.Rooms()[0] != w.id[name] {
			t.Errorf("%s is in %q, want %q", name, s.Rooms(), want[name])
		}
		if s.Handshake().Address == "" {
			t.Errorf("%s has no handshake: %+v", name, s.Handshake())
		}
	}
	if err := w.In("x").Except("r1").DisconnectSockets(ctx, false); err != nil {
		t.Fatal(err)
	}
	w.ben.want("41")
	w.ben.send(`40{"name":"ben"}`) // its connection is still there
	w.ben.joined("/")
	if err := errors.Join(w.SocketsJoin(ctx, "all"), w.SocketsLeave(ctx, "both")); err != nil {
		t.Fatal(err)
	}
	if rooms := w.socket("ann").Rooms(); strings.Join(rooms[1:], " ") != "r1 x y all" {
		t.Errorf("ann is in %q", rooms)
	}
	if err := w.DisconnectSockets(ctx, true); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*client{w.ann, w.ben, w.cem} {
		c.want("41")
		c.wantClosed()
	}
}

func TestRemoteSocket(t *testing.T) {
	w := gather(t)
	ctx := t.Context()
	sockets, err := w.In("r1").FetchSockets(ctx)
	if err != nil || len(sockets) != 1 || string(sockets[0].ID()) != w.id["ann"] {
		t.Fatalf("sockets %v (%v)", sockets, err)
	}
	ann := sockets[0]
	if _, err := ann.Emit(ctx, "e"); err != nil {
		t.Error(err)
	}
	w.gets("a remote socket", `42["e"]`, "ann")
	go func() {
		w.ann.want(`420["question"]`)
		w.ann.send(`430["answer"]`)
	}()
	if answer, err := socketio.Decode[string](ann.EmitWithAck(ctx, "question")); err != nil || answer != "answer" {
		t.Errorf("answer %q, %v", answer, err)
	}
	if err := ann.Join(ctx, "new"); err != nil || !slices.Contains(w.socket("ann").Rooms(), "new") {
		t.Errorf("Join: %v, rooms %q", err, w.socket("ann").Rooms())
	}
	if err := ann.Leave(ctx, "new"); err != nil || slices.Contains(w.socket("ann").Rooms(), "new") {
		t.Errorf("Leave: %v, rooms %q", err, w.socket("ann").Rooms())
	}
	if err := ann.Disconnect(ctx, true); err != nil {
		t.Error(err)
	}
	w.ann.want("41")
	w.ann.wantClosed()
	if _, err := ann.EmitWithAck(ctx, "anybody"); !errors.Is(err, socketio.ErrNotConnected) {
		t.Errorf("a socket that is gone: %v, want ErrNotConnected", err)
	}
}

func TestData(t *testing.T) {
	type user struct{ Name string }
	w := gather(t)
	ann := w.socket("ann")
	if err := ann.SetData(user{"Ann"}); err != nil {
		t.Fatal(err)
	}
	if u, err := socketio.Data[user](ann); err != nil || u.Name != "Ann" {
		t.Errorf("as it was set: %v, %v", u, err)
	}
	if m, err := socketio.Data[map[string]string](ann); err != nil || m["Name"] != "Ann" {
		t.Errorf("as another type: %v, %v", m, err)
	}
	if _, err := socketio.Data[int](ann); err == nil {
		t.Error("no error for a type of another shape")
	}
	if err := ann.SetData(make(chan int)); err == nil {
		t.Error("no error for data that cannot be encoded")
	}
	if u, err := socketio.Data[user](ann); err != nil || u.Name != "Ann" {
		t.Errorf("after data that could not be set: %v, %v", u, err)
	}
	h := serve(t, socketio.Config{})
	_, id := h.join("/")
	s, _ := h.Socket(domain.SocketID(id))
	if _, err := socketio.Data[user](s); !errors.Is(err, socketio.ErrNoData) {
		t.Errorf("without data: %v, want ErrNoData", err)
	}
}

// A volatile packet is dropped where no poll waits for it; others are not.
func TestVolatile(t *testing.T) {
	h := serve(t, socketio.Config{})
	p := h.poll()
	ctx := t.Context()
	s := h.Sockets()[0]
	if _, err := h.Volatile().Emit(ctx, "dropped"); err != nil {
		t.Fatal(err)
	}
	if err := s.Volatile().Emit(ctx, "dropped too"); err != nil {
		t.Fatal(err)
	}
	if err := s.Emit(ctx, "kept"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Emit(ctx, "kept too"); err != nil {
		t.Fatal(err)
	}
	if got := p.get(); got != "42[\"kept\"]\x1e42[\"kept too\"]" {
		t.Errorf("got %q", got)
	}
	if n := h.node.reached(); n != 2 {
		t.Errorf("%d sockets reached by 2 broadcasts, want 2: a volatile one counts those that are meant", n)
	}
}
