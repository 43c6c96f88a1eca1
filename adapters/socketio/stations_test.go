package socketio_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/domain"
)

// These tests have real nodes, in one process, and clients that speak the bare protocol, so that they can do what the
// official client cannot: be half gone, or twice there.

// station is a node with a server.
type station struct {
	*socketio.Server
	node    *app.Node
	t       *testing.T
	cluster *inmemory.Cluster
	member  *inmemory.Member
	http    *httptest.Server
	// came are the outcomes of the sockets that connected.
	came chan domain.Recovery
	// went are the reasons of those that went.
	went chan socketio.Reason
}

// stations starts a cluster with recovery on.
func stations(t *testing.T, count int, config inmemory.Config) []*station {
	t.Helper()
	cluster := inmemory.New(config)
	t.Cleanup(func() {
		if err := cluster.Close(); err != nil {
			t.Errorf("close the cluster: %v", err)
		}
	})
	all := make([]*station, count)
	for i := range all {
		all[i] = startStation(t, cluster)
	}
	return all
}

func startStation(t *testing.T, cluster *inmemory.Cluster) *station {
	t.Helper()
	s := &station{
		t: t, cluster: cluster, member: cluster.Member(),
		came: make(chan domain.Recovery, 10_000), went: make(chan socketio.Reason, 10_000),
	}
	var err error
	s.node, err = app.NewNode(s.member.Log(), s.member.Channel(), s.member.Sessions(), app.Config{
		Recovery: app.Recovery{Window: time.Minute, ReplayBytes: 64 << 20}, // a loaded machine is slow
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Server, err = socketio.NewServer(s.node, socketio.Config{})
	if err != nil {
		t.Fatal(err)
	}
	s.OnConnect(func(_ context.Context, socket *socketio.Socket) error {
		s.came <- socket.Recovery()
		return nil
	})
	s.OnDisconnect(func(_ context.Context, _ *socketio.Socket, reason socketio.Reason) { s.went <- reason })
	socketio.OnAck(s, "join", func(ctx context.Context, socket *socketio.Socket, room string) (bool, error) {
		return true, errors.Join(socket.Join(ctx, room), socket.SaveSession(ctx))
	})
	socketio.OnAck0(s, "save", func(ctx context.Context, socket *socketio.Socket) (bool, error) {
		return true, socket.SaveSession(ctx)
	})
	socketio.OnAck0(s, "rooms", func(_ context.Context, socket *socketio.Socket) ([]string, error) {
		rooms := slices.DeleteFunc(socket.Rooms(), func(room string) bool { return room == string(socket.ID()) })
		slices.Sort(rooms)
		return rooms, nil
	})
	if err := s.node.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.http = httptest.NewServer(s)
	t.Cleanup(func() {
		s.http.CloseClientConnections()
		err := errors.Join(s.Close(), s.node.Close(), s.member.Close())
		s.http.Close()
		if err != nil {
			t.Errorf("close a station: %v", err)
		}
	})
	return s
}

// kill takes a station from the cluster as the death of its process does: nothing of it reaches the log or the store any
// more.
func (s *station) kill() {
	s.member.Faults().Cut()
	s.t.Cleanup(s.member.Faults().Mend) // before it is closed
}

func (s *station) emit(t *testing.T, to socketio.BroadcastOperator, event string, args ...any) {
	t.Helper()
	if _, err := to.Emit(t.Context(), event, args...); err != nil {
		t.Fatal(err)
	}
}

// traveller is a client that remembers what the official one does.
type traveller struct {
	*client
	sid, pid, offset string
	recovered        bool
	// heard are the events with their arguments, without the offset.
	heard []string
}

// arrive connects a traveller, with what it remembers.
func (v *traveller) arrive(t *testing.T, at *station) {
	t.Helper()
	v.client = dial(t, at.http.URL)
	v.send("40" + v.auth())
	v.connected()
}

// auth is what it says to have its session again.
func (v *traveller) auth() string {
	said := map[string]string{}
	if v.pid != "" {
		said["pid"] = v.pid
	}
	if v.offset != "" {
		said["offset"] = v.offset
	}
	text, _ := json.Marshal(said) // texts can always be marshalled
	return string(text)
}

// connected reads the answer to CONNECT.
func (v *traveller) connected() {
	v.t.Helper()
	var answer struct{ SID, PID string }
	text := v.text()
	if body, ok := strings.CutPrefix(text, "40"); !ok || json.Unmarshal([]byte(body), &answer) != nil || answer.PID == "" {
		v.t.Fatalf("expected to be connected with a private id, got %q", text)
	}
	v.recovered = answer.PID == v.pid
	v.sid, v.pid = answer.SID, answer.PID
}

// hear reads a packet as the official client does, and remembers the offset.
func (v *traveller) hear() string {
	v.t.Helper()
	text := v.text()
	body, ok := strings.CutPrefix(text, "42")
	var event []json.RawMessage
	if !ok || json.Unmarshal([]byte(body), &event) != nil {
		return text
	}
	var offset string
	if json.Unmarshal(event[len(event)-1], &offset) == nil {
		v.offset = offset
		event = event[:len(event)-1]
	}
	var words []string
	for _, part := range event {
		words = append(words, strings.Trim(string(part), `"`))
	}
	return strings.Join(words, " ")
}

// until hears events up to one, which is not remembered.
func (v *traveller) until(last string) {
	v.t.Helper()
	for {
		heard := v.hear()
		if heard == last {
			return
		}
		v.heard = append(v.heard, heard)
	}
}

// ask sends an event and returns its ack.
func (v *traveller) ask(event ...string) string {
	v.t.Helper()
	text, _ := json.Marshal(event) // texts can always be marshalled
	v.send("420" + string(text))
	for {
		heard := v.hear()
		if answer, ok := strings.CutPrefix(heard, "430"); ok {
			return answer
		}
		v.heard = append(v.heard, heard)
	}
}

func (v *traveller) want(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(v.heard, want) {
		t.Errorf("the client heard %q, want %q", v.heard, want)
	}
	v.heard = nil
}

// outcome is what the server says of a client's recovery.
func outcome(t *testing.T, v *traveller, nodes ...*station) domain.Recovery {
	t.Helper()
	v.ask("rooms") // is answered after the connect handlers
	for _, n := range nodes {
		if s, ok := n.Socket(domain.SocketID(v.sid)); ok {
			return s.Recovery()
		}
	}
	return domain.Recovery{Reason: "there is no such socket"}
}
