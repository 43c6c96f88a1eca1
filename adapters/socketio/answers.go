package socketio

import (
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/handlers"
)

// Collect decodes the answers that EmitWithAck or ServerSideEmitWithAck has returned, to be called around it:
//
//	votes, err := socketio.Collect[Vote](io.To(room).EmitWithAck(ctx, "vote", question))
//
// A partial result stays one: the answers that came are decoded and the error is passed on. An answer of another shape
// ends the decoding with an error.
func Collect[R any](answers []domain.Value, err error) ([]R, error) {
	decoded := make([]R, 0, len(answers))
	for _, answer := range answers {
		r, decodeErr := Decode[R](answer, nil)
		if decodeErr != nil {
			return decoded, decodeErr
		}
		decoded = append(decoded, r)
	}
	return decoded, err
}

// Decode decodes the answer that Socket.EmitWithAck has returned, to be called around it:
//
//	name, err := socketio.Decode[string](s.EmitWithAck(ctx, "who are you"))
//
// An answer without a value decodes to the zero R.
func Decode[R any](answer domain.Value, err error) (R, error) {
	return handlers.Decode[R](answer, err)
}

// Decode2 decodes the answer that Socket.EmitWithAckArgs has returned, to be called around it:
//
//	x, y, err := socketio.Decode2[int, int](s.EmitWithAckArgs(ctx, "where are you"))
//
// What the client has left out decodes to a zero value, what is too much is ignored.
func Decode2[A, B any](answer []domain.Value, err error) (A, B, error) {
	var b B
	a, err := Decode[A](first(answer), err)
	if err != nil || len(answer) < 2 {
		return a, b, err
	}
	b, err = Decode[B](answer[1], nil)
	return a, b, err
}
