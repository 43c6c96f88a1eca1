package socketio_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws/wsutil"

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

// TestCase12RoomsDuringTheCut has a client that is made to leave and join rooms while it is away: it gets each packet
// that was for it at that packet's place, and it is where it was put.
func TestCase12RoomsDuringTheCut(t *testing.T) {
	for _, back := range []int{0, 1} {
		t.Run([]string{"the same node", "another node"}[back], func(t *testing.T) {
			nodes := stations(t, 2, inmemory.Config{})
			a, b := nodes[0], nodes[1]
			v := &traveller{}
			v.arrive(t, a)
			v.ask("join", "red")
			v.ask("join", "blue")
			a.emit(t, a.To("red"), "seen")
			v.until("seen")
			a.emit(t, a.To("red"), "unseen")
			_ = v.conn.Close()
			receive(t, "the end of the connection", a.went)

			b.emit(t, b.To("red"), "red")
			b.emit(t, b.To("green"), "too early")
			if err := b.In("blue").SocketsLeave(t.Context(), "red"); err != nil {
				t.Fatal(err)
			}
			if err := b.In(v.sid).SocketsJoin(t.Context(), "green"); err != nil {
				t.Fatal(err)
			}
			b.emit(t, b.To("red"), "too late")
			b.emit(t, b.To("green", "blue"), "green")
			b.emit(t, b.Except("green"), "not for it")
			b.emit(t, b.To(v.sid), "direct")

			v.arrive(t, nodes[back])
			if !v.recovered {
				t.Fatalf("the client was not recovered: %v", outcome(t, v, nodes...))
			}
			a.emit(t, a.To("green"), "last")
			v.until("last")
			v.want(t, "unseen", "red", "green", "direct")
			if rooms := v.ask("rooms"); rooms != `[["blue","green"]]` {
				t.Errorf("the rooms are %s", rooms)
			}
		})
	}
}

// TestCase13NothingReceived has a client that has received nothing before it loses its connection, and one that says the
// offset of an older session.
func TestCase13NothingReceived(t *testing.T) {
	nodes := stations(t, 2, inmemory.Config{})
	a, b := nodes[0], nodes[1]
	a.emit(t, a.To("red"), "before")
	for name, offset := range map[string]string{"nothing": "", "an older offset": "1-1"} {
		t.Run(name, func(t *testing.T) {
			v := &traveller{offset: offset}
			v.arrive(t, a)
			v.ask("save")
			_ = v.conn.Close()
			b.emit(t, b.To(v.sid), "missed")
			v.arrive(t, b)
			if !v.recovered {
				t.Fatalf("the client was not recovered: %v", outcome(t, v, nodes...))
			}
			b.emit(t, b.To(v.sid), "last")
			v.until("last")
			v.want(t, "missed")
		})
	}
}

// TestCase14HalfOpen has a client come back while its old connection is still open.
func TestCase14HalfOpen(t *testing.T) {
	for _, back := range []int{0, 1} {
		t.Run([]string{"the same node", "another node"}[back], func(t *testing.T) {
			nodes := stations(t, 2, inmemory.Config{})
			v := &traveller{}
			v.arrive(t, nodes[0])
			v.ask("join", "red")
			old := v.client
			nodes[1].emit(t, nodes[1].To("red"), "missed")
			v.arrive(t, nodes[back])
			if !v.recovered {
				t.Fatalf("the client was not recovered: %v", outcome(t, v, nodes...))
			}
			nodes[1].emit(t, nodes[1].To("red"), "last")
			v.until("last")
			v.want(t, "missed")
			if reason := receive(t, "the end of the old socket", nodes[0].went); reason != socketio.ReasonSuperseded {
				t.Errorf("the old socket ended with %q, want %q", reason, socketio.ReasonSuperseded)
			}
			for { // what was on its way, and no farewell
				data, _, err := old.read()
				if err != nil {
					break
				}
				if text := string(data); strings.HasPrefix(text, "41") {
					t.Errorf("the old connection was sent %q", text)
				}
			}
			// The session is whole: it can be recovered once more.
			_ = v.conn.Close()
			nodes[0].emit(t, nodes[0].To("red"), "again")
			v.arrive(t, nodes[1-back])
			if !v.recovered {
				t.Fatal("the client was not recovered a second time")
			}
			nodes[0].emit(t, nodes[0].To("red"), "last")
			v.until("last")
			v.want(t, "again")
		})
	}
}

