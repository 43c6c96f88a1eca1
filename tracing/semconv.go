package tracing

import (
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	// The version of the conventions is pinned here, and nowhere else.
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/roombus/roombus/domain"
)

// schemaURL names the version of the conventions to the backend.
const schemaURL = semconv.SchemaURL

// Attributes that the conventions have no name for.
const (
	// kindKey is what a message is, one of thirteen words.
	kindKey = attribute.Key("roombus.message.kind")
	// laneKey is how a message travels: "log" or "channel".
	laneKey = attribute.Key("roombus.lane")
	// senderKey is the id of the node that a message, an answer or a report is about.
	senderKey = attribute.Key("roombus.sender.id")
	// nodeKey is the name of the node on which the span was made.
	nodeKey = attribute.Key("roombus.node.name")
	// socketsKey is to how many sockets of the node a message went.
	socketsKey = attribute.Key("roombus.sockets")
	// streamKey is the stream of the log.
	streamKey = attribute.Key("roombus.stream")
	// lostKey is how many entries are missing, 0 when that is unknown.
	lostKey = attribute.Key("roombus.lost")
	// answersKey is how many answers a request got.
	answersKey = attribute.Key("roombus.answers")
	// missingKey are the ids of the nodes that did not answer a request.
	missingKey = attribute.Key("roombus.missing")
	// replayedKey is how many missed packets a client got that came back.
	replayedKey = attribute.Key("roombus.recovery.replayed")
	// unnamedKey is how many nodes without a name did not answer, missingAcksKey how many sockets.
	unnamedKey     = attribute.Key("roombus.missing.unnamed")
	missingAcksKey = attribute.Key("roombus.missing.acks")
	// askedKey is how many nodes were asked.
	askedKey = attribute.Key("roombus.asked")
	// callKey is for what of a client the application was called: "connect", "event" or "disconnect".
	callKey = attribute.Key("roombus.client.call")
	// roomsKey, exceptKey, eventKey and socketKey are the details.
	roomsKey  = attribute.Key("roombus.rooms")
	exceptKey = attribute.Key("roombus.except")
	eventKey  = attribute.Key("roombus.event.name")
	socketKey = attribute.Key("roombus.socket.id")
	// awayKey is for how many seconds nothing could be read.
	awayKey = attribute.Key("roombus.away")
	// reasonKey says in a few words why.
	reasonKey = attribute.Key("roombus.reason")
)

// operation is what is done to a message.
type operation struct {
	name      string // the first word of the span's name
	operation attribute.KeyValue
	kind      trace.SpanKind
}

func sending() operation {
	return operation{"send", semconv.MessagingOperationTypeSend, trace.SpanKindProducer}
}

// requesting has no type among those of the conventions: it is a send and a receive with a wait between them.
func requesting() operation {
	return operation{"request", attribute.KeyValue{}, trace.SpanKindClient}
}

func processing() operation {
	return operation{"process", semconv.MessagingOperationTypeProcess, trace.SpanKindConsumer}
}

// attributes are those that are the same for all messages of a kind.
func (o operation) attributes(system string, lane lane, kind domain.Kind) []attribute.KeyValue {
	all := []attribute.KeyValue{
		semconv.MessagingSystemKey.String(system),
		semconv.MessagingOperationName(o.name),
		kindKey.String(kind.String()),
	}
	if o.operation.Valid() {
		all = append(all, o.operation)
	}
	if lane != "" {
		all = append(all, laneKey.String(string(lane)))
	}
	return all
}

// clientAttributes are those of what the application is called for because of a client.
func clientAttributes(system string, call domain.ClientCallKind) []attribute.KeyValue {
	return []attribute.KeyValue{
		semconv.MessagingSystemKey.String(system),
		semconv.MessagingOperationName(processing().name),
		processing().operation,
		laneKey.String(string(clientLane)),
		callKey.String(call.String()),
	}
}

func destination(namespace string) attribute.KeyValue {
	return semconv.MessagingDestinationName(namespace)
}

func messageID(at domain.Offset) attribute.KeyValue { return semconv.MessagingMessageID(string(at)) }

func conversation(id domain.RequestID) attribute.KeyValue {
	return semconv.MessagingMessageConversationID(string(id))
}

func errorType(name string) attribute.KeyValue { return semconv.ErrorTypeKey.String(name) }
