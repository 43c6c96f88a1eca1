package socketio

import (
	"context"
	"slices"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/handlers"
)

// OnAnyOutgoing has a function called for every event that is sent to a socket of this node: once a socket, for
// broadcasts from whatever node and for emits to the socket alone. It does not tell of what a client is sent again that
// comes back (recovery), nor of acks.
//
// Calls come as those of OnJoin do: one after the other, after the event was handed over (a volatile one may have been
// dropped), on a goroutine of their own, and within the same bound.
func (ns *Namespace) OnAnyOutgoing(handle func(ctx context.Context, s *Socket, p domain.Packet)) {
	ns.watch(func(h *roomHooks) { h.outgoing = append(slices.Clip(h.outgoing), handle) })
}

// wantsOutgoing reports whether somebody is to be told of events. The namespace's lock is held.
func (x *index) wantsOutgoing() bool {
	return x.hooks != nil && len(x.hooks.outgoing) > 0 || x.observed.by() != nil
}

// sent has it told that sockets were sent an event. It does not block. The namespace's lock is held.
func (x *index) sent(p domain.Packet, sockets ...*Socket) {
	if o := x.observed.by(); o != nil {
		for _, s := range sockets {
			o.Sent(s, p)
		}
	}
	if len(sockets) == 0 || x.hooks == nil || len(x.hooks.outgoing) == 0 {
		return
	}
	h, outgoing := x.hooks, x.hooks.outgoing
	tell := func() {
		for _, s := range sockets {
			for _, handle := range outgoing {
				h.tell(s, func(ctx context.Context) { handle(ctx, s, p) })
			}
		}
	}
	if !h.jobs.Offer(&h.ns.server.running, maxRoomChanges, handlers.Job{Do: tell}) {
		h.lost.Add(1)
	}
}