// TestCase14TwoNamespaces has a client that is in two namespaces come back while its old connection is still open: the
// first session that it gets ends that connection, and the other one is there all the same.
func TestCase14TwoNamespaces(t *testing.T) {
	for _, back := range []int{0, 1} {
		t.Run([]string{"the same node", "another node"}[back], func(t *testing.T) {
			nodes := stations(t, 2, inmemory.Config{})
			type place struct{ SID, PID string }
			connect := func(c *client, namespace, auth string) (p place) {
				c.send("40" + head(namespace) + auth)
				body, ok := strings.CutPrefix(c.text(), "40"+head(namespace))
				if !ok || json.Unmarshal([]byte(body), &p) != nil {
					t.Fatalf("not connected to %s: %s", namespace, body)
				}
				return p
			}
			for _, n := range nodes {
				n.Of("/admin").OnConnect(func(ctx context.Context, s *socketio.Socket) error {
					return s.SaveSession(ctx)
				})
				socketio.OnAck0(n.Of("/admin"), "ready", func(context.Context, *socketio.Socket) (bool, error) { return true, nil })
			}
			old := dial(t, nodes[0].http.URL)
			first, second := connect(old, "/", ""), connect(old, "/admin", "")
			old.send(`42/admin,0["ready"]`, `420["save"]`)
			for range 2 {
				old.text()
			}
			for namespace, p := range map[string]place{"/": first, "/admin": second} {
				if _, err := nodes[1].Of(namespace).To(p.SID).Emit(t.Context(), "missed"); err != nil {
					t.Fatal(err)
				}
			}
			c := dial(t, nodes[back].http.URL)
			for _, was := range []struct {
				namespace string
				place
			}{{"/", first}, {"/admin", second}} {
				if is := connect(c, was.namespace, `{"pid":"`+was.PID+`"}`); is != was.place {
					t.Fatalf("in %s the client was %+v and is %+v", was.namespace, was.place, is)
				}
				if got := c.text(); !strings.HasPrefix(got, "42"+head(was.namespace)+`["missed"`) {
					t.Errorf("in %s the client got %s", was.namespace, got)
				}
			}
			if reason := receive(t, "the end of the old socket", nodes[0].went); reason != socketio.ReasonSuperseded {
				t.Errorf("the old socket ended with %q, want %q", reason, socketio.ReasonSuperseded)
			}
		})
	}
}

// TestCase14TwiceAtOnce has a client connect on many connections at the same time, for one session. At the end one of
// them has it, whole; the others are new, or were ended.
func TestCase14TwiceAtOnce(t *testing.T) {
	nodes := stations(t, 2, inmemory.Config{})
	v := &traveller{}
	v.arrive(t, nodes[0])
	v.ask("join", "red")
	_ = v.conn.Close()
	nodes[0].emit(t, nodes[0].To("red"), "missed")
	const copies = 8
	var missed [copies]int
	ended, entered := make(chan int, copies), make(chan int, copies)
	for i := range copies {
		c := &traveller{client: dial(t, nodes[i%2].http.URL), pid: v.pid, offset: v.offset}
		go func() {
			defer func() { ended <- i }()
			c.send("40" + c.auth())
			for {
				data, _, err := c.read()
				if err != nil {
					return // superseded, or the end of the test
				}
				switch text := string(data); {
				case strings.HasPrefix(text, "40") && strings.Contains(text, v.pid):
					// Is answered when it is in; if it was superseded meanwhile it cannot be sent.
					_ = wsutil.WriteClientText(c.conn, []byte(`420["rooms"]`))
				case strings.HasPrefix(text, "40"):
					_ = c.conn.Close() // it came when the session was taken and not yet stored, and is new
				case strings.HasPrefix(text, `42["missed"`):
					missed[i]++
				case strings.HasPrefix(text, "430"):
					entered <- i
				}
			}
		}()
	}
	last := copies * (copies - 1) / 2 // the sum of all, less those that end
	for range copies - 1 {
		last -= receive(t, "the end of a connection", ended)
	}
	for in := -1; in != last; {
		in = receive(t, "the entry of the last one", entered)
	}
	sockets, err := nodes[0].In("red").FetchSockets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(sockets) != 1 || string(sockets[0].ID()) != v.sid {
		t.Errorf("%d sockets are in the room, want the one that was recovered", len(sockets))
	}
	if err := sockets[0].Disconnect(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	receive(t, "the end of the last connection", ended)
	if missed[last] != 1 {
		t.Errorf("the last connection got what was missed %d times, want once", missed[last])
	}
	if most := slices.Max(missed[:]); most != 1 {
		t.Errorf("a connection got what was missed %d times, want once", most)
	}
}

// TestCase15DisconnectedWhileAway shows that who was ordered to disconnect, wherever and whenever, does not come back.
func TestCase15DisconnectedWhileAway(t *testing.T) {
	for name, order := range map[string]func(ctx context.Context, a, b *station, v *traveller) error{
		"ordered before, on its own node": func(ctx context.Context, a, _ *station, v *traveller) error {
			s, ok := a.Socket(domain.SocketID(v.sid))
			if !ok {
				return errors.New("there is no such socket")
			}
			return s.Disconnect(ctx)
		},
		"ordered while away, by another node": func(ctx context.Context, a, b *station, v *traveller) error {
			_ = v.conn.Close()
			<-a.went
			return b.In(v.sid).DisconnectSockets(ctx, true)
		},
		"left by itself": func(_ context.Context, a, _ *station, v *traveller) error {
			v.send("41")
			<-a.went
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			nodes := stations(t, 2, inmemory.Config{})
			v := &traveller{}
			v.arrive(t, nodes[0])
			v.ask("join", "red")
			if err := order(t.Context(), nodes[0], nodes[1], v); err != nil {
				t.Fatal(err)
			}
			_ = v.conn.Close()
			receive(t, "the first connection", nodes[0].came)
			for _, at := range []*station{nodes[1], nodes[0]} {
				again := &traveller{pid: v.pid, offset: v.offset}
				again.arrive(t, at)
				if again.recovered {
					t.Error("the client has its session again")
				}
				if outcome := receive(t, "the next connection", at.came).Outcome; outcome == domain.Recovered || outcome == 0 {
					t.Errorf("the outcome is %q", outcome)
				}
			}
		})
	}
}

