package socketio_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/domain"
)

// Every form of an operator means the same sockets for every operation, on two nodes: ann and cem are on the first, ben
// and dan on the second; ann and ben are in room r.
func TestOperatorsAcrossNodes(t *testing.T) {
	nodes := startCluster(t, 2, socketio.Config{})
	ids, names := map[string]string{}, map[string]string{}
	for i, name := range []string{"ann", "ben", "cem", "dan"} {
		id := dial(t, nodes[i%2].url).join("/")
		ids[name], names[id] = id, name
		if i < 2 {
			s, _ := nodes[i%2].Socket(domain.SocketID(id))
			if err := s.Join(t.Context(), "r"); err != nil {
				t.Fatal(err)
			}
		}
	}
	ann, _ := nodes[0].Socket(domain.SocketID(ids["ann"]))
	one, two := nodes[0], nodes[1]
	for _, test := range []struct {
		name string
		by   *member // whose operator it is
		op   socketio.BroadcastOperator
		want string
	}{
		{"In", one, one.In("r"), "ann ben"},
		{"To a socket of the other node", one, one.To(ids["dan"]), "dan"},
		{"In two rooms", two, two.In("r", ids["cem"]), "ann ben cem"},
		{"In, Except", one, one.In("r").Except(ids["ben"]), "ann"},
		{"Except", two, two.Except("r"), "cem dan"},
		{"Local", two, two.Local(), "ben dan"},
		{"Local, In", one, one.Local().In("r"), "ann"},
		{"Local, Except", two, two.Local().Except("r"), "dan"},
		{"Timeout", one, one.Timeout(time.Minute).In("r"), "ann ben"},
		{"Volatile and Compress say nothing here", one, one.Volatile().Compress(false).In("r"), "ann ben"},
		{"Broadcast of a socket", one, ann.Broadcast(), "ben cem dan"},
		{"To of a socket", one, ann.To("r"), "ben"},
		{"Except of a socket", one, ann.Except("r"), "cem dan"},
		{"Local of a socket", one, ann.Local(), "cem"},
		{"nobody", one, one.In("nobody"), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx := t.Context()
			x, y := "x of "+test.name, "y of "+test.name
			if got := called(t, names, test.op); got != test.want {
				t.Errorf("FetchSockets: %s, want %s", got, test.want)
			}
			// The node that has given an order finds it carried out.
			if err := test.op.SocketsJoin(ctx, x, y); err != nil {
				t.Fatal(err)
			}
			if got := called(t, names, test.by.In(x)); got != test.want {
				t.Errorf("SocketsJoin: %s, want %s", got, test.want)
			}
			if err := test.op.SocketsLeave(ctx, x); err != nil {
				t.Fatal(err)
			}
			if left, stayed := called(t, names, test.by.In(x)), called(t, names, test.by.In(y)); left != "" || stayed != test.want {
				t.Errorf("SocketsLeave: x has %s, y has %s, want nobody and %s", left, stayed, test.want)
			}
		})
	}
	if err := one.In("r").Except(ids["ann"]).DisconnectSockets(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if err := two.Local().DisconnectSockets(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	left := map[string]int{}
	for range 2 {
		_, reason, _ := strings.Cut(receive(t, "a disconnect", two.left), " ")
		left[reason]++
	}
	if left["server namespace disconnect"] != 2 {
		t.Errorf("they left with %v", left)
	}
	if got := called(t, names, one.In("nobody").In(ids["ann"], ids["ben"], ids["cem"], ids["dan"])); got != "ann cem" {
		t.Errorf("there are %s, want ann and cem", got)
	}
}

// called are the names of the sockets that are meant.
func called(t *testing.T, names map[string]string, op socketio.BroadcastOperator) string {
	t.Helper()
	sockets, err := op.FetchSockets(t.Context())
	if err != nil {
		t.Errorf("FetchSockets: %v", err)
	}
	var found []string
	for _, s := range sockets {
		found = append(found, names[string(s.ID())])
	}
	slices.Sort(found)
	return strings.Join(found, " ")
}
