package app

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/roombus/roombus/domain"
)

// Recovery are the choices of connection state recovery: what a client gets back that has lost its connection. All
// nodes of a namespace must have it, or none (case 26 of docs/guarantees.md).
type Recovery struct {
	// Window is how long a client may be away. Default: no recovery. It must be the same on all nodes: for how long the
	// store remembers that a session has ended follows from it.
	Window time.Duration
	// HistoryBytes is about how much memory the last broadcasts and room operations may take, for all namespaces
	// together, so that clients which come back need not be read for from the log; and as much again may be taken, for
	// seconds, for what was read for them nevertheless. Default 16 MiB.
	HistoryBytes int
	// ReplayBytes is how much is replayed to one client. Who has missed more gets a new session. Default 1 MiB.
	ReplayBytes int
	// LeaseInterval is the pause between two renewals of the node's lease. Default 2 s.
	LeaseInterval time.Duration
}

const (
	defaultHistoryBytes  = 16 << 20
	defaultReplayBytes   = 1 << 20
	defaultLeaseInterval = 2 * time.Second
	// shortestWindow is less than a client needs to come back.
	shortestWindow = time.Second
)

func (r Recovery) withDefaults() (Recovery, error) {
	if r.Window != 0 && r.Window < shortestWindow {
		return r, fmt.Errorf("app.Config: Recovery.Window is %s; no client comes back so fast: make it %s or more, or zero "+
			"for no recovery", r.Window, shortestWindow)
	}
	if r.HistoryBytes < 0 || r.ReplayBytes < 0 || r.LeaseInterval < 0 {
		return r, errors.New("app.Config: Recovery.HistoryBytes, ReplayBytes and LeaseInterval must not be negative")
	}
	if r.HistoryBytes == 0 {
		r.HistoryBytes = defaultHistoryBytes
	}
	if r.ReplayBytes == 0 {
		r.ReplayBytes = defaultReplayBytes
	}
	if r.LeaseInterval == 0 {
		r.LeaseInterval = defaultLeaseInterval
	}
	return r, nil
}

// RecoveryWindow is for how long a client whose connection was lost can have its session again; zero when the node
// keeps no sessions: Config.Recovery has no Window, or there is no store.
func (n *Node) RecoveryWindow() time.Duration {
	if n.sessions == nil {
		return 0
	}
	return n.config.Recovery.Window
}

// refusal is why a client does not get its session again.
type refusal struct {
	outcome domain.Outcome
	reason  string
	// useless says that nobody else can recover the session either, passing that it may be different soon.
	useless, passing bool
}

func (r *refusal) Error() string { return r.reason }

var (
	errRecoveryOff    = &refusal{outcome: domain.RecoveryDisabled, reason: "the node keeps no sessions"}
	errEnded          = &refusal{outcome: domain.RecoveryUnknown, reason: "the session has ended", useless: true}
	errElsewhere      = &refusal{outcome: domain.RecoveryUnknown, reason: "the session is that of another namespace"}
	errNothingSeen    = &refusal{outcome: domain.RecoveryUnknown, reason: "a session of a Node.js server, and the client has no offset"}
	errExpired        = &refusal{outcome: domain.RecoveryExpired, reason: "the session's node is gone for longer than sessions are kept", useless: true}
	errOtherLog       = &refusal{outcome: domain.RecoveryGap, reason: "the log began anew since"}
	errTooMuch        = &refusal{outcome: domain.RecoveryGap, reason: "the client has missed more than is replayed", useless: true}
	errRoomsForgotten = &refusal{outcome: domain.RecoveryGap, reason: "the client has left more rooms since than are remembered", useless: true}
	errTooMany        = &refusal{outcome: domain.RecoveryUnknown, reason: "too many clients come back at the same time", passing: true}
	errTakenSince     = &refusal{outcome: domain.RecoveryUnknown, reason: "somebody else has taken the session meanwhile"}
	errAhead          = &refusal{outcome: domain.RecoveryUnknown, reason: "the client's offset lies behind the end of the log"}
	errReaderBehind   = &refusal{outcome: domain.RecoveryUnknown, reason: "this node has not read as far as the client has seen", passing: true}
)

// outcomeOf says what an error means to the client.
func outcomeOf(err error) domain.Recovery {
	r, ok := errors.AsType[*refusal](err)
	switch {
	case ok:
		return domain.Recovery{Outcome: r.outcome, Reason: r.reason}
	case errors.Is(err, domain.ErrNoSession):
		return domain.Recovery{Outcome: domain.RecoveryUnknown, Reason: "no such session: it has ended, has expired, or is taken"}
	case errors.Is(err, domain.ErrGap):
		return domain.Recovery{Outcome: domain.RecoveryGap, Reason: "the log no longer holds everything since"}
	case errors.Is(err, domain.ErrDisconnected):
		return domain.Recovery{Outcome: domain.RecoveryUnknown, Reason: "the client was ordered to disconnect"}
	case errors.Is(err, domain.ErrBadOffset):
		return domain.Recovery{Outcome: domain.RecoveryUnknown, Reason: "the client's offset is none of this log"}
	case errors.Is(err, domain.ErrUnsupported):
		return domain.Recovery{Outcome: domain.RecoveryDisabled, Reason: "the log keeps nothing"}
	case errors.Is(err, domain.ErrSessionClaimed):
		return domain.Recovery{Outcome: domain.RecoveryUnknown, Reason: "somebody else is taking the session, and takes too long"}
	default:
		return domain.Recovery{Outcome: domain.RecoveryUnknown, Reason: err.Error()}
	}
}

