package handlers

import (
	"fmt"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/payload"
)

// Args are several values in the place of one: a function given to [OnAck] that returns them answers with as many
// arguments.
//
//	socketio.OnAck(io, "position", func(…) (socketio.Args, error) { return socketio.Args{x, y}, nil })
type Args []any

// Reply is what a function has to say: the array of its arguments, the zero Value for none. Given is false for one that
// replies nothing.
type Reply struct {
	Payload domain.Value
	Given   bool
}

// replied encodes what a function has returned.
func replied[R any](r R, err error) (Reply, error) {
	if err != nil {
		return Reply{}, err
	}
	args, several := any(r).(Args)
	if !several {
		one := any(r)
		if v, ok := one.(domain.Value); ok && v.IsZero() {
			return Reply{Given: true}, nil
		}
		args = Args{one}
	}
	array, err := payload.MarshalArgs(args...)
	if err != nil {
		return Reply{}, fmt.Errorf("the answer: %w", err)
	}
	return Reply{Payload: array, Given: true}, nil
}

// arguments decodes the arguments of an event.
func arguments(p domain.Packet, into ...any) error {
	if whole, ok := into[0].(*domain.Packet); ok && len(into) == 1 {
		*whole = p
		return nil
	}
	if err := payload.UnmarshalArgs(p, into...); err != nil {
		return &ArgumentError{Event: p.Event(), Err: err}
	}
	return nil
}

// Tell1 calls a function with the argument of an event. Where that has another shape the function is not called, and the
// error is an *ArgumentError. A domain.Packet takes the whole event.
func Tell1[A any](p domain.Packet, call func(a A) error) (Reply, error) {
	var a A
	if err := arguments(p, &a); err != nil {
		return Reply{}, err
	}
	return Reply{}, call(a)
}

// Tell2 is Tell1 for two arguments.
func Tell2[A, B any](p domain.Packet, call func(a A, b B) error) (Reply, error) {
	var a A
	var b B
	if err := arguments(p, &a, &b); err != nil {
		return Reply{}, err
	}
	return Reply{}, call(a, b)
}

// Tell3 is Tell1 for three arguments.
func Tell3[A, B, C any](p domain.Packet, call func(a A, b B, c C) error) (Reply, error) {
	var a A
	var b B
	var c C
	if err := arguments(p, &a, &b, &c); err != nil {
		return Reply{}, err
	}
	return Reply{}, call(a, b, c)
}

// Ask0 calls a function that takes no argument and replies.
func Ask0[R any](call func() (R, error)) (Reply, error) { return replied(call()) }

// Ask1 is Tell1 for a function that replies: with one value, or with [Args].
func Ask1[A, R any](p domain.Packet, call func(a A) (R, error)) (r Reply, err error) {
	_, err = Tell1(p, func(a A) error { r, err = replied(call(a)); return err })
	return r, err
}

// Ask2 is Ask1 for two arguments.
func Ask2[A, B, R any](p domain.Packet, call func(a A, b B) (R, error)) (r Reply, err error) {
	_, err = Tell2(p, func(a A, b B) error { r, err = replied(call(a, b)); return err })
	return r, err
}

// Ask3 is Ask1 for three arguments.
func Ask3[A, B, C, R any](p domain.Packet, call func(a A, b B, c C) (R, error)) (r Reply, err error) {
	_, err = Tell3(p, func(a A, b B, c C) error { r, err = replied(call(a, b, c)); return err })
	return r, err
}

// Outcome is what the functions of one event have to say together: the first reply, and the first error.
type Outcome struct {
	Reply Reply
	Err   error
}

// Add notes what one of them has said.
func (o *Outcome) Add(r Reply, err error) {
	if o.Err == nil {
		o.Err = err
	}
	if err == nil && !o.Reply.Given {
		o.Reply = r
	}
}

// Answer is what goes back to who has asked: the array of the arguments, or of the text that the function returns for an
// error. The zero Value is for no arguments.
func (o *Outcome) Answer(text func(error) string) domain.Value {
	if o.Err != nil {
		return ErrorAnswer(text(o.Err))
	}
	return o.Reply.Payload
}

// Ack is the Answer as the payload of an acknowledgement. The error says that it cannot be one.
func (o *Outcome) Ack(text func(error) string) (domain.Value, error) {
	answer := o.Answer(text)
	if answer.IsZero() {
		return payload.MarshalArgs()
	}
	if n := len(answer.Attachments()); n > domain.MaxAttachments {
		return domain.Value{}, fmt.Errorf("the answer has %d binaries, but Socket.IO takes at most %d", n, domain.MaxAttachments)
	}
	return answer, nil
}

// Decode decodes an answer; one without a value decodes to the zero R.
func Decode[R any](answer domain.Value, err error) (R, error) {
	var r R
	if err != nil || answer.IsZero() {
		return r, err
	}
	err = payload.Unmarshal(answer, &r)
	return r, err
}
