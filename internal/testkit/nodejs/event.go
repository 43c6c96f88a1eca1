package nodejs

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Kind says what happened.
type Kind string

// What a client or a server reports.
const (
	// Connect is a socket's connection to its namespace, first or again.
	Connect Kind = "connect"
	// Disconnect is its end; Reason says why.
	Disconnect Kind = "disconnect"
	// ConnectError is a connection that failed or was refused (clients).
	ConnectError Kind = "connect_error"
	// ReconnectAttempt is the begin of a try to come back (clients).
	ReconnectAttempt Kind = "reconnect_attempt"
	// Upgrade is the change from polling to another transport.
	Upgrade Kind = "upgrade"
	// Received is an event from the other side: Name and Args.
	Received Kind = "event"
	// ServerSide is an event from another server of the cluster, of a name that
	// was asked for by [Server.OnServerSide] (servers).
	ServerSide Kind = "server_side"
)

// Event is something that a client or a server has reported.
type Event struct {
	Kind Kind `json:"kind"`
	// Client is the name of the client; empty when a server reports.
	Client string `json:"client"`
	// Namespace begins with a slash.
	Namespace string `json:"nsp"`
	// Socket is the socket's public id.
	Socket string `json:"socket"`
	// Name and Args are those of a Received or ServerSide event.
	Name string `json:"name"`
	Args Args   `json:"args"`
	// Ack is the number by which a wanted acknowledgement can be sent, or 0.
	Ack int `json:"ack"`
	// Recovered and PID belong to Connect: whether the session was recovered,
	// and its private id (empty when recovery is off).
	Recovered bool   `json:"recovered"`
	PID       string `json:"pid"`
	// Transport belongs to Connect and Upgrade: polling or websocket.
	Transport string `json:"transport"`
	// Rooms belongs to a server's Connect: the rooms at that moment.
	Rooms []string `json:"rooms"`
	// Auth is what the client sent to authenticate, at a server's Connect.
	Auth json.RawMessage `json:"auth"`
	// Data is socket.data at a server's Connect, and what came with the refusal
	// at a client's ConnectError.
	Data json.RawMessage `json:"data"`
	// Reason and Details belong to Disconnect and ConnectError.
	Reason  string `json:"reason"`
	Details string `json:"details"`
	// Milliseconds is when it was reported, in Unix time of the Node.js process.
	Milliseconds float64 `json:"at"`
	// Port belongs to the report that a server listens, which is not shown.
	Port int `json:"port"`
}

// kindListening is a server's report that it listens and is in the cluster.
const kindListening Kind = "listening"

// At is when the event was reported, by the clock of this machine.
func (e Event) At() time.Time {
	return time.UnixMicro(int64(e.Milliseconds * 1000))
}

// String is for messages.
func (e Event) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", e.At().Format("15:04:05.000"), e.Kind)
	for _, part := range []struct{ name, value string }{
		{"client", e.Client},
		{"nsp", e.Namespace},
		{"socket", e.Socket},
		{"name", e.Name},
		{"reason", e.Reason},
		{"details", e.Details},
		{"transport", e.Transport},
	} {
		if part.value != "" {
			fmt.Fprintf(&b, " %s=%s", part.name, part.value)
		}
	}
	if e.Args != nil {
		fmt.Fprintf(&b, " args=%.300s", e.Args)
	}
	if e.Recovered {
		b.WriteString(" recovered")
	}
	return b.String()
}

// Match chooses events.
type Match func(Event) bool

// OfKind chooses the events of a kind.
func OfKind(kind Kind) Match { return func(e Event) bool { return e.Kind == kind } }

// Named chooses the Received and ServerSide events of a name.
func Named(name string) Match { return func(e Event) bool { return e.Name == name } }

// FromClient chooses the events of a client of a name.
func FromClient(name string) Match { return func(e Event) bool { return e.Client == name } }

// FromSocket chooses the events of the socket with that id.
func FromSocket(id string) Match { return func(e Event) bool { return e.Socket == id } }

// patience is how long a wait lasts.
const patience = 15 * time.Second

// Journal is what a Node.js process has reported, in its order.
type Journal struct {
	t    testing.TB
	name string
	dead <-chan struct{} // closed when the process has ended

	mu      sync.Mutex
	events  []Event
	taken   []bool
	changed chan struct{} // closed by the next event
}

func newJournal(t testing.TB, name string) *Journal {
	return &Journal{t: t, name: name, changed: make(chan struct{})}
}

func (j *Journal) add(e Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.events, j.taken = append(j.events, e), append(j.taken, false)
	close(j.changed)
	j.changed = make(chan struct{})
}

// Events returns everything so far that all matches choose, taken or not.
func (j *Journal) Events(matches ...Match) []Event {
	j.mu.Lock()
	defer j.mu.Unlock()
	var chosen []Event
	for _, e := range j.events {
		if all(e, matches) {
			chosen = append(chosen, e)
		}
	}
	return chosen
}

// Wait returns the first event that all matches choose and that no Wait has
// returned before; it waits up to 15 s for one. So two waits for a message return
// two messages, in their order, whether they came before or come later.
//
// Nothing arrives "at once": a test that wants to see that something did *not*
// arrive sends something else behind it, waits for that, and looks at Events.
func (j *Journal) Wait(matches ...Match) Event {
	j.t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		e, found, changed := j.take(matches)
		if found {
			return e
		}
		select {
		case <-changed:
		case <-j.dead:
			// What it said last has been read by now.
			if e, found, _ := j.take(matches); found {
				return e
			}
			j.t.Fatalf("%s ended before what was waited for; it had reported:\n%s", j.name, j)
		case <-timer.C:
			j.t.Fatalf("%s did not report what was waited for within %s; it has reported:\n%s", j.name, patience, j)
		}
	}
}

func (j *Journal) take(matches []Match) (Event, bool, <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i, e := range j.events {
		if !j.taken[i] && all(e, matches) {
			j.taken[i] = true
			return e, true, nil
		}
	}
	return Event{}, false, j.changed
}

// shownEvents is how many events a failure shows.
const shownEvents = 40

// String is the last events, a line each.
func (j *Journal) String() string {
	events := j.Events()
	var b strings.Builder
	if len(events) == 0 {
		b.WriteString("\t(nothing)\n")
	}
	if more := len(events) - shownEvents; more > 0 {
		fmt.Fprintf(&b, "\t(%d earlier events)\n", more)
		events = events[more:]
	}
	for _, e := range events {
		fmt.Fprintf(&b, "\t%s\n", e)
	}
	return b.String()
}

func all(e Event, matches []Match) bool {
	return !slices.ContainsFunc(matches, func(m Match) bool { return !m(e) })
}