// passing reports whether an error says nothing of the session, and may be none the next time.
func passing(err error) bool {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r.passing
	}
	for _, final := range []error{
		domain.ErrNoSession, domain.ErrGap, domain.ErrDisconnected, domain.ErrBadOffset, domain.ErrUnsupported, domain.ErrClosed,
	} {
		if errors.Is(err, final) {
			return false
		}
	}
	return true
}

// useless reports whether a session cannot be recovered by anybody after an error.
func useless(err error) bool {
	r, ok := errors.AsType[*refusal](err)
	return ok && r.useless || errors.Is(err, domain.ErrDisconnected) || errors.Is(err, domain.ErrGap)
}

// catchUp brings a session that was claimed as far as this node has read, and makes it this node's own.
func (n *Node) catchUp(ctx context.Context, ns *namespace, s *domain.Session, a *arrival) (*comeback, error) {
	seen := a.seen
	if s.Namespace != "" && s.Namespace != ns.name {
		return nil, errElsewhere
	}
	if s.Revision == 0 && seen == "" {
		return nil, errNothingSeen
	}
	if epoch := n.placesOf(ns).epoch; epoch != "" && s.Epoch != "" && epoch != s.Epoch {
		return nil, errOtherLog // or this node has not noticed it yet, and the session is right
	}
	// A socket may still be there, if its node has not noticed that the connection is lost.
	a.halfOpen = a.halfOpen || (!s.Away || s.Returning) && s.Revision > 0 && s.Owner != n.id
	// What a client says must not end a hold of its session before it can have it.
	if err := n.reach(ctx, ns, seen, s.AsOf); err != nil {
		return nil, err
	}
	if err := n.supersede(ctx, ns, s); err != nil {
		return nil, err
	}
	if err := n.believe(ctx, ns, s); err != nil {
		return nil, err
	}
	c := &comeback{
		node: n, ns: ns, catchUp: domain.NewCatchUp(s, seen, n.log.Compare), repeats: domain.NewSequences(),
	}
	if !c.catchUp.Whole() {
		return nil, errRoomsForgotten
	}
	c.at = c.catchUp.Start()
	if err := n.reach(ctx, ns, c.at, s.AsOf); err != nil { // a lease can have moved them
		return nil, err
	}
	if err := c.scan(ctx); err != nil {
		return nil, err
	}
	if err := c.adopt(ctx, a); err != nil {
		return nil, err
	}
	n.keeper.forgetTaken(s.ID)
	c.reason = fmt.Sprintf("%d packets missed", len(c.missed))
	switch {
	case !a.halfOpen:
	case recentlyTaken(s, time.Now()):
		n.keeper.owe(c.record)
	default:
		n.orderSuperseded(ctx, ns, c.record)
	}
	return c, nil
}

// believe finds out whether a session of another node has not expired, and how far its record is true.
func (n *Node) believe(ctx context.Context, ns *namespace, s *domain.Session) error {
	if s.Away || s.Revision == 0 || s.Owner == n.id {
		return nil // the store keeps it for as long as it is to be kept
	}
	lease, err := n.keeper.leaseOf(ctx, s.Owner)
	switch {
	case errors.Is(err, domain.ErrNoLease):
		return errExpired
	case err != nil:
		return fmt.Errorf("the session's node: %w", err)
	}
	ns.mu.Lock()
	stream := ns.stream
	ns.mu.Unlock()
	at := lease.AsOf[stream]
	if lost, ok := lease.Lost[s.ID]; ok && n.log.Compare(lost, at) < 0 {
		at = lost
	}
	if n.log.Compare(at, s.AsOf) > 0 {
		s.AsOf = at
	}
	return nil
}

