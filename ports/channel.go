package ports

import (
	"context"

	"github.com/roombus/roombus/domain"
)

// Channel is the ephemeral lane for requests and answers: nothing is stored, who does not listen misses it. All
// methods may be called from many goroutines.
//
// A transport without such a lane serves it over its log; its Listen then hands over nothing, because what was sent
// arrives at the log's tail. A node therefore takes every kind of message from either.
type Channel interface {
	// Send hands m to every listener of its namespace, or to one node alone when to is set. The sender's own
	// listener may or may not receive it. It blocks until the lane has taken the message or ctx is done (5 s by
	// default) and is never retried once it may have been sent. m is read until Send returns and never changed.
	Send(ctx context.Context, to domain.NodeID, m *domain.Message) error

	// Listen hands to h what is sent in a namespace to everybody or to the given node, until the subscription is
	// closed. It returns when whatever is sent from now on will be received; ctx bounds that start alone. A lost
	// connection is the lane's to mend. A node listens once a namespace, and only when it is ready to answer,
	// because peers may count listeners.
	Listen(ctx context.Context, namespace string, node domain.NodeID, h ChannelHandler) (Subscription, error)
}

// NoticeHandler is an optional ability of a ChannelHandler: it is told what could not be read on the lane, and that the
// lane cannot be heard.
type NoticeHandler interface {
	// HandleNotice receives a *domain.BadEntry, with no offset, a *domain.TransportLost or a *domain.TransportFound;
	// their stream is the lane's own name for the place. It is called as HandleMessage is.
	HandleNotice(ctx context.Context, n domain.Notice)
}

// ChannelHandler receives what is sent on the channel.
type ChannelHandler interface {
	// HandleMessage receives a message. Calls for one subscription do not overlap. It must not block. It may keep m,
	// and must not change it. ctx carries values only (the trace). A panic costs the message, not the listener.
	HandleMessage(ctx context.Context, m *domain.Message)
}
