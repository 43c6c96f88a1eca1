package main

import (
	"context"
	"errors"
	"time"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/domain"
)

// askTimeout is how long the answers to a question of the demo are waited for.
const askTimeout = 2 * time.Second

// answers is what came of a question.
type answers struct {
	// Count is how many sockets have answered.
	Count int `json:"count"`
	// Partial says what is missing, if anything.
	Partial string `json:"partial,omitempty"`
}

// ask asks all sockets of a room on all nodes, and counts who answers: a broadcast with acks.
func (d *demo) ask(ctx context.Context, s *socketio.Socket, room string) (answers, error) {
	if err := checkRoom(room); err != nil {
		return answers{}, err
	}
	got, err := d.io.To(room).Timeout(askTimeout).EmitWithAck(ctx, "question", heard{
		Room: room, Body: domain.TextValue("who is there?"), From: s.ID(), Node: d.node.Name(),
	})
	result := answers{Count: len(got)}
	if partial, ok := errors.AsType[*domain.PartialError](err); ok {
		result.Partial = partial.Error()
		err = nil
	}
	return result, err
}
