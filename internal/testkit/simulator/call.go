package simulator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing/synctest"
	"time"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/domain"
)

// call is something that a node, or an emitter, was asked to do, and how it ended.
type call struct {
	number    int
	do        deed
	run       *run // nil: the emitter
	namespace string
	target    domain.Target
	op        domain.RoomOperation
	event     string // of a packet; unique
	mark      string // a room that nobody is in, by which a question is recognised
	timeout   time.Duration
	fault     inmemory.AppendFault
	local     *change // that a local broadcast is

	began, ended moment
	done         bool
	died         bool // its node was killed meanwhile: nobody learned how it ended
	offset       domain.Offset
	err          error
	answers      []string
	sockets      []string // their full names
}

// change is a local change: a socket that comes or goes, or joins or leaves rooms, or a local broadcast.
type change struct {
	number int
	do     deed
	run    *run
	ns     string
	socket *socket
	rooms  []string

	called, made moment
	isMade       bool
	twice        bool
	effective    bool // the socket was there
	inside       bool // asked for by the node itself: a client that comes back
	at           domain.Offset
}

// perform does what a plan says, if it can be done.
func (w *world) perform(ctx context.Context, a *action) {
	w.mu.Lock()
	r := w.slots[a.node]
	acts := r != nil && r.frozen.order == 0
	w.mu.Unlock()
	switch a.do {
	case doCut, doMend, doHold, doResume, doFreeze, doThaw:
		if r != nil {
			r.trouble(a.do)
		}
	case doStart:
		w.start(ctx, a.node)
	case doTrim:
		w.notef("trimmed to %d entries", a.variant%50)
		w.memory.Trim(a.variant % 50)
	case doReset:
		w.notef("emptied")
		w.memory.Reset()
	case doKill:
		if r != nil {
			w.kill(r)
		}
	case doEmitter:
		w.call(ctx, a, nil)
	case doHalfOpen, doNotice:
		w.lose(a)
	default:
		if !acts {
			return
		}
		w.act(ctx, a, r)
	}
}

func (w *world) notef(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tellf("log", format, args...)
}

// act does what only a node that runs can do.
func (w *world) act(ctx context.Context, a *action, r *run) {
	switch a.do {
	case doConnect:
		w.connect(ctx, a, r)
	case doJoin, doLeave, doDisconnect:
		w.changeSocket(a)
	case doSetData:
		w.setData(a)
	case doClose:
		w.closeRun(ctx, r, a.variant%2 == 0)
	default:
		w.call(ctx, a, r)
	}
}

// call begins a call of a node or of the emitter.
func (w *world) call(ctx context.Context, a *action, r *run) {
	w.mu.Lock()
	c := &call{
		number: len(w.calls), do: a.do, run: r, namespace: w.plan.namespaces[a.namespace], timeout: a.timeout, began: w.now(),
		target: domain.Target{Rooms: w.roomsOf(a.rooms), Except: w.roomsOf(a.except)},
	}
	c.event, c.mark = fmt.Sprint("b", c.number), fmt.Sprint("mark", c.number)
	w.calls = append(w.calls, c)
	w.named[c.event], w.named[c.mark] = c, c
	switch a.do {
	case doOperate:
		c.operation(a)
	case doFetch:
		c.target.Except = append(c.target.Except, c.mark)
		c.target.Flags.Timeout = c.timeout
	case doAcked:
		c.target.Flags.Timeout = c.timeout
	case doVolatile:
		c.target.Flags.Volatile = true
	case doLocal:
		c.target.Flags.Local = true
	default:
	}
	who := "emitter"
	if r != nil {
		who = r.name
	}
	w.tellf(who, "begins %d: %s %s in %s to %v except %v, timeout %s", c.number, c.do, c.event, c.namespace,
		c.target.Rooms, c.target.Except, c.timeout)
	if c.do == doLocal {
		c.local = w.newChange(&change{do: doLocal, run: r, ns: c.namespace})
	}
	w.mu.Unlock()
	w.calling.Go(func() { c.make(ctx, w) })
	synctest.Wait()
}

// operation makes the room operation. The caller holds the lock.
func (c *call) operation(a *action) {
	rooms := []string{fmt.Sprint("r", a.variant%5)}
	c.target.Except = append(c.target.Except, c.mark)
	switch {
	case a.variant%10 < 5:
		c.op = &domain.Join{Target: c.target, Rooms: rooms}
	case a.variant%10 < 9:
		c.op = &domain.Leave{Target: c.target, Rooms: rooms}
	default:
		c.op = &domain.Disconnect{Target: c.target}
	}
}

