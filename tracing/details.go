package tracing

import (
	"go.opentelemetry.io/otel/attribute"

	"github.com/roombus/roombus/domain"
)

// maxListed bounds the lists in attributes.
const maxListed = 32

// detailsOf are the rooms and the event name of a message.
func detailsOf(b domain.Body) []attribute.KeyValue {
	switch b := b.(type) {
	case *domain.Broadcast:
		return append(targetOf(&b.Target), eventKey.String(b.Packet.Event()))
	case *domain.ServerSideEmit:
		return []attribute.KeyValue{eventKey.String(b.Packet.Event())}
	case *domain.Join:
		return targetOf(&b.Target)
	case *domain.Leave:
		return targetOf(&b.Target)
	case *domain.Disconnect:
		return targetOf(&b.Target)
	case *domain.FetchSockets:
		return targetOf(&b.Target)
	default:
		return nil
	}
}

func targetOf(t *domain.Target) []attribute.KeyValue {
	var all []attribute.KeyValue
	if len(t.Rooms) > 0 {
		all = append(all, roomsKey.StringSlice(t.Rooms[:min(len(t.Rooms), maxListed)]))
	}
	if len(t.Except) > 0 {
		all = append(all, exceptKey.StringSlice(t.Except[:min(len(t.Except), maxListed)]))
	}
	return all
}
