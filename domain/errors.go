package domain

import (
	"errors"
	"fmt"
	"strings"
)

// The outcomes of a publish that failed. A publish without an error is in the log.
var (
	// ErrNotPublished says that a message is not in the log and never will be: it was not sent, or it was refused.
	ErrNotPublished = errors.New("not published")
	// ErrUnknown says that a message was sent but the answer did not come in time: it may be in the log, once, or
	// not.
	ErrUnknown = errors.New("not known whether published")
)

// Other sentinels of the core and its transports.
var (
	// ErrClosed is returned by everything that was closed.
	ErrClosed = errors.New("closed")
	// ErrBadOffset says that an offset is not one of this log.
	ErrBadOffset = errors.New("not an offset of this log")
	// ErrGap says that the log no longer holds the whole of a range.
	ErrGap = errors.New("the log no longer holds the whole range")
	// ErrUnsupported says that a transport cannot do what was asked, now or ever.
	ErrUnsupported = errors.New("not supported by this transport")
	// ErrUnresponsive is why a request did not wait any longer for nodes that have missed a deadline and were not heard
	// since.
	ErrUnresponsive = errors.New("it has missed a deadline and was not heard since")
	// ErrNoSession says that there is no session of that id: it never was, it ended, it expired, or a Node.js server
	// has taken it.
	ErrNoSession = errors.New("no such session")
	// ErrSessionClaimed says that somebody has claimed a session and has not said yet what becomes of it: soon it is
	// theirs, or can be claimed again.
	ErrSessionClaimed = errors.New("somebody else is taking the session")
	// ErrNoLease says that a node has no lease: it never had one, or it is gone for longer than its sessions can be
	// recovered.
	ErrNoLease = errors.New("the node has no lease")
	// ErrSessionLost says that a session is no longer its writer's: another node has claimed it.
	ErrSessionLost = errors.New("the session was claimed by another node")
	// ErrDisconnected says that a client that comes back was ordered to disconnect while it was away.
	ErrDisconnected = errors.New("the client was ordered to disconnect")
)

// PartialError comes with the answers that a request did get when others are missing.
type PartialError struct {
	// Missing are the nodes that did not answer, in order of their ids.
	Missing []NodeID
	// Unnamed counts further nodes that did not answer and whose names are not known (Node.js servers of the 0.3
	// line have none until they answer).
	Unnamed int
	// MissingAcks is how many of the sockets that were counted did not answer; zero for other requests.
	MissingAcks int
	// Err is why the waiting ended: a context's error, ErrClosed, or ErrUnresponsive. Nil when the missing nodes left
	// the cluster.
	Err error
}

// Error names what is missing.
func (e *PartialError) Error() string {
	var parts []string
	if len(e.Missing) > 0 {
		names := make([]string, len(e.Missing))
		for i, id := range e.Missing {
			names[i] = string(id)
		}
		parts = append(parts, "no answer from "+strings.Join(names, ", "))
	}
	if e.Unnamed > 0 {
		parts = append(parts, fmt.Sprintf("no answer from %s without a name", count(e.Unnamed, "node")))
	}
	if e.MissingAcks > 0 {
		parts = append(parts, count(e.MissingAcks, "ack")+" missing")
	}
	text := "partial result: " + strings.Join(parts, "; ")
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func count(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}

// Unwrap returns Err.
func (e *PartialError) Unwrap() error { return e.Err }
