package metrics

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/roombus/roombus/domain"
)

// collection is one collecting of the observed metrics.
type collection struct {
	*Meters
	to metric.Observer
}

// collect tells all that is counted. It is called when the metrics are collected.
func (m *Meters) collect(_ context.Context, to metric.Observer) error {
	c := collection{m, to}
	c.traffic()
	c.observed()
	c.reading()
	if source := m.source.Load(); source != nil {
		var n Numbers
		(*source)(&n)
		c.node(&n)
		c.server(&n)
	}
	return nil
}

// whole observes a metric that has no fractions.
func (c collection) whole(name string, value int64, labels ...attribute.KeyValue) {
	if o, ok := c.observables[name].(metric.Int64Observable); ok {
		c.to.ObserveInt64(o, value, metric.WithAttributes(labels...))
	}
}

// time observes a metric in seconds.
func (c collection) time(name string, value time.Duration) {
	if o, ok := c.observables[name].(metric.Float64Observable); ok {
		c.to.ObserveFloat64(o, value.Seconds())
	}
}

// by observes a metric once for each word.
func by[N int | uint64](c collection, name, label string, values map[string]N, more ...attribute.KeyValue) {
	for word, value := range values {
		c.whole(name, int64(value), append([]attribute.KeyValue{attribute.String(label, word)}, more...)...)
	}
}

func (c collection) traffic() {
	for l := range lanes {
		for kind := domain.KindInitialHeartbeat; kind.Valid(); kind++ {
			t, of := &c.counts.traffic[l][kind], attribute.String(kindLabel, kind.String())
			on := attribute.String(laneLabel, l.String())
			c.whole(sentMessages, t.sent.Load(), append(c.operation("send", l, ""), of)...)
			for i := range failures {
				if n := t.failed[i].Load(); n > 0 {
					c.whole(sentMessages, n, append(c.operation("send", l, failures[i].word), of)...)
				}
			}
			c.whole(consumedMessages, t.received.Load(), append(c.operation("process", l, ""), of)...)
			c.whole(sentSize, t.sentBytes.Load(), on, of)
			c.whole(receivedSize, t.receivedBytes.Load(), on, of)
		}
	}
}

func (c collection) observed() {
	n := &c.counts
	trimmed, hole := attribute.String(reasonLabel, "trimmed"), attribute.String(reasonLabel, "hole")
	c.whole(logGaps, n.trimmed.Load(), trimmed)
	c.whole(logGaps, n.holes.Load(), hole)
	c.whole(logLost, n.trimmedLost.Load(), trimmed)
	c.whole(logLost, n.holesLost.Load(), hole)
	c.whole(logResets, n.resets.Load())
	c.whole(logRepeats, n.repeats.Load())
	c.whole(logBad, n.bad.Load())
	c.whole(transportLosses, n.losses.Load())
	c.whole(transportLost, int64(n.lostNow()))
	for kind := domain.KindInitialHeartbeat; kind.Valid(); kind++ {
		c.whole(queueDropped, n.dropped[kind].Load(), attribute.String(kindLabel, kind.String()))
	}
	c.whole(queueDropped, n.dropped[0].Load(), attribute.String(kindLabel, "none"))
	for _, kind := range []domain.Kind{domain.KindBroadcast, domain.KindFetchSockets, domain.KindServerSideEmit} {
		of := attribute.String(kindLabel, kind.String())
		c.whole(requestEnded, n.complete[kind].Load(), of, attribute.String(resultLabel, "complete"))
		c.whole(requestEnded, n.partial[kind].Load(), of, attribute.String(resultLabel, "partial"))
		c.whole(requestEnded, n.failed[kind].Load(), of, attribute.String(resultLabel, "failed"))
	}
	for outcome := domain.Recovered; outcome <= domain.RecoveryDisabled; outcome++ {
		c.whole(recoveryEnded, n.recoveries[outcome].Load(), attribute.String(resultLabel, outcome.String()))
	}
	c.whole(recoveryReplayed, n.replayed.Load())
	c.whole(sessionFailures, n.sessionFailures.Load())
	for event := domain.MemberJoined; event <= domain.MemberLost; event++ {
		c.whole(memberChanges, n.changes[event].Load(), attribute.String(changeLabel, event.String()))
	}
}

// reading tells how the node stands with its log.
func (c collection) reading() {
	now := time.Now()
	c.time(logDelay, c.log.delay(now))
	c.time(logLead, c.log.lead.known())
	if lag := c.log.lag.Load(); lag != nil {
		if entries, known := (*lag).Behind(); known {
			c.whole(logLag, entries)
		}
	}
}

func (c collection) node(n *Numbers) {
	c.whole(requestPending, int64(n.Pending))
	by(c, queueLength, partLabel, n.Queues)
	if c.config.Namespaces {
		by(c, nodeCount, namespaceLabel, n.Nodes)
	} else {
		most := 0
		for _, nodes := range n.Nodes {
			most = max(most, nodes)
		}
		c.whole(nodeCount, int64(most))
	}
	c.time(recoveryWindow, n.Window)
	if n.Held != nil {
		c.time(logHeld, *n.Held)
	}
}

func (c collection) server(n *Numbers) {
	c.whole(connectionCount, int64(n.Connections))
	c.whole(socketCount, int64(n.Sockets))
	c.whole(roomCount, int64(n.Rooms))
	c.whole(namespaceCount, int64(n.Namespaces))
	by(c, connectionHandshakes, transportLabel, n.Handshakes, attribute.String(resultLabel, "connected"))
	by(c, connectionHandshakes, resultLabel, n.Refused, attribute.String(transportLabel, "none"))
	by(c, connectionUpgrades, resultLabel, map[string]uint64{"upgraded": n.Upgraded, "failed": n.NotUpgraded})
	by(c, connectionClosed, reasonLabel, n.Closed)
	by(c, connectionBroken, reasonLabel, n.BrokenRules)
	by(c, socketConnects, resultLabel, map[string]uint64{"connected": n.Connected, "refused": n.NotConnected})
	by(c, socketDisconnects, reasonLabel, n.Disconnected)
	c.whole(volatileDropped, int64(n.VolatileDropped))
	c.whole(rateLimited, int64(n.RateLimited))
	by(c, forwardRequests, resultLabel, n.Forwarded)
	c.whole(forwardTunnels, int64(n.Tunnels))
}
