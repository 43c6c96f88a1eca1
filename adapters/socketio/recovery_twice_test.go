package socketio_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws/wsutil"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/adapters/socketio"
)

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