// supersede ends this node's own hold of a session, if it has one. If it is the one that was stored, it is newer than
// what was stored, and goes into s; if somebody else had the session since, it was merely not noticed here. The old
// connection is lost either way. What was stored may come back if the recovery fails, so the record of a hold that was
// stored as live is looked after as if somebody else had claimed it.
func (n *Node) supersede(ctx context.Context, ns *namespace, s *domain.Session) error {
	r := n.keeper.find(s.ID)
	if r == nil {
		return nil
	}
	ns.mu.Lock()
	at := n.placesIn(ns)
	r.mu.Lock()
	stored := s.Owner == n.id && s.Claim == r.claim // it is this node's hold that was claimed
	ended, saving := r.state == recordEnded || r.deleted != nil && (stored || !r.isDeleted), r.saving
	if stored && r.state != recordReturning {
		newer := r.session(&at)
		s.Data, s.Stays, s.Whole, s.Began, s.AsOf = newer.Data, newer.Stays, newer.Whole, newer.Began, newer.AsOf
	}
	var lost func()
	switch {
	case ended, stored && r.state == recordTaken:
	case stored && r.state != recordReturning:
		lost = r.taken()
	default:
		lost = r.gone()
	}
	r.mu.Unlock()
	ns.mu.Unlock()
	if lost != nil {
		lost()
	}
	if ended {
		return errEnded
	}
	if saving { // it must not arrive after what is saved next
		select {
		case <-n.keeper.stored():
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// reach waits until this node has read up to where a replay begins, and as far as the client has seen: what comes live
// to the socket must be new to it (case 13).
func (n *Node) reach(ctx context.Context, ns *namespace, positions ...domain.Offset) error {
	var furthest domain.Offset
	for _, at := range positions {
		if n.log.Compare(at, furthest) > 0 {
			furthest = at
		}
	}
	if n.log.Compare(furthest, n.placesOf(ns).cursor) <= 0 {
		return nil
	}
	if _, err := n.log.Replay(ctx, ns.name, furthest, "", 1); errors.Is(err, domain.ErrBadOffset) {
		return errAhead
	}
	if n.readUpTo(ctx, ns, furthest) != nil {
		return errReaderBehind
	}
	return nil
}

// orderTimeout bounds how late the order can be that drops what is left of a socket.
const orderTimeout = time.Second

// orderSuperseded tells the other nodes to drop what is left of a socket whose session this node has now. The one who
// has it notices as well when it saves the session next, so a failure is merely told. It is soon or not at all: a Node.js
// server, where the client may be by then, takes it for an ordinary order to disconnect.
func (n *Node) orderSuperseded(ctx context.Context, ns *namespace, r *record) {
	ctx, cancel := context.WithTimeout(ctx, orderTimeout)
	defer cancel()
	order := &domain.Disconnect{
		Target:     domain.Target{Rooms: []string{string(r.socket)}},
		Superseded: strconv.FormatUint(r.claim, 10),
	}
	if _, err := n.log.Append(ctx, n.message(ns, order)); err != nil {
		n.observe(ctx, &domain.Dropped{Namespace: ns.name, Kind: order.Kind(), Err: err})
	}
}

// superseded obeys such an order, unless this node's hold of the session is as new: orders can come late. The caller
// holds the namespace's order.
func (n *Node) superseded(ns *namespace, order *domain.Disconnect) (sockets int) {
	claim, err := strconv.ParseUint(order.Superseded, 10, 64)
	if n.keeper == nil || err != nil {
		return 0 // nobody here has a session; or nobody said so who keeps any
	}
	for _, socket := range order.Target.Rooms {
		r := n.keeper.findSocket(ns, domain.SocketID(socket))
		if r == nil || r.claim >= claim {
			continue
		}
		sockets++
		r.mu.Lock()
		var lost func()
		if r.state != recordEnded && (r.deleted == nil || r.isDeleted) { // else its end is still to be done
			lost = r.gone()
		}
		r.mu.Unlock()
		if lost != nil {
			lost()
		}
	}
	return sockets
}

// awaited is a position that somebody waits for.
type awaited struct {
	at      domain.Offset
	reached chan struct{}
}

// readUpTo waits until the node has read up to a position of a namespace.
func (n *Node) readUpTo(ctx context.Context, ns *namespace, at domain.Offset) error {
	ns.mu.Lock()
	if n.log.Compare(at, ns.fence.Cursor()) <= 0 {
		ns.mu.Unlock()
		return nil
	}
	reached := ns.await(at, n.log.Compare)
	ns.mu.Unlock()
	select {
	case <-reached:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-n.ctx.Done():
		return domain.ErrClosed
	}
}

// await is closed when the namespace has been read up to a position. Those who wait stand in order: most wait for the
// end of the log. Who has given up is told nevertheless.
func (ns *namespace) await(at domain.Offset, compare func(a, b domain.Offset) int) <-chan struct{} {
	i := len(ns.awaited)
	for i > 0 && compare(ns.awaited[i-1].at, at) > 0 {
		i--
	}
	a := awaited{at: at, reached: make(chan struct{})}
	ns.awaited = append(ns.awaited, awaited{})
	copy(ns.awaited[i+1:], ns.awaited[i:])
	ns.awaited[i] = a
	return a.reached
}

// reachedCursor tells those who wait for what was read. The caller holds the namespace's order.
func (ns *namespace) reachedCursor(compare func(a, b domain.Offset) int) {
	cursor := ns.fence.Cursor()
	told := 0
	for told < len(ns.awaited) && compare(ns.awaited[told].at, cursor) <= 0 {
		close(ns.awaited[told].reached)
		told++
	}
	if told > 0 {
		ns.awaited = append(ns.awaited[:0], ns.awaited[told:]...)
	}
}
