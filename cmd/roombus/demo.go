package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/domain"
)

// The limits of what the demo takes from clients.
const (
	maxRoomName = 128       // characters
	maxBody     = 64 * 1024 // bytes, binaries included
	maxListed   = 200       // sockets that `who` lists
	whoTimeout  = 2 * time.Second
)

// demo has the events of the page, on the namespace "/".
type demo struct {
	io     *socketio.Server
	node   *app.Node
	report *report
}

// said is what a client says to a room: any JSON value, or binary.
type said struct {
	Room string       `json:"room"`
	Body domain.Value `json:"body"`
}

// heard is what every socket in the room gets.
type heard struct {
	Room string          `json:"room"`
	Body domain.Value    `json:"body"`
	From domain.SocketID `json:"from"`
	Node string          `json:"node"`
}

// receipt is the ack of a message: where in the log it is.
type receipt struct {
	Offset domain.Offset `json:"offset"`
}

// moved is the ack of join and leave.
type moved struct {
	OK   bool   `json:"ok"`
	Room string `json:"room"`
}

// label is what a socket tells of itself to all nodes.
type label struct {
	Node string `json:"node"`
}

// presence is the answer to `who`.
type presence struct {
	// Node and ID are the node that answers.
	Node  string        `json:"node"`
	ID    domain.NodeID `json:"id"`
	Nodes []nodeLine    `json:"nodes"`
	// Sockets are those in the room, sorted, at most maxListed; Count is how many there are.
	Sockets []socketLine `json:"sockets"`
	Count   int          `json:"count"`
	// Partial says what is missing, if anything.
	Partial string `json:"partial,omitempty"`
}

type nodeLine struct {
	ID   domain.NodeID `json:"id"`
	Name string        `json:"name"`
	Self bool          `json:"self,omitempty"`
	Note string        `json:"note,omitempty"`
}

type socketLine struct {
	ID   domain.SocketID `json:"id"`
	Node string          `json:"node,omitempty"`
}

// register registers the demo's events.
func (d *demo) register() {
	d.io.Use(func(_ context.Context, s *socketio.Socket) error { return s.SetData(label{Node: d.node.Name()}) })
	// Who is recovered skips that, and may have been on another node.
	d.io.OnConnect(func(_ context.Context, s *socketio.Socket) error {
		if !s.Recovered() {
			return nil
		}
		return s.SetData(label{Node: d.node.Name()})
	})
	socketio.OnAck(d.io, "join", d.join)
	socketio.OnAck(d.io, "leave", d.leave)
	socketio.OnAck(d.io, "message", d.message)
	socketio.OnAck(d.io, "who", d.who)
	socketio.OnAck(d.io, "ask", d.ask)
}

func (d *demo) join(ctx context.Context, s *socketio.Socket, room string) (moved, error) {
	if err := checkRoom(room); err != nil {
		return moved{}, err
	}
	if err := s.Join(ctx, room); err != nil {
		return moved{}, err
	}
	return moved{OK: true, Room: room}, nil
}

func (d *demo) leave(ctx context.Context, s *socketio.Socket, room string) (moved, error) {
	if err := checkRoom(room); err != nil {
		return moved{}, err
	}
	if err := s.Leave(ctx, room); err != nil {
		return moved{}, err
	}
	return moved{OK: true, Room: room}, nil
}

// message sends what was said to all sockets of the room. It is acknowledged when the log has it.
func (d *demo) message(ctx context.Context, s *socketio.Socket, m said) (receipt, error) {
	if err := checkRoom(m.Room); err != nil {
		return receipt{}, err
	}
	if m.Body.IsZero() {
		return receipt{}, &socketio.ClientError{Message: "the message has no body"}
	}
	if size := m.Body.Size(); size > maxBody {
		return receipt{}, &socketio.ClientError{
			Message: fmt.Sprintf("the body has %d bytes; at most %d are allowed", size, maxBody),
		}
	}
	offset, err := d.io.To(m.Room).Emit(ctx, "message", heard{Room: m.Room, Body: m.Body, From: s.ID(), Node: d.node.Name()})
	switch {
	case errors.Is(err, domain.ErrNotPublished):
		d.report.braked(ctx, "a client's message was not published", "error", err)
		return receipt{}, &socketio.ClientError{Message: "the message was not published; try again"}
	case errors.Is(err, domain.ErrUnknown):
		d.report.braked(ctx, "it is not known whether a client's message was published", "error", err)
		return receipt{}, &socketio.ClientError{Message: "it is not known whether the message was published"}
	default:
		return receipt{Offset: offset}, err
	}
}

// who says which nodes there are, and which sockets are in a room of any of them; in the room "" is nobody.
func (d *demo) who(ctx context.Context, _ *socketio.Socket, room string) (presence, error) {
	p := presence{Node: d.node.Name(), ID: d.node.ID(), Nodes: d.nodes(), Sockets: []socketLine{}}
	if room == "" {
		return p, nil
	}
	if err := checkRoom(room); err != nil {
		return presence{}, err
	}
	sockets, err := d.io.In(room).Timeout(whoTimeout).FetchSockets(ctx)
	if partial, ok := errors.AsType[*domain.PartialError](err); ok {
		p.Partial = missing(partial)
	} else if err != nil {
		return presence{}, err
	}
	slices.SortFunc(sockets, func(a, b socketio.RemoteSocket) int { return cmp.Compare(a.ID(), b.ID()) })
	p.Count = len(sockets)
	for _, s := range sockets[:min(len(sockets), maxListed)] {
		l, err := socketio.Data[label](s)
		if err != nil {
			l = label{} // a Node.js server keeps other data, or none
		}
		p.Sockets = append(p.Sockets, socketLine{ID: s.ID(), Node: l.Node})
	}
	return p, nil
}

func (d *demo) nodes() []nodeLine {
	var lines []nodeLine
	for _, member := range d.node.Nodes("/") {
		line := nodeLine{ID: member.ID, Name: member.Info.Name, Self: member.Self}
		if line.Name == "" {
			line.Name = string(member.ID)
		}
		switch {
		case member.Draining:
			line.Note = "leaving"
		case member.Suspect:
			line.Note = "silent"
		}
		lines = append(lines, line)
	}
	return lines
}

func missing(partial *domain.PartialError) string {
	names := make([]string, 0, len(partial.Missing))
	for _, id := range partial.Missing {
		names = append(names, string(id))
	}
	if partial.Unnamed > 0 {
		names = append(names, fmt.Sprintf("%d without a name", partial.Unnamed))
	}
	return "No answer from " + strings.Join(names, ", ") + ": sockets may be missing here."
}

func checkRoom(room string) error {
	switch {
	case room == "":
		return &socketio.ClientError{Message: "a room needs a name"}
	case utf8.RuneCountInString(room) > maxRoomName:
		return &socketio.ClientError{Message: fmt.Sprintf("the room's name is too long; at most %d characters are allowed", maxRoomName)}
	default:
		return nil
	}
}
