package ports

import (
	"context"
	"time"

	"github.com/roombus/roombus/domain"
)

// Session is a socket's session as its node keeps it: what the client can have again when its connection is lost. A
// node hands it out to its edges; no transport implements it.
//
// Join, Leave, SetData, Away, Discard and End never block and are stored soon after (within about 50 ms, many together).
// Join, Leave, Away, Discard and End are called in the namespace's order: in a change that the node makes in order, or in Edge.Apply,
// with the position that was passed there.
type Session interface {
	// ID is the private id, which is told to this client alone.
	ID() domain.SessionID
	// Join says that the socket is in the rooms for everything after at.
	Join(rooms []string, at domain.Offset)
	// Leave says that the socket is in the rooms for nothing after at.
	Leave(rooms []string, at domain.Offset)
	// Arrivals says how to learn what has arrived at the client: all that was sent to it before the time that upTo
	// returns; the zero Time for unknown. A client that was quiet for long can then recover although the last position
	// that it has seen is in the log no more. upTo may be called from anywhere, until the session is away or over; it
	// must not block, and its times are those of this process, with their monotonic reading.
	Arrivals(upTo func() time.Time)
	// SetData replaces what the application keeps with the socket. It may be called from anywhere.
	SetData(v domain.Value)
	// Away says that the connection was lost at a position, and that the client may come back for the node's
	// recovery window from now on. Only End has an effect afterwards.
	Away(at domain.Offset)
	// Discard says that there is nothing to come back to: who asks for the session gets a new one, unless somebody has
	// claimed it by then, who may have it. Only End has an effect afterwards.
	Discard()
	// End says that the client must not come back. What it returns is closed when the session is deleted, and nobody
	// can recover it any more, or when a client that is about to has been ordered to disconnect; or, when the store
	// could not be reached, once its record would have expired or the node has closed. It has no effect on a session
	// that was lost before.
	End() (deleted <-chan struct{})
	// Saved waits until everything that was said so far is stored. The error is domain.ErrSessionLost when somebody
	// else has the session, domain.ErrClosed when the node has closed, or ctx's.
	Saved(ctx context.Context) error
}

// Comeback is a client that has its session again, and is on its way from what it has seen to where the node's reader
// stands. It is used by one goroutine at a time, and ends with an Enter that returns true or an error, or with
// Abandon. Until then the session is nobody else's.
type Comeback interface {
	// Socket is the public id that the client had, and has again.
	Socket() domain.SocketID
	// Session is its private id.
	Session() domain.SessionID
	// Data is what the application kept with the socket.
	Data() domain.Value
	// Next returns packets that the client missed, in order: about maxBytes of them, and one at least while there are
	// any. None means that it has caught up for now. Deliveries are shared with other clients that come back, and
	// have an Offset.
	Next(ctx context.Context, maxBytes int) ([]*domain.Delivery, error)
	// Enter makes the client one of the node's sockets, in the namespace's order, if what it still misses fits into
	// maxBytes: it calls enter with that rest, the rooms in which the socket is, its session, and the position as of
	// which all this holds. enter puts the socket into the edge's index; it runs under the namespace's order, so it
	// must not block and must not call the node. It reports false, and has done nothing, when there is more to take
	// with Next.
	//
	// The error of Next and Enter is domain.ErrGap when the client cannot get what it missed any more,
	// domain.ErrSessionLost when somebody else has its session now, domain.ErrDisconnected when it was ordered to
	// disconnect meanwhile, or ctx's; whichever it is, it has been told that it was recovered, so its connection
	// must end. Only after ctx's error may it try again.
	Enter(
		ctx context.Context, maxBytes int,
		enter func(rest []*domain.Delivery, rooms []string, s Session, at domain.Offset),
	) (bool, error)
	// Abandon says that the client is gone before it has entered. Its session is kept for another recovery. After the
	// end it does nothing.
	Abandon()
}
