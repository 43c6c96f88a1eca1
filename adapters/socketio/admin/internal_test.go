package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/roombus/roombus/adapters/socketio/engineio"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/payload"
)

// clock is a time that a test moves.
type clock struct{ now time.Time }

func newClock() *clock { return &clock{time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC)} }

func (c *clock) time() time.Time { return c.now }

func TestAttempts(t *testing.T) {
	c, a := newClock(), newAttempts()
	a.now = c.time
	for i := range maxFailures {
		if !a.take("1.2.3.4") {
			t.Errorf("attempt %d was too many", i+1)
		}
	}
	if a.take("1.2.3.4") {
		t.Error("one more was allowed")
	}
	if !a.take("5.6.7.8") {
		t.Error("another address pays for it")
	}
	for i := range 2 * maxFailures {
		if fails := !a.take(fmt.Sprintf("2001:db8::%x", i+1)); fails != (i >= maxFailures) {
			t.Errorf("attempt %d from other addresses of one network: refused %t", i+1, fails)
		}
	}
	if !a.take("2001:db8:0:1::1") || !a.take("::ffff:1.2.3.5") || !a.take("fe80::1%eth0") {
		t.Error("another network pays for it")
	}
	a.back("1.2.3.4")
	if !a.take("1.2.3.4") || a.take("1.2.3.4") {
		t.Error("a login that was right was not given back once")
	}
	c.now = c.now.Add(recovery)
	if !a.take("1.2.3.4") || a.take("1.2.3.4") {
		t.Error("after a while there was not one more")
	}
}

func TestAttemptsAreBounded(t *testing.T) {
	c, a := newClock(), newAttempts()
	a.now = c.time
	for i := range 2 * maxAddresses {
		a.take(string(rune('a'+i%26)) + strings.Repeat("x", i/26))
	}
	if len(a.by) > maxAddresses+1 {
		t.Errorf("%d addresses are kept", len(a.by))
	}
	if a.take("yet another") {
		t.Error("when too many addresses fail, all others share what is left, and that is nothing")
	}
	c.now = c.now.Add(recovery)
	if !a.take("yet another") || len(a.by) > 2 {
		t.Errorf("later %d addresses are kept", len(a.by))
	}
}

