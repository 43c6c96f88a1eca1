package admin

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/payload"
)

const (
	// maxEvents is how many notes may wait before events are dropped, maxChanges before changes of sockets and rooms are,
	// without which a UI shows what is not.
	maxEvents  = 2_000
	maxChanges = 50_000
	// maxBytes is how many bytes of events may wait.
	maxBytes = 4 << 20
)

// feed tells the UIs what happens on this node, in its order: it is the server's observer, and never makes it wait.
type feed struct {
	a     *Admin
	ready chan struct{}

	mu    sync.Mutex
	stop  func() // nil while nothing is watched
	queue []note
	bytes int
	// droppedEvents and droppedChanges count what did not fit.
	droppedEvents, droppedChanges uint64
}

// note is something that has happened and is to be told.
type note struct {
	event string
	s     *socketio.Socket
	at    time.Time
	// text is a room, a reason, or a transport.
	text  string
	rooms []string
	value domain.Value
	// view is what a UI's own socket looks like, which its node tells the others itself.
	view *socketView
}

var _ socketio.Observer = (*feed)(nil)

func newFeed(a *Admin) *feed { return &feed{a: a, ready: make(chan struct{}, 1)} }

func (f *feed) watch(io *socketio.Server) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stop == nil && f.a.ctx.Err() == nil {
		f.stop = io.Observe(f)
	}
}

func (f *feed) rest() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stop != nil {
		f.stop()
		f.stop = nil
	}
	f.queue, f.bytes = nil, 0
}

func (f *feed) dropped() (events, changes uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.droppedEvents, f.droppedChanges
}

// change queues a change of a socket or a room.
func (f *feed) change(n note) { f.add(n, maxChanges, &f.droppedChanges) }

// add queues a note if there is room.
func (f *feed) add(n note, limit int, dropped *uint64) {
	if n.at.IsZero() {
		n.at = time.Now()
	}
	size := n.value.Size()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stop == nil {
		return
	}
	if len(f.queue) >= limit || size > 0 && f.bytes+size > maxBytes {
		*dropped++
		return
	}
	f.queue = append(f.queue, n)
	f.bytes += size
	select {
	case f.ready <- struct{}{}:
	default: // it knows already
	}
}

// event queues an event, unless it is one of the UI's own namespace.
func (f *feed) event(name string, s *socketio.Socket, p domain.Packet) {
	if s.Namespace() == f.a.ns {
		return
	}
	f.add(note{event: name, s: s, value: f.shown(p)}, maxEvents, &f.droppedEvents)
}

// shown is what of an event is shown: with its arguments, unless they are too large.
func (f *feed) shown(p domain.Packet) domain.Value {
	if p.Size() <= f.a.config.MaxEventBytes {
		return p.Value()
	}
	name := p.Event()
	v, _ := payload.Marshal([]string{cut(name, 256), fmt.Sprintf("(%d bytes are not shown)", p.Size())}) // texts can always be marshalled
	return v
}

// Connected is socketio.Observer's, as the rest.
func (f *feed) Connected(s *socketio.Socket, rooms []string) {
	if s.Namespace() != f.a.ns { // else its node tells, when the UI listens
		f.change(note{event: "socket_connected", s: s, rooms: rooms})
	}
}

// others tells the other UIs of a new one.
func (f *feed) others(s *socketio.Socket, view *socketView, at string) {
	f.change(note{event: "socket_connected", s: s, view: view, text: at})
}

// Disconnected tells of a socket's end.
func (f *feed) Disconnected(s *socketio.Socket, reason socketio.Reason) {
	f.change(note{event: "socket_disconnected", s: s, text: string(reason)})
}

// Joined tells of a room.
func (f *feed) Joined(s *socketio.Socket, room string) {
	f.change(note{event: "room_joined", s: s, text: room})
}

// Left tells of a room.
func (f *feed) Left(s *socketio.Socket, room string) {
	f.change(note{event: "room_left", s: s, text: room})
}

// Received tells of an event.
func (f *feed) Received(s *socketio.Socket, p domain.Packet) { f.event("event_received", s, p) }

// Sent tells of an event.
func (f *feed) Sent(s *socketio.Socket, p domain.Packet) { f.event("event_sent", s, p) }

// Upgraded tells of the new transport.
func (f *feed) Upgraded(s *socketio.Socket) {
	f.change(note{event: "socket_updated", s: s, text: string(s.Transport())})
}

// DataChanged tells of the new data.
func (f *feed) DataChanged(s *socketio.Socket, data domain.Value) {
	f.change(note{event: "socket_updated", s: s, value: shownData(data, f.a.config.MaxEventBytes)})
}

// run tells the UIs until Close.
func (f *feed) run() {
	for {
		select {
		case <-f.ready:
		case <-f.a.ctx.Done():
			return
		}
		for {
			n, ok := f.next()
			if !ok {
				break
			}
			f.send(f.a.ctx, n)
		}
	}
}

func (f *feed) next() (n note, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.queue) == 0 {
		f.queue = nil
		return n, false
	}
	n = f.queue[0]
	f.queue[0] = note{}
	f.queue = f.queue[1:]
	f.bytes -= n.value.Size()
	return n, true
}

// send tells the UIs of all nodes.
func (f *feed) send(ctx context.Context, n note) {
	to, dropped := f.a.ns.Except(), &f.droppedChanges // all
	switch {
	case n.view != nil:
		to = to.Except(string(n.s.ID()))
	case n.event == "event_received" || n.event == "event_sent":
		to, dropped = to.Volatile(), &f.droppedEvents
	}
	if _, err := to.Emit(ctx, n.event, n.args(f.a.config.MaxEventBytes)...); err != nil && ctx.Err() == nil {
		f.mu.Lock()
		*dropped++
		f.mu.Unlock()
		f.a.config.OnError(fmt.Errorf("tell the Admin UI: %w", err))
	}
}

// args are the arguments that tell of a note.
func (n *note) args(limit int) []any {
	nsp, at := n.s.Namespace().Name(), isoTime(n.at)
	switch n.event {
	case "socket_connected":
		if n.view != nil {
			return []any{n.view, n.text}
		}
		return []any{viewOf(n.s, n.rooms, limit), at}
	case "socket_disconnected":
		return []any{nsp, n.s.ID(), n.text, at}
	case "room_joined", "room_left":
		return []any{nsp, n.text, n.s.ID(), at}
	case "socket_updated":
		update := struct {
			ID        domain.SocketID `json:"id"`
			Namespace string          `json:"nsp"`
			Transport string          `json:"transport,omitempty"`
			Data      any             `json:"data,omitempty"`
		}{ID: n.s.ID(), Namespace: nsp, Transport: n.text}
		if n.text == "" {
			update.Data = n.value
		}
		return []any{update}
	default:
		return []any{nsp, n.s.ID(), n.value, at}
	}
}