// make makes the call and notes how it ended.
func (c *call) make(ctx context.Context, w *world) {
	if c.timeout > 0 && c.do != doFetch && c.do != doAcked {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.timeout)
		defer cancel()
	}
	var values []domain.Value
	var at domain.Offset
	var err error
	var sockets []domain.SocketDetails
	packet, _ := domain.NewPacket(fmt.Appendf(nil, "[%q]", c.event)) // which is nothing to object to
	switch c.do {
	case doEmitter:
		at, err = w.emitter.Broadcast(ctx, c.namespace, c.target, packet)
	case doBroadcast, doVolatile, doLocal:
		at, err = c.run.node.Broadcast(ctx, c.namespace, c.target, packet)
	case doAcked:
		values, err = c.run.node.BroadcastWithAck(ctx, c.namespace, c.target, packet)
	case doOperate:
		err = c.run.node.Operate(ctx, c.namespace, c.op)
	case doFetch:
		sockets, err = c.run.node.FetchSockets(ctx, c.namespace, c.target)
	case doServerEmit:
		err = c.run.node.ServerSideEmit(ctx, c.namespace, packet)
	case doServerAsk:
		values, err = c.run.node.ServerSideEmitWithAck(ctx, c.namespace, packet)
	default:
		err = fmt.Errorf("the simulation cannot %s", c.do)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	c.done, c.ended, c.offset, c.err = true, w.now(), at, err
	for _, d := range sockets {
		name, _ := d.Data.Text()
		c.sockets = append(c.sockets, name)
	}
	for _, v := range values {
		text, _ := v.Text()
		c.answers = append(c.answers, text)
	}
	if c.run != nil && c.run.dead {
		c.died = true
		return
	}
	who := "emitter"
	if c.run != nil {
		who = c.run.name
	}
	w.tellf(who, "ends %d: offset %q, answers %v, %d sockets, error %s", c.number, at, c.answers, len(sockets), w.describeError(err))
}

// roomsOf names rooms. The caller holds the lock.
func (w *world) roomsOf(numbers []int) []string {
	var rooms []string
	for _, n := range numbers {
		if n >= 0 {
			rooms = append(rooms, fmt.Sprint("r", n))
			continue
		}
		rooms = append(rooms, string(w.clients[-1-n].socketID()))
	}
	return rooms
}

// callOf is the call whose message this is. The caller holds the lock.
func (w *world) callOf(m *domain.Message) *call {
	switch b := m.Body.(type) {
	case *domain.Broadcast:
		return w.named[b.Packet.Event()]
	case *domain.ServerSideEmit:
		return w.named[b.Packet.Event()]
	case *domain.FetchSockets:
		return w.marked(b.Target)
	case domain.RoomOperation:
		return w.marked(*targetOf(b))
	default:
		return nil
	}
}

func (w *world) marked(t domain.Target) *call {
	for _, room := range t.Except {
		if strings.HasPrefix(room, "mark") {
			return w.named[room]
		}
	}
	return nil
}

// describe says what a message says.
func describe(m *domain.Message) string {
	switch b := m.Body.(type) {
	case *domain.Broadcast:
		return fmt.Sprintf("broadcast %s to %v except %v, flags %+v, wants answers %t", b.Packet.Event(), b.Target.Rooms, b.Target.Except, b.Target.Flags, b.Request != "")
	case *domain.Join:
		return fmt.Sprintf("join %v by %v except %v", b.Rooms, b.Target.Rooms, b.Target.Except)
	case *domain.Leave:
		return fmt.Sprintf("leave %v by %v except %v", b.Rooms, b.Target.Rooms, b.Target.Except)
	case *domain.Disconnect:
		return fmt.Sprintf("disconnect %v except %v, superseded %q", b.Target.Rooms, b.Target.Except, b.Superseded)
	case *domain.ServerSideEmit:
		return fmt.Sprintf("server-side emit %s, wants answers %t", b.Packet.Event(), b.Request != "")
	default:
		return m.Kind().String()
	}
}

// describeError is an error's text with the nodes' names in place of their ids, which differ each time. The caller holds
// the lock.
func (w *world) describeError(err error) string {
	if err == nil {
		return "none"
	}
	text := err.Error()
	if partial, ok := errors.AsType[*domain.PartialError](err); ok {
		var missing []string
		for _, id := range partial.Missing {
			missing = append(missing, w.nameOf(id))
		}
		slices.Sort(missing)
		return fmt.Sprintf("%v missing, %d unnamed, %d acks: %v", missing, partial.Unnamed, partial.MissingAcks, partial.Err)
	}
	for _, r := range w.runs {
		if r.node != nil {
			text = strings.ReplaceAll(text, string(r.node.ID()), r.name)
		}
	}
	return text
}

// newChange notes that a change is asked for. The caller holds the lock.
func (w *world) newChange(c *change) *change {
	c.number = len(w.changes)
	c.called = w.now()
	w.changes = append(w.changes, c)
	return c
}

// happens notes that a change is made. The caller holds the lock. It reports false when it must not have an effect.
func (c *change) happens(at domain.Offset) bool {
	w := c.run.w
	if c.run.dead {
		return false
	}
	c.twice = c.isMade
	c.isMade, c.made, c.at = true, w.now(), at
	sp := c.run.spaces[c.ns]
	sp.events = append(sp.events, happening{moment: c.made, change: c})
	w.tellf(c.run.name, "change %d: %s %s %v at %q", c.number, c.do, c.socket.name(), c.rooms, at)
	return true
}