func TestMemory(t *testing.T) {
	c, m := newClock(), newMemory()
	m.now = c.time
	known := func(id string) bool {
		t.Helper()
		known, err := m.Known(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return known
	}
	save := func(id string) {
		t.Helper()
		if err := m.Save(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	save("first")
	if !known("first") || known("second") {
		t.Error("what was saved is not what is known")
	}
	c.now = c.now.Add(SessionDuration)
	if known("first") {
		t.Error("it is known for ever")
	}
	for range 3 * maxRemembered {
		save(newSessionID())
	}
	if len(m.ends) != maxRemembered || len(m.order) != maxRemembered {
		t.Errorf("%d and %d are kept", len(m.ends), len(m.order))
	}
}

// broken is a session store that cannot be reached.
type broken struct{}

var errStore = errors.New("the store is away")

func (broken) Save(context.Context, string) error          { return errStore }
func (broken) Known(context.Context, string) (bool, error) { return false, errStore }

func TestStoreThatIsAway(t *testing.T) {
	hash, err := HashPassword("secret")
	if err != nil {
		t.Fatal(err)
	}
	told := 0
	config, err := Config{Auth: Auth{"root", hash}, Sessions: broken{}, OnError: func(err error) {
		if !errors.Is(err, errStore) {
			t.Error(err)
		}
		told++
	}}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	a := &Admin{config: config, attempts: newAttempts(), inLine: make(chan struct{}, 1), hashing: make(chan struct{}, 1)}
	session := newSessionID()
	for range 2 * maxFailures { // it is not the UI that is wrong
		if refusal, _ := a.login(t.Context(), "1.2.3.4", credentials{session: session}); refusal != noStore {
			t.Errorf("refused with %q", refusal)
		}
	}
	if refusal, began := a.login(t.Context(), "1.2.3.4", credentials{"root", "secret", session}); refusal != "" || !isSessionID(began) {
		t.Errorf("the password does not do: %q", refusal)
	}
	if told != 2*maxFailures+1 {
		t.Errorf("told %d times", told)
	}
}

// TestASessionIsNotHeldUp: strangers behind the same proxy can be wrong as often as they like.
func TestASessionIsNotHeldUp(t *testing.T) {
	config, err := Config{Auth: Auth{"root", "$2a$04$" + strings.Repeat("a", 53)}}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	a := &Admin{config: config, attempts: newAttempts(), inLine: make(chan struct{}, 1), hashing: make(chan struct{}, 1)}
	session := newSessionID()
	if err := config.Sessions.Save(t.Context(), session); err != nil {
		t.Fatal(err)
	}
	for range 2 * maxFailures {
		_, _ = a.login(t.Context(), "1.2.3.4", credentials{session: newSessionID()})
	}
	if refusal, _ := a.login(t.Context(), "1.2.3.4", credentials{session: session}); refusal != "" {
		t.Errorf("who has a session is refused: %q", refusal)
	}
	if refusal, _ := a.login(t.Context(), "1.2.3.4", credentials{session: newSessionID()}); refusal != tooManyAttempts {
		t.Errorf("who has none is refused with %q", refusal)
	}
}

// TestPasswordsWaitInLine: when too many are compared already nobody is told that his is wrong.
func TestPasswordsWaitInLine(t *testing.T) {
	config, err := Config{Auth: Auth{"root", "$2a$04$" + strings.Repeat("a", 53)}}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	a := &Admin{config: config, attempts: newAttempts(), inLine: make(chan struct{}, 1), hashing: make(chan struct{}, 1)}
	a.inLine <- struct{}{}
	for range 2 * maxFailures {
		if refusal, _ := a.login(t.Context(), "1.2.3.4", credentials{"root", "secret", ""}); refusal != tooManyAttempts {
			t.Errorf("refused with %q", refusal)
		}
	}
	<-a.inLine
	a.hashing <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // the UI has gone while it waited
	if right, busy := a.matches(ctx, credentials{"root", "secret", ""}); right || !busy {
		t.Errorf("right %t, busy %t", right, busy)
	}
}

// TestFeedIsBounded: events are dropped first, changes of sockets later, and both are counted.
func TestFeedIsBounded(t *testing.T) {
	f := newFeed(&Admin{ctx: t.Context()})
	f.add(note{}, maxEvents, &f.droppedEvents) // nobody watches
	if len(f.queue) != 0 {
		t.Error("something is queued while nothing is watched")
	}
	f.stop = func() {}
	for range maxEvents + 5 {
		f.add(note{}, maxEvents, &f.droppedEvents)
	}
	for range maxChanges {
		f.change(note{})
	}
	if events, changes := f.dropped(); events != 5 || changes != maxEvents || len(f.queue) != maxChanges {
		t.Errorf("%d events and %d changes dropped, %d queued", events, changes, len(f.queue))
	}
	f.rest()
	f.stop = func() {}
	large := value(t, strings.Repeat("x", maxBytes/4))
	for range 5 {
		f.add(note{value: large}, maxEvents, &f.droppedEvents)
	}
	if events, _ := f.dropped(); events != 7 || len(f.queue) != 3 || f.bytes > maxBytes {
		t.Errorf("%d events dropped, %d queued with %d bytes", events, len(f.queue), f.bytes)
	}
	for range 3 {
		if _, ok := f.next(); !ok {
			t.Error("a note is missing")
		}
	}
	if _, ok := f.next(); ok || f.bytes != 0 {
		t.Errorf("%d bytes are left", f.bytes)
	}
}

func TestPresence(t *testing.T) {
	c := newClock()
	var p presence
	p.init(Config{StatsInterval: 2 * time.Second})
	if p.still(c.now) {
		t.Error("somebody is there from the beginning")
	}
	p.heard(c.now)
	if len(p.woken) != 1 || !p.still(c.now.Add(9*time.Second)) || p.still(c.now.Add(10*time.Second)) {
		t.Error("another node's word does not count for 10 s")
	}
	p.enter()
	if !p.still(c.now.Add(time.Hour)) {
		t.Error("its own UI does not count")
	}
	p.leave()
	if p.still(c.now.Add(time.Hour)) {
		t.Error("it counts when it is gone")
	}
}

func TestWhoSaysThatThereIsUI(t *testing.T) {
	for text, want := range map[string]struct {
		says bool
		from string
	}{
		`["server_stats",{"serverId":"n1","namespaces":[{"name":"/","socketsCount":5},{"name":"/admin","socketsCount":1}]}]`: {true, "n1"},
		`["server_stats",{"serverId":"n1","namespaces":[{"name":"/","socketsCount":5},{"name":"/admin","socketsCount":0}]}]`: {false, "n1"},
		`["server_stats",{"serverId":"n1"}]`:                   {false, "n1"},
		`["server_stats",7]`:                                   {},
		`["server_stats"]`:                                     {},
		`["socket_connected",{"id":"x","nsp":"/admin"},"now"]`: {true, ""},
		`["socket_connected",{"id":"x","nsp":"/"},"now"]`:      {},
		`["room_joined","/admin","x","x"]`:                     {},
		`[1]`:                                                  {},
	} {
		p, err := domain.NewPacket([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if says, from := saysThatThereIsUI(p, "/admin"); says != want.says || from != want.from {
			t.Errorf("%s: %t from %q, want %t from %q", text, says, from, want.says, want.from)
		}
	}
}

func TestAggregated(t *testing.T) {
	then := totals{opened: 3, closed: map[engineio.Reason]uint64{engineio.ReasonPingTimeout: 1}}
	now := totals{
		opened: 5, closed: map[engineio.Reason]uint64{engineio.ReasonPingTimeout: 1, engineio.ReasonTransportClose: 2},
		traffic: engineio.Traffic{PacketsIn: 1, BytesIn: 20, PacketsOut: 3, BytesOut: 40},
	}
	got, err := json.Marshal(now.sinceThen(then, newClock().now))
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"timestamp":1767323045000,"type":"rawConnection","count":2},` +
		`{"timestamp":1767323045000,"type":"rawDisconnection","subType":"transport close","count":2},` +
		`{"timestamp":1767323045000,"type":"packetsIn","count":1},{"timestamp":1767323045000,"type":"packetsOut","count":3},` +
		`{"timestamp":1767323045000,"type":"bytesIn","count":20},{"timestamp":1767323045000,"type":"bytesOut","count":40}]`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// value makes a value of a Go value.
func value(t testing.TB, v any) domain.Value {
	t.Helper()
	made, err := payload.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestShownData(t *testing.T) {
	for _, c := range []struct {
		data any
		want string
	}{
		{domain.Value{}, `{}`},
		{nil, `{}`},
		{map[string]int{"a": 1}, `{"a":1}`},
		{"text", `{"value":"text"}`},
		{[]int{1}, `{"value":[1]}`},
		{[]byte{1, 2}, `{"value":"(2 bytes)"}`},
		{map[string]any{"a": [][]byte{{1}}}, `{"a":["(1 bytes)"]}`},
		{strings.Repeat("x", 200), `{"(not shown)":"202 bytes"}`},
	} {
		got := shownData(value(t, c.data), 100)
		if string(got.JSON()) != c.want || len(got.Attachments()) != 0 {
			t.Errorf("%v is shown as %s, want %s", c.data, got.JSON(), c.want)
		}
	}
}

func TestAnnotation(t *testing.T) {
	note := annotation{"abcdef", "polling"}
	for _, data := range []domain.Value{{}, value(t, map[string]any{"name": "Ann", "picture": []byte{1}})} {
		annotated := annotate(data, note)
		if annotationOf(annotated) != note {
			t.Errorf("noted %+v in %s", annotationOf(annotated), annotated.JSON())
		}
		if back := strip(annotated); !bytes.Equal(back.JSON(), data.JSON()) || len(back.Attachments()) != len(data.Attachments()) {
			t.Errorf("%s became %s", data.JSON(), back.JSON())
		}
	}
	for _, data := range []any{"text", 7, []byte{1}, []string{"_admin"}} { // nothing can be noted in these
		v := value(t, data)
		if got := annotate(v, note); !bytes.Equal(got.JSON(), v.JSON()) || annotationOf(got) != (annotation{}) {
			t.Errorf("%s became %s", v.JSON(), got.JSON())
		}
	}
}

func TestHandshakeIsBounded(t *testing.T) {
	headers := map[string][]string{"cookie": {"session=1"}, "authorization": {"Bearer x"}, "x-forwarded-for": {"9.9.9.9"}, "long": {strings.Repeat("é", 1_000)}}
	v := viewOfHandshake(domain.Handshake{Address: "127.0.0.1", Headers: headers, Query: map[string][]string{"a": {"1", "2"}, "b": {}}})
	if v.Address != "9.9.9.9" || v.Headers["cookie"] != "(not shown)" || v.Headers["authorization"] != "(not shown)" ||
		len(v.Headers["long"]) > maxHeader || !slices.Equal([]string{v.Query["a"]}, []string{"1"}) || len(v.Query) != 1 {
		t.Errorf("shown as %+v", v)
	}
	many := map[string][]string{}
	for i := range 1_000 {
		many[strings.Repeat("h", i+1)] = []string{"x"}
	}
	if v := viewOfHandshake(domain.Handshake{Headers: many, Query: many}); len(v.Headers) != maxHeaders || len(v.Query) != maxHeaders {
		t.Errorf("%d headers and %d values of the query are shown", len(v.Headers), len(v.Query))
	}
}

// FuzzCommand: whatever a UI sends is a command with names that can be used, or an error.
func FuzzCommand(f *testing.F) {
	for _, seed := range []string{
		`["join","/","kitchen","abc"]`, `["leave","/chat",["a","b"],null]`, `["_disconnect","/",true,"abc"]`,
		`["emit","/",null,"news",{"a":[1]}]`, `["emit","/"]`, `["join"]`, `["join",{"_placeholder":true,"num":0}]`, `[1,2]`,
	} {
		f.Add([]byte(seed), []byte{1})
	}
	f.Fuzz(func(t *testing.T, text, attachment []byte) {
		p, err := domain.NewPacket(text, attachment)
		if err != nil {
			return
		}
		c, err := parseCommand(p)
		if err != nil {
			return
		}
		for _, name := range slices.Concat([]string{c.namespace}, c.rooms, c.filter) {
			if name == "" || len(name) > maxName {
				t.Errorf("%s: a name of %d bytes", text, len(name))
			}
		}
		if c.namespace[0] != '/' || !slices.Contains(commandNames(), c.name) || len(c.rooms) > maxRooms || len(c.filter) > maxRooms ||
			(c.event == "") == (c.name == "emit") || (len(c.rooms) == 0) == (c.name == "join" || c.name == "leave") {
			t.Errorf("%s became %+v", text, c)
		}
		_ = saysSomething(p)
	})
}

// saysSomething reads a packet of another server, which may be anything, too.
func saysSomething(p domain.Packet) bool {
	says, _ := saysThatThereIsUI(p, "/admin")
	return says
}
