package admin

import (
	"context"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/roombus/roombus/adapters/socketio/engineio"
)

// started is about when the process began.
var started = time.Now()

// statistics is what was told last.
type statistics struct {
	mu   sync.Mutex
	last totals
	// since is false while nothing is to be counted from.
	since bool
}

// serverStats is the argument of server_stats.
type serverStats struct {
	ServerID            string       `json:"serverId"`
	Hostname            string       `json:"hostname"`
	PID                 int          `json:"pid"`
	Uptime              float64      `json:"uptime"`
	ClientsCount        int          `json:"clientsCount"`
	PollingClientsCount int          `json:"pollingClientsCount"`
	AggregatedEvents    []aggregated `json:"aggregatedEvents"`
	Namespaces          []nsStats    `json:"namespaces"`
}

type nsStats struct {
	Name         string `json:"name"`
	SocketsCount int    `json:"socketsCount"`
}

// aggregated says how often something has happened.
type aggregated struct {
	Timestamp int64  `json:"timestamp"`
	Type      string `json:"type"`
	SubType   string `json:"subType,omitempty"`
	Count     uint64 `json:"count"`
}

// totals are counts since the server began.
type totals struct {
	opened  uint64
	closed  map[engineio.Reason]uint64
	traffic engineio.Traffic
}

func totalsOf(s engineio.Stats) totals {
	return totals{opened: s.OpenedPolling + s.OpenedWebSocket, closed: s.Closed, traffic: s.Traffic}
}

// sinceThen is what has happened since earlier totals, as the UI wants it.
func (t totals) sinceThen(then totals, at time.Time) []aggregated {
	secondMilli := at.Truncate(time.Second).UnixMilli()
	events := []aggregated{}
	add := func(kind, sub string, now, before uint64) {
		if now > before {
			events = append(events, aggregated{secondMilli, kind, sub, now - before})
		}
	}
	add("rawConnection", "", t.opened, then.opened)
	for reason, count := range t.closed {
		add("rawDisconnection", string(reason), count, then.closed[reason])
	}
	add("packetsIn", "", t.traffic.PacketsIn, then.traffic.PacketsIn)
	add("packetsOut", "", t.traffic.PacketsOut, then.traffic.PacketsOut)
	add("bytesIn", "", t.traffic.BytesIn, then.traffic.BytesIn)
	add("bytesOut", "", t.traffic.BytesOut, then.traffic.BytesOut)
	return events
}

// snapshot is what there is to say now.
func (a *Admin) snapshot(now time.Time) serverStats {
	a.stats.mu.Lock()
	defer a.stats.mu.Unlock()
	engine := a.io.EngineStats()
	totals := totalsOf(engine)
	events := []aggregated{}
	if a.stats.since {
		events = totals.sinceThen(a.stats.last, now)
	}
	a.stats.last, a.stats.since = totals, true
	return serverStats{
		ServerID: a.config.ServerID, Hostname: hostname(), PID: os.Getpid(), Uptime: now.Sub(started).Seconds(),
		ClientsCount: engine.Open, PollingClientsCount: engine.Polling,
		AggregatedEvents: events, Namespaces: a.namespaces(),
	}
}

// maxNamespaces is of how many namespaces the UI is told, the largest.
const maxNamespaces = 100

func (a *Admin) namespaces() []nsStats {
	all := []nsStats{}
	for _, ns := range a.io.Namespaces() {
		all = append(all, nsStats{ns.Name(), ns.Len()})
	}
	slices.SortFunc(all, func(x, y nsStats) int { return strings.Compare(x.Name, y.Name) })
	if len(all) > maxNamespaces {
		own := slices.IndexFunc(all, func(ns nsStats) bool { return ns.Name == a.config.Namespace })
		all[0], all[own] = all[own], all[0]
		slices.SortStableFunc(all[1:], func(x, y nsStats) int { return y.SocketsCount - x.SocketsCount })
		all = all[:maxNamespaces]
	}
	return all
}

// sendStats tells all UIs how the node is.
func (a *Admin) sendStats(ctx context.Context) {
	if _, err := a.ns.Volatile().Emit(ctx, "server_stats", a.snapshot(time.Now())); err != nil && ctx.Err() == nil {
		a.config.OnError(err)
	}
}

// tellStats does so for as long as there is a UI somewhere.
func (a *Admin) tellStats() {
	ticker := time.NewTicker(a.config.StatsInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-a.presence.woken:
		case <-a.ctx.Done():
			return
		}
		if !a.presence.still(time.Now()) {
			a.rest()
			if a.presence.still(time.Now()) {
				a.watch() // it has come meanwhile
			}
			continue
		}
		a.sendStats(a.ctx)
	}
}

// watch begins to watch the server, where the UI is told what happens.
func (a *Admin) watch() {
	if a.feed != nil {
		a.feed.watch(a.io)
	}
}

// rest stops watching, and forgets what was counted.
func (a *Admin) rest() {
	if a.feed != nil {
		a.feed.rest()
	}
	a.stats.mu.Lock()
	a.stats.since = false
	a.stats.mu.Unlock()
}
