package admin

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/domain"
)

// Admin is the server's part of the Admin UI.
type Admin struct {
	io       *socketio.Server
	ns       *socketio.Namespace
	config   Config
	attempts *attempts
	// inLine and hashing bound the comparing of passwords.
	inLine, hashing chan struct{}
	presence        presence
	stats           statistics
	feed            *feed // nil in production mode
	counters        counters

	ctx     context.Context //nolint:containedctx // it is the life of what New starts
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// counters are what Stats tells.
type counters struct {
	refused, commands, ignored, failed, unlisted atomic.Uint64
}

// Stats are counts since New, but for UIs and Active.
type Stats struct {
	// UIs is how many are connected to this node.
	UIs int
	// Active says that a UI is connected to some node, so that this one tells of itself.
	Active bool
	// Refused counts logins that failed, or were too many.
	Refused uint64
	// Commands counts what UIs wanted done and was, Ignored what had a wrong shape, named a namespace that this node does
	// not have, or came to a read-only server, and Failed what the cluster did not take.
	Commands, Ignored, Failed uint64
	// DroppedEvents and DroppedChanges count what UIs were not told of, because too much waited already.
	DroppedEvents, DroppedChanges uint64
	// Unlisted counts the sockets that a UI was not told of when it connected: see Config.MaxListed.
	Unlisted uint64
}

// New serves the Admin UI in a namespace of the server, which must not be used for anything else. The error names the
// first setting that cannot work. There can be one Admin a server.
func New(io *socketio.Server, config Config) (*Admin, error) {
	if io == nil {
		return nil, errors.New("admin.New: there is no server")
	}
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	a := &Admin{
		io: io, config: config, attempts: newAttempts(),
		inLine: make(chan struct{}, hashing+waiting), hashing: make(chan struct{}, hashing),
	}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	a.presence.init(config)
	if config.Mode == Development {
		a.feed = newFeed(a)
	}
	if _, err := io.Make(config.Namespace, a.prepare); err != nil {
		a.cancel()
		return nil, fmt.Errorf("admin.New: the Admin UI needs a namespace of its own: %w", err)
	}
	io.CountTraffic()
	io.Annotate(annotator{on: config.Mode == Development})
	a.running.Go(a.tellStats)
	if a.feed != nil {
		a.running.Go(a.feed.run)
	}
	return a, nil
}

// prepare registers what the namespace does.
func (a *Admin) prepare(ns *socketio.Namespace) {
	a.ns = ns
	ns.WithoutRecovery()
	ns.Use(a.admit)
	ns.OnConnect(a.connected)
	ns.OnDisconnect(func(context.Context, *socketio.Socket, socketio.Reason) { a.presence.leave() })
	ns.OnBroadcast(a.overheard)
	a.serveCommands()
}

// Close stops telling anybody anything and returns when everything that New has started has ended. UIs that are connected
// stay so until the server closes. It may be called again. The error is always nil.
func (a *Admin) Close() error {
	a.cancel()
	a.running.Wait()
	a.ns.OnBroadcast(nil)
	a.rest()
	return nil
}

// Stats returns the counts.
func (a *Admin) Stats() Stats {
	uis, active := a.presence.now()
	stats := Stats{
		UIs: uis, Active: active,
		Refused:  a.counters.refused.Load(),
		Commands: a.counters.commands.Load(), Ignored: a.counters.ignored.Load(), Failed: a.counters.failed.Load(),
		Unlisted: a.counters.unlisted.Load(),
	}
	if a.feed != nil {
		stats.DroppedEvents, stats.DroppedChanges = a.feed.dropped()
	}
	return stats
}

// connected tells a UI what it has to know first.
func (a *Admin) connected(ctx context.Context, s *socketio.Socket) error {
	a.presence.enter()
	a.watch()
	a.begin(ctx, s)
	development := a.config.Mode == Development
	if development {
		self, at := viewOf(s, s.Rooms(), a.config.MaxEventBytes), isoTime(time.Now())
		a.tell(ctx, s, "socket_connected", self, at)
		a.feed.others(s, self, at)
	}
	a.tell(ctx, s, "config", struct {
		SupportedFeatures []string `json:"supportedFeatures"`
	}{a.features()})
	// The other nodes learn of the UI from this, before they are asked for their sockets: a question is answered only by
	// who has read what was published before it.
	a.sendStats(ctx)
	if development {
		a.tell(ctx, s, "all_sockets", a.list(ctx))
	}
	return nil
}

// features are what the UI may count on, in the words and the order of Node.js.
func (a *Admin) features() []string {
	features := []string{}
	if !a.config.ReadOnly {
		features = append(features, "EMIT", "JOIN", "LEAVE", "DISCONNECT", "MJOIN", "MLEAVE", "MDISCONNECT")
	}
	features = append(features, "AGGREGATED_EVENTS")
	if a.config.Mode == Development {
		features = append(features, "ALL_EVENTS")
	}
	return features
}

// tell tells one UI.
func (a *Admin) tell(ctx context.Context, s *socketio.Socket, event string, args ...any) {
	if err := s.Direct().Emit(ctx, event, args...); err != nil && s.Connected() {
		a.config.OnError(err)
	}
}

// isoTime is a time as the UI reads it.
func isoTime(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000Z") }

// overheard learns from what the nodes tell the UIs whether there are any elsewhere. It runs on the node's reader.
func (a *Admin) overheard(p domain.Packet) {
	if says, from := saysThatThereIsUI(p, a.config.Namespace); says && from != a.config.ServerID {
		a.presence.heard(time.Now())
		a.watch()
	}
}
