// Package measure reads the numbers of a node and its Socket.IO server for package metrics. It has nothing of wire, so a
// program that composes its parts by itself can use it too.
package measure

import (
	"errors"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/adapters/socketio/engineio"
	"github.com/roombus/roombus/adapters/socketio/parser"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/metrics"
)

// Of returns what reads a node and its server, for [metrics.Meters.Read]. It asks nobody: what it costs grows with the
// number of namespaces. server may be nil.
func Of(node *app.Node, server *socketio.Server) func(*metrics.Numbers) {
	return func(n *metrics.Numbers) {
		ofNode(n, node)
		if server != nil {
			ofServer(n, server.Stats())
		}
	}
}

func ofNode(n *metrics.Numbers, node *app.Node) {
	backlog := node.Backlog()
	n.Pending = backlog.Questions
	n.Queues = map[string]int{
		"changes": backlog.Changes, "requests": backlog.Requests, "handlers": backlog.Handlers, "answers": backlog.Answers,
	}
	n.Window = node.RecoveryWindow()
	n.Nodes = make(map[string]int)
	for _, namespace := range node.Namespaces() {
		n.Nodes[namespace] = node.NodeCount(namespace)
		if held, known := node.LogHolds(namespace); known && held.Trimmed && (n.Held == nil || held.Age < *n.Held) {
			age := held.Age
			n.Held = &age
		}
	}
}

func ofServer(n *metrics.Numbers, s socketio.Stats) {
	n.Connections, n.Sockets, n.Rooms, n.Namespaces = s.Engine.Open, s.Sockets, s.Rooms, s.Namespaces
	n.Handshakes = map[string]uint64{
		string(engineio.Polling): s.Engine.OpenedPolling, string(engineio.WebSocket): s.Engine.OpenedWebSocket,
	}
	n.Refused = map[string]uint64{"unavailable": s.Engine.Unavailable}
	for code, count := range s.Engine.Refused {
		n.Refused[refusal(code)] += count
	}
	n.Upgraded, n.NotUpgraded = s.Engine.Upgraded, s.Engine.UpgradesFailed
	n.Closed = make(map[string]uint64, len(s.Engine.Closed))
	for reason, count := range s.Engine.Closed {
		n.Closed[string(reason)] = count
	}
	n.BrokenRules = make(map[string]uint64)
	for _, causes := range []map[error]uint64{s.Engine.Causes, s.Causes} {
		for cause, count := range causes {
			n.BrokenRules[ruleOf(cause)] += count
		}
	}
	n.Connected, n.NotConnected = s.Connected, s.Refused
	n.Disconnected = make(map[string]uint64, len(s.Disconnected))
	for reason, count := range s.Disconnected {
		n.Disconnected[string(reason)] = count
	}
	n.VolatileDropped, n.RateLimited = s.Engine.VolatileDropped, s.RateLimited
	f := &s.Forward
	n.Forwarded = map[string]uint64{"out": f.Out, "in": f.In, "failed": f.Failed, "refused": f.Refused}
	n.Tunnels = f.Tunnels
}

// refusal is why a request was refused, in a word.
func refusal(code engineio.RefusalCode) string {
	switch code {
	case engineio.UnknownTransport:
		return "unknown_transport"
	case engineio.UnknownSession:
		return "unknown_session"
	case engineio.BadHandshakeMethod:
		return "bad_method"
	case engineio.BadRequest:
		return "bad_request"
	case engineio.Forbidden:
		return "forbidden"
	case engineio.UnsupportedProtocolVersion:
		return "unsupported_protocol"
	default:
		return "other"
	}
}

// rules are the rules and limits whose breaking is worth a word of its own.
var rules = []struct {
	cause error
	word  string
}{
	{engineio.ErrOverflow, "slow"},
	{engineio.ErrTooLarge, "too_large"},
	{engineio.ErrFlood, "flood"},
	{socketio.ErrRateLimited, "rate_limited"},
	{socketio.ErrConnectTimeout, "joined_nothing"},
	{socketio.ErrTooManySockets, "too_many_sockets"},
	{socketio.ErrUnfinished, "too_many_sockets"},
	{parser.ErrAttachments, "attachments"},
	{parser.ErrAttachmentBytes, "attachments"},
	{parser.ErrMalformed, "malformed"},
}

// ruleOf is the rule that was broken, in a word; the rules of the protocols are one.
func ruleOf(cause error) string {
	for i := range rules {
		if errors.Is(cause, rules[i].cause) {
			return rules[i].word
		}
	}
	return "protocol"
}
