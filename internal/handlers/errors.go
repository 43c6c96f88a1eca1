package handlers

import (
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/payload"
)

// PublicError is what a handler returns for an error whose text the other side may see: the ack is answered with
// {"error": Message}. Of all other errors it sees "internal error". Errors that wrap a PublicError count as one; the
// other side sees the inner text alone.
type PublicError struct {
	Message string
}

// Error returns the message.
func (e *PublicError) Error() string { return e.Message }

// ArgumentError says that the arguments of an event did not have the shape that the handler wants. The handler was
// not called. It names the argument, what was expected and what was found, and never quotes it.
type ArgumentError struct {
	Event string
	Err   error
}

// Error names the event and what was wrong.
func (e *ArgumentError) Error() string { return fmt.Sprintf("event %q: %v", e.Event, e.Err) }

// Unwrap returns Err.
func (e *ArgumentError) Unwrap() error { return e.Err }

// PanicError says that a handler panicked. Its socket goes on.
type PanicError struct {
	// Value is what panic was called with.
	Value any
	// Stack is the stack of the goroutine, as text.
	Stack []byte
}

// Error says what the panic was.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Unwrap returns the value if it is an error.
func (e *PanicError) Unwrap() error {
	if err, ok := e.Value.(error); ok {
		return err
	}
	return nil
}

// Guarded calls the application and turns a panic into a *PanicError.
func Guarded(call func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return call()
}

// InternalError is what others see of an error that is not for them.
const InternalError = "internal error"

// PublicText is what others may know of an error.
func PublicText(err error) string {
	if public, ok := errors.AsType[*PublicError](err); ok {
		return public.Message
	}
	if arguments, ok := errors.AsType[*ArgumentError](err); ok {
		return arguments.Error()
	}
	return InternalError
}

// ErrorAnswer is [{"error": text}].
func ErrorAnswer(text string) domain.Value {
	array, _ := payload.MarshalArgs(struct {
		Error string `json:"error"`
	}{text}) // a string can always be marshalled
	return array
}
