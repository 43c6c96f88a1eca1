package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/domain"
)

const (
	// maxName is how long the name of a namespace, a room or an event may be that a UI names, in bytes, maxRooms how many
	// rooms it may name at once, and maxCommand how large a whole command may be.
	maxName    = 1_024
	maxRooms   = 100
	maxCommand = 256 << 10
)

// command is something that a UI wants done.
type command struct {
	name      string // emit, join, leave or _disconnect
	namespace string
	// filter are the rooms of the sockets that are meant; none means all.
	filter []string
	// rooms are those to join or leave.
	rooms []string
	// close says that whole connections are to be closed.
	close bool
	event string
	args  []any
}

// errShape says that a UI has sent something that is no command.
var errShape = errors.New("not a command of the Admin UI")

// parseCommand reads a packet of a UI, which may be anything.
func parseCommand(p domain.Packet) (c command, err error) {
	if p.Size() > maxCommand {
		return c, fmt.Errorf("%w: it has %d bytes", errShape, p.Size())
	}
	args, err := p.Args()
	if err != nil {
		return c, err
	}
	at := func(i int) domain.Value {
		if i < len(args) {
			return args[i]
		}
		return domain.Value{}
	}
	c.name = p.Event()
	var ok bool
	if c.namespace, ok = name(at(0)); !ok || c.namespace[0] != '/' {
		return c, fmt.Errorf("%w: %s without a namespace", errShape, c.name)
	}
	switch c.name {
	case "join", "leave":
		if c.rooms, ok = names(at(1)); !ok || len(c.rooms) == 0 {
			return c, fmt.Errorf("%w: %s without a room", errShape, c.name)
		}
		c.filter, ok = names(at(2))
	case "_disconnect":
		switch string(at(1).JSON()) {
		case "true":
			c.close = true
		case "false", "null", "":
		default:
			return c, fmt.Errorf("%w: %s with something else than true or false", errShape, c.name)
		}
		c.filter, ok = names(at(2))
	case "emit":
		if c.event, ok = name(at(2)); !ok {
			return c, fmt.Errorf("%w: %s without an event", errShape, c.name)
		}
		for _, arg := range args[3:] {
			c.args = append(c.args, arg)
		}
		c.filter, ok = names(at(1))
	default:
		return c, errShape
	}
	if !ok {
		return c, fmt.Errorf("%w: %s for something that is no room", errShape, c.name)
	}
	return c, nil
}

// name reads a text that is not empty.
func name(v domain.Value) (string, bool) {
	text, ok := v.Text()
	return text, ok && text != "" && len(text) <= maxName
}

// names reads a room, an array of rooms, or nothing.
func names(v domain.Value) (rooms []string, ok bool) {
	if v.IsZero() || string(v.JSON()) == "null" || string(v.JSON()) == `""` {
		return nil, true
	}
	if room, ok := name(v); ok {
		return []string{room}, true
	}
	elements, err := v.Elements()
	if err != nil || len(elements) > maxRooms {
		return nil, false
	}
	for _, element := range elements {
		room, ok := name(element)
		if !ok {
			return nil, false
		}
		rooms = append(rooms, room)
	}
	return rooms, true
}

func commandNames() []string { return []string{"emit", "join", "leave", "_disconnect"} }

// serveCommands handles what UIs want done. Whatever else they send is counted.
func (a *Admin) serveCommands() {
	for _, name := range commandNames() {
		socketio.On(a.ns, name, func(ctx context.Context, _ *socketio.Socket, p domain.Packet) error {
			return a.command(ctx, p)
		})
	}
	a.ns.OnAny(func(_ context.Context, _ *socketio.Socket, p domain.Packet) {
		if !slices.Contains(commandNames(), p.Event()) {
			a.counters.ignored.Add(1)
		}
	})
}

func (a *Admin) command(ctx context.Context, p domain.Packet) error {
	c, err := parseCommand(p)
	if err != nil || a.config.ReadOnly || a.ctx.Err() != nil {
		a.counters.ignored.Add(1)
		return nil //nolint:nilerr // what is no command is no failure of the server
	}
	for _, ns := range a.io.Namespaces() {
		if ns.Name() != c.namespace {
			continue
		}
		err := c.perform(ctx, ns)
		switch {
		case errors.Is(err, domain.ErrInvalidPayload):
			a.counters.ignored.Add(1)
			return nil
		case err != nil:
			a.counters.failed.Add(1)
			a.config.OnError(fmt.Errorf("%s for the Admin UI: %w", c.name, err))
			return nil
		}
		a.counters.commands.Add(1)
		return nil
	}
	a.counters.ignored.Add(1) // to make it would let clients connect to it
	return nil
}

// perform does it, on all nodes.
func (c *command) perform(ctx context.Context, ns *socketio.Namespace) error {
	to := ns.Except() // all
	if len(c.filter) > 0 {
		to = ns.To(c.filter...)
	}
	switch c.name {
	case "join":
		return to.SocketsJoin(ctx, c.rooms...)
	case "leave":
		return to.SocketsLeave(ctx, c.rooms...)
	case "_disconnect":
		return to.DisconnectSockets(ctx, c.close)
	default:
		_, err := to.Emit(ctx, c.event, c.args...)
		return err
	}
}
