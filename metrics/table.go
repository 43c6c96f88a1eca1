package metrics

// kind is what an instrument is.
type kind string

const (
	counter   kind = "counter"
	gauge     kind = "gauge"
	histogram kind = "histogram"
)

// instrument is a metric as it is declared, and as docs/metrics.md lists it.
type instrument struct {
	name, unit string
	kind       kind
	labels     []string
	about      string
}

// The labels.
const (
	systemLabel    = "messaging.system"
	operationLabel = "messaging.operation.name"
	errorLabel     = "error.type"
	laneLabel      = "roombus.lane"
	kindLabel      = "roombus.message.kind"
	reasonLabel    = "roombus.reason"
	resultLabel    = "roombus.result"
	partLabel      = "roombus.part"
	transportLabel = "roombus.transport"
	changeLabel    = "roombus.change"
	namespaceLabel = "messaging.destination.name"
)

// The names.
const (
	sentMessages     = "messaging.client.sent.messages"
	consumedMessages = "messaging.client.consumed.messages"
	sendDuration     = "messaging.client.operation.duration"
	sentSize         = "roombus.message.sent.size"
	receivedSize     = "roombus.message.received.size"
	deliveryDuration = "roombus.message.delivery.duration"

	logLag     = "roombus.log.lag"
	logDelay   = "roombus.log.delay"
	logLead    = "roombus.log.clock_lead"
	logGaps    = "roombus.log.gaps"
	logLost    = "roombus.log.lost"
	logResets  = "roombus.log.resets"
	logRepeats = "roombus.log.repeats"
	logBad     = "roombus.log.bad_entries"
	logHeld    = "roombus.log.held"

	transportLosses = "roombus.transport.losses"
	transportLost   = "roombus.transport.lost"

	queueDropped = "roombus.queue.dropped"
	queueLength  = "roombus.queue.length"

	requestEnded   = "roombus.request.ended"
	requestPending = "roombus.request.pending"

	recoveryEnded    = "roombus.recovery.ended"
	recoveryReplayed = "roombus.recovery.replayed"
	recoveryWindow   = "roombus.recovery.window"
	sessionFailures  = "roombus.session.failures"

	memberChanges = "roombus.member.changes"
	nodeCount     = "roombus.node.count"

	connectionCount      = "roombus.connection.count"
	connectionHandshakes = "roombus.connection.handshakes"
	connectionUpgrades   = "roombus.connection.upgrades"
	connectionClosed     = "roombus.connection.closed"
	connectionBroken     = "roombus.connection.broken_rules"
	socketCount          = "roombus.socket.count"
	socketConnects       = "roombus.socket.connects"
	socketDisconnects    = "roombus.socket.disconnects"
	volatileDropped      = "roombus.socket.volatile_dropped"
	rateLimited          = "roombus.socket.rate_limited"
	roomCount            = "roombus.room.count"
	namespaceCount       = "roombus.namespace.count"

	forwardRequests = "roombus.forward.requests"
	forwardTunnels  = "roombus.forward.tunnels"
)

