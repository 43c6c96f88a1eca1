package socketio

import (
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/payload"
)

// NewPacket makes the packet of an event, for what takes packets as they are: an app.Emitter above all. The arguments
// and the errors are those of [BroadcastOperator.Emit].
func NewPacket(event string, args ...any) (domain.Packet, error) {
	return payload.MarshalEvent(event, args...)
}

// NewServerPacket makes the packet of a server-side event. The arguments and the errors are those of
// [Namespace.ServerSideEmit].
func NewServerPacket(event string, args ...any) (domain.Packet, error) {
	return payload.MarshalServerEvent(event, args...)
}