// TestCase15DisconnectOfASocketThatMoved puts a client out by a socket that it had before it came back.
func TestCase15DisconnectOfASocketThatMoved(t *testing.T) {
	for _, back := range []int{0, 1} {
		t.Run([]string{"to the same node", "to another node"}[back], func(t *testing.T) {
			nodes := stations(t, 2, inmemory.Config{})
			v := &traveller{}
			v.arrive(t, nodes[0])
			v.ask("save")
			s, ok := nodes[0].Socket(domain.SocketID(v.sid))
			if !ok {
				t.Fatal("there is no such socket")
			}
			v.arrive(t, nodes[back])
			if !v.recovered {
				t.Fatalf("the client was not recovered: %v", outcome(t, v, nodes[back]))
			}
			v.ask("rooms")
			receive(t, "the end of the old socket", nodes[0].went)
			if err := s.Disconnect(t.Context()); err != nil {
				t.Fatal(err)
			}
			v.client.want("41")
		})
	}
}

// TestKilledNode has the clients of a node that is gone without a word recover on another one, as of the last save.
func TestKilledNode(t *testing.T) {
	nodes := stations(t, 2, inmemory.Config{})
	a, b := nodes[0], nodes[1]
	v := &traveller{}
	v.arrive(t, a)
	v.ask("join", "red") // returns when it is saved
	b.emit(t, b.To("red"), "seen")
	v.until("seen")
	a.kill()
	_ = v.conn.Close()
	b.emit(t, b.To("red"), "missed")
	v.arrive(t, b)
	if !v.recovered {
		t.Fatalf("the client was not recovered: %v", outcome(t, v, nodes...))
	}
	b.emit(t, b.To("red"), "last")
	v.until("last")
	v.want(t, "missed")
}

// TestCutInTheConnectHandler has a client that is cut while its connect handler looks something up: it gets a new session,
// for which the handler does what it could not do for the first.
func TestCutInTheConnectHandler(t *testing.T) {
	nodes := stations(t, 2, inmemory.Config{})
	lookingUp, found, left := make(chan struct{}, 2), make(chan struct{}), make(chan struct{}, 2)
	for _, n := range nodes {
		n.Use(func(ctx context.Context, s *socketio.Socket) error { return s.Join(ctx, "all") })
		n.OnConnect(func(ctx context.Context, s *socketio.Socket) error {
			if s.Recovered() {
				return nil
			}
			lookingUp <- struct{}{}
			<-found
			return s.Join(ctx, "lobby")
		})
		n.OnLeave(func(context.Context, *socketio.Socket, string) { left <- struct{}{} })
	}
	goOn := sync.OnceFunc(func() { close(found) })
	defer goOn()
	v := &traveller{}
	v.arrive(t, nodes[0])
	receive(t, "the look-up", lookingUp)
	_ = v.conn.Close()
	receive(t, "the loss", left)
	goOn()
	receive(t, "the end", nodes[0].went) // its session is deleted
	v.arrive(t, nodes[1])
	if v.recovered {
		t.Error("the client was recovered")
	}
	if rooms := v.ask("rooms"); rooms != `[["all","lobby"]]` {
		t.Errorf("the rooms are %s", rooms)
	}
}

