package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// Emitter publishes to the cluster from a process that is no node: a job, a worker, an HTTP handler elsewhere. It is
// never counted, never answers and reads nothing. Its methods may be called from many goroutines.
type Emitter struct {
	log ports.Log
}

// NewEmitter returns an emitter over a log, which it does not close. Where a call's context has no deadline the log's
// own holds.
func NewEmitter(log ports.Log) (*Emitter, error) {
	if log == nil {
		return nil, errors.New("app.NewEmitter: an emitter needs a log")
	}
	return &Emitter{log: log}, nil
}

// Broadcast sends a packet to the sockets of a namespace that the target means, and returns its position in the log.
// domain.ErrNotPublished and domain.ErrUnknown say what is known when it fails. A local target is an error, because an
// emitter has no sockets, and so is one with a timeout for acks, because it reads no answers.
func (e *Emitter) Broadcast(ctx context.Context, namespace string, t domain.Target, p domain.Packet) (domain.Offset, error) {
	if t.Flags.Local {
		return "", errLocalEmitter
	}
	if t.Flags.Timeout != 0 || t.Flags.ExpectSingleResponse {
		return "", errAckEmitter
	}
	return e.append(ctx, namespace, &domain.Broadcast{Target: t, Packet: p})
}

// Operate performs a room operation on the sockets of a namespace that its target means.
func (e *Emitter) Operate(ctx context.Context, namespace string, op domain.RoomOperation) (domain.Offset, error) {
	if targetOf(op).Flags.Local {
		return "", errLocalEmitter
	}
	return e.append(ctx, namespace, op)
}

// ServerSideEmit hands an event to the application on every node of a namespace.
func (e *Emitter) ServerSideEmit(ctx context.Context, namespace string, p domain.Packet) (domain.Offset, error) {
	return e.append(ctx, namespace, &domain.ServerSideEmit{Packet: p})
}

var (
	errLocalEmitter = errors.New("an emitter has no local sockets: leave out the local flag")
	errAckEmitter   = errors.New("an emitter reads no acks: leave out the timeout, or let a node ask")
)

func (e *Emitter) append(ctx context.Context, namespace string, body domain.Body) (domain.Offset, error) {
	if namespace == "" || namespace[0] != '/' {
		return "", fmt.Errorf("namespace %q: a namespace begins with a slash", namespace)
	}
	at, err := e.log.Append(ctx, &domain.Message{Node: domain.EmitterID, Namespace: namespace, Body: body})
	if err != nil {
		return "", fmt.Errorf("publish in %s: %w", namespace, err)
	}
	return at, nil
}