// instruments are all metrics.
var instruments = []instrument{
	{sentMessages, "{message}", counter, []string{systemLabel, operationLabel, laneLabel, kindLabel, errorLabel}, "Messages that this node has published, or tried to: error.type is there when it failed."},
	{consumedMessages, "{message}", counter, []string{systemLabel, operationLabel, laneLabel, kindLabel}, "Messages that this node has read, its own included."},
	{sendDuration, "s", histogram, []string{systemLabel, operationLabel, laneLabel, errorLabel}, "How long a publish took, until the log or the channel had answered."},
	{sentSize, "By", counter, []string{laneLabel, kindLabel}, "Bytes of the events and answers in the messages that were published, without what the transport adds."},
	{receivedSize, "By", counter, []string{laneLabel, kindLabel}, "The same of the messages that were read."},
	{deliveryDuration, "s", histogram, nil, "From the log's storing of a broadcast until it was handed to this node's sockets; see Clocks."},

	{logLag, "{entry}", gauge, nil, "Entries that the log has and this node has not handled, as of its last look."},
	{logDelay, "s", gauge, nil, "How old the last entry was when it was handled, while there are more; how long nothing was read, when that is unusual; else 0."},
	{logLead, "s", gauge, nil, "How much the log's clock is ahead of this node's, at least; see Clocks."},
	{logGaps, "{gap}", counter, []string{reasonLabel}, "Gaps: entries trimmed before they were read (trimmed), or a hole in a publisher's numbers (hole)."},
	{logLost, "{entry}", counter, []string{reasonLabel}, "Entries lost in them, where their number is known."},
	{logResets, "{reset}", counter, nil, "Times that the log was not the one of before: emptied, replaced, come back older."},
	{logRepeats, "{entry}", counter, nil, "Entries read a second time and dropped."},
	{logBad, "{entry}", counter, nil, "Entries that could not be read and were skipped."},
	{logHeld, "s", gauge, nil, "How far back the log reaches, the least of all streams: who is away for longer cannot recover. Missing while that is unknown, or nothing was trimmed yet."},

	{transportLosses, "{loss}", counter, nil, "Times that a stream or a channel could not be read any more."},
	{transportLost, "{stream}", gauge, nil, "Streams and channels that cannot be read now."},

	{queueDropped, "{message}", counter, []string{kindLabel}, "What the node gave up: answers that could not be sent, work that found its queue full."},
	{queueLength, "{message}", gauge, []string{partLabel}, "What waits in the node: changes for the log, requests for it to read on, handlers for the application, answers for the log."},

	{requestEnded, "{request}", counter, []string{kindLabel, resultLabel}, "Requests of this node: complete, partial (answers are missing) or failed (not sent)."},
	{requestPending, "{request}", gauge, nil, "Requests of this node that wait for answers."},

	{recoveryEnded, "{recovery}", counter, []string{resultLabel}, "Clients that came back, by what came of it: recovered, gap, expired, unknown, disabled."},
	{recoveryReplayed, "{packet}", counter, nil, "Packets that clients had missed and got."},
	{recoveryWindow, "s", gauge, nil, "For how long a client may be away; 0 when recovery is off."},
	{sessionFailures, "{attempt}", counter, nil, "Attempts to store sessions, or the node's lease, that failed; they are repeated."},

	{memberChanges, "{change}", counter, []string{changeLabel}, "What happened to other nodes: joined, updated, suspect, back, left, lost."},
	{nodeCount, "{node}", gauge, []string{namespaceLabel}, "Nodes of the cluster, this one included; the most of all namespaces, or by namespace with Config.Namespaces."},

	{connectionCount, "{connection}", gauge, nil, "Clients that are connected to this node."},
	{connectionHandshakes, "{handshake}", counter, []string{transportLabel, resultLabel}, "Connections that were made, by the transport with which they began, and requests that were refused, by why; their transport is none."},
	{connectionUpgrades, "{upgrade}", counter, []string{resultLabel}, "WebSockets that took over from polling, or were to and did not."},
	{connectionClosed, "{connection}", counter, []string{reasonLabel}, "Connections that ended, by the reason."},
	{connectionBroken, "{connection}", counter, []string{reasonLabel}, "Connections closed because the client broke a rule or a limit; slow are those that read too slowly."},
	{socketCount, "{socket}", gauge, nil, "Sockets of this node: a client has one in each namespace that it is connected to."},
	{socketConnects, "{socket}", counter, []string{resultLabel}, "Sockets that were connected or refused."},
	{socketDisconnects, "{socket}", counter, []string{reasonLabel}, "Sockets that ended, by the reason."},
	{volatileDropped, "{packet}", counter, nil, "Volatile packets that were not sent, because the client was not ready."},
	{rateLimited, "{event}", counter, nil, "Events of clients that were dropped because of a rate limit."},
	{roomCount, "{room}", gauge, nil, "Rooms that have a socket of this node."},
	{namespaceCount, "{namespace}", gauge, nil, "Namespaces of this node's server."},

	{forwardRequests, "{request}", counter, []string{resultLabel}, "Requests that a balancer has sent to the wrong node: out, which another node has answered for this one; in, which others have passed on to it; failed, which could not be passed on; refused, which claimed to be passed on and were not signed."},
	{forwardTunnels, "{connection}", gauge, nil, "WebSockets of other nodes' connections that run through this node."},
}