// TestW10WhatIsNotReplayed shows that packets without a place are not replayed, and do not spoil the offset either when
// they end in a text.
func TestW10WhatIsNotReplayed(t *testing.T) {
	nodes := stations(t, 2, inmemory.Config{})
	a, b := nodes[0], nodes[1]
	v := &traveller{}
	v.arrive(t, a)
	v.ask("save")
	a.emit(t, a.To(v.sid), "logged", 1)
	a.emit(t, a.To(v.sid).Volatile(), "hello")
	a.emit(t, a.To(v.sid).Local(), "local", "hello")
	v.until("local hello")
	slices.Sort(v.heard) // a volatile packet waits for nothing
	v.want(t, "hello", "logged 1")
	_ = v.conn.Close()
	receive(t, "the end of the connection", a.went)

	b.emit(t, b.To(v.sid).Volatile(), "volatile")
	if answers, err := b.To(v.sid).EmitWithAck(t.Context(), "acked"); err != nil || len(answers) > 0 {
		t.Errorf("%d answers (%v), want none of who is away", len(answers), err)
	}
	b.emit(t, b.To(v.sid), "missed")
	v.arrive(t, b)
	if !v.recovered {
		t.Fatalf("the client was not recovered: %v", outcome(t, v, nodes...))
	}
	b.emit(t, b.To(v.sid), "last")
	v.until("last")
	v.want(t, "missed")
}

// TestW6ExactlyOnceUnderLoad has clients go to and fro between the node that emits and the other one while it does:
// each gets every packet once and in order.
func TestW6ExactlyOnceUnderLoad(t *testing.T) {
	const clients, rounds, each = 10, 6, 40
	nodes := stations(t, 2, inmemory.Config{MaxLength: -1})
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	travellers := make([]*traveller, clients)
	for i := range travellers {
		travellers[i] = &traveller{}
		travellers[i].arrive(t, nodes[i%2])
		travellers[i].ask("join", "red")
	}
	stop := make(chan struct{})
	var emitting sync.WaitGroup
	sent := 0
	emitting.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := nodes[0].To("red").Emit(t.Context(), "n", sent); err != nil {
				t.Errorf("emit %d: %v", sent, err)
				return
			}
			sent++
		}
	})
	var travelling sync.WaitGroup
	for i, v := range travellers {
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		travelling.Go(func() {
			for round := range rounds {
				for range random.IntN(each) {
					v.heard = append(v.heard, v.hear())
				}
				_ = v.conn.Close()
				v.arrive(t, nodes[random.IntN(2)])
				if !v.recovered {
					t.Errorf("client %d was not recovered in round %d", i, round)
					return
				}
			}
		})
	}
	travelling.Wait()
	close(stop)
	emitting.Wait()
	nodes[0].emit(t, nodes[0].To("red"), "last")
	for i, v := range travellers {
		v.until("last")
		first := 0
		for k, heard := range v.heard {
			if k == 0 {
				if _, err := fmt.Sscanf(heard, "n %d", &first); err != nil {
					t.Fatalf("client %d heard %q", i, heard)
				}
			}
			if want := fmt.Sprint("n ", first+k); heard != want {
				t.Fatalf("client %d heard %q as number %d, want %q", i, heard, k, want)
			}
		}
		if first+len(v.heard) != sent {
			t.Errorf("client %d heard %d after %d, want all up to %d", i, len(v.heard), first, sent)
		}
	}
	t.Logf("%d packets to each of %d clients, %d recoveries", sent, clients, clients*rounds)
}

// TestCase17Gap has a client whose packets are no longer in the log: it gets a new session, and is told why.
func TestCase17Gap(t *testing.T) {
	nodes := stations(t, 2, inmemory.Config{MaxLength: 50})
	a, b := nodes[0], nodes[1]
	v := &traveller{}
	v.arrive(t, a)
	v.ask("join", "red")
	_ = v.conn.Close()
	receive(t, "the end of the connection", a.went)
	receive(t, "the first connection", a.came)
	for i := range 200 {
		b.emit(t, b.To("red"), "n", i)
	}
	late := startStation(t, a.cluster) // the others have seen all of it
	v.arrive(t, late)
	if v.recovered {
		t.Error("the client has its session again")
	}
	if r := receive(t, "the connection", late.came); r.Outcome != domain.RecoveryGap || r.Reason == "" {
		t.Errorf("the outcome is %q (%s), want %q with a reason", r.Outcome, r.Reason, domain.RecoveryGap)
	}
}
