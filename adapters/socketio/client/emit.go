package client

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/roombus/roombus/adapters/socketio/parser"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/payload"
)

// outgoing is an event that waits for the socket to be connected.
type outgoing struct {
	wire []byte
	ack  *pendingAck // nil for one without
}

// pendingAck is an answer that the server owes.
type pendingAck struct {
	id uint64
	// buffered is set while the question has not been sent.
	buffered bool
	answer   chan acknowledgement // has room for the one answer
}

// acknowledgement is an answer, or why there is none.
type acknowledgement struct {
	value domain.Value
	err   error
}

// Emit sends an event to the server. No error means that it was handed over, not that it has arrived: to the connection,
// or, while the socket is not connected, to the buffer for the next one, also before Connect. The arguments are what
// encoding/json can marshal; each []byte in them, at any depth, travels as binary.
//
// It waits while more waits to be sent than Config.SendQueue allows, and returns the cause of ctx when that ends first.
// ErrBufferFull and ErrNotConnected say that the socket is not connected, ErrTooLarge that the server would not take the
// packet, ErrClosed that Close was called; an error that is a domain.ErrInvalidPayload that the arguments cannot be sent.
// The packet is not sent then.
func (s *Socket) Emit(ctx context.Context, event string, args ...any) error {
	p, err := payload.MarshalEvent(event, args...)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	return s.send(ctx, parser.Packet{Type: parser.Event, Payload: p.Value()}, nil)
}

// EmitVolatile is Emit for what is worth nothing later: the packet is dropped, without an error, when the socket is not
// connected or something else still waits to be sent.
func (s *Socket) EmitVolatile(ctx context.Context, event string, args ...any) error {
	p, err := payload.MarshalEvent(event, args...)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	m := encode(parser.Packet{Type: parser.Event, Namespace: s.namespace, Payload: p.Value()})
	c := s.client
	c.mu.Lock()
	defer c.mu.Unlock()
	switch err := s.checked(m); {
	case err != nil:
		return err
	case s.connected:
		c.effort.link.offerIdle(m.wire)
	}
	return nil
}

// EmitWithAck sends an event, as Emit does, and waits for the server's answer: the first argument of its callback, the
// zero Value where there was none. [Decode] turns it into a Go value. Where ctx has no deadline Config.AckTimeout is one.
//
// ErrAckTimeout says that the time is over; a packet that has not been sent by then is not sent any more. ErrNotConnected
// says that the connection was lost meanwhile. In both cases the server may have got the event; send it again only if it
// does no harm twice.
func (s *Socket) EmitWithAck(ctx context.Context, event string, args ...any) (domain.Value, error) {
	p, err := payload.MarshalEvent(event, args...)
	if err != nil {
		return domain.Value{}, err
	}
	if err := ctx.Err(); err != nil {
		return domain.Value{}, context.Cause(ctx)
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.client.config.AckTimeout)
		defer cancel()
	}
	ack := &pendingAck{answer: make(chan acknowledgement, 1)}
	question := parser.Packet{Type: parser.Event, ID: s.number(), HasID: true, Payload: p.Value()}
	ack.id = question.ID
	if err := s.send(ctx, question, ack); err != nil {
		return domain.Value{}, timedOut(err)
	}
	select {
	case a := <-ack.answer:
		return a.value, a.err
	case <-ctx.Done():
		s.forget(ack)
		return domain.Value{}, timedOut(context.Cause(ctx))
	}
}

// timedOut makes a deadline an ErrAckTimeout, too; any other error stays as it is.
func timedOut(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: %w", ErrAckTimeout, err)
	}
	return err
}

// number is the id of the next question.
func (s *Socket) number() uint64 {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	s.nextID++
	return s.nextID - 1
}

// send sends a packet of the socket's namespace. It waits while there is no room.
func (s *Socket) send(ctx context.Context, p parser.Packet, ack *pendingAck) error {
	p.Namespace = s.namespace
	m := encode(p)
	for {
		room, err := s.offer(m, ack)
		if room == nil {
			return err
		}
		select {
		case <-room:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// offer hands a packet over, or returns what to wait for.
func (s *Socket) offer(m message, ack *pendingAck) (room <-chan struct{}, err error) {
	c := s.client
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := s.checked(m); err != nil {
		return nil, err
	}
	if s.connected {
		room = c.effort.link.offer(m.wire)
	} else {
		err = s.keep(outgoing{wire: m.wire, ack: ack})
	}
	if room == nil && err == nil && ack != nil {
		if s.acks == nil {
			s.acks = make(map[uint64]*pendingAck, 1)
		}
		s.acks[ack.id] = ack
	}
	return room, err
}

// checked is why nothing can be sent, or not this. Client.mu is held.
func (s *Socket) checked(m message) error {
	if s.client.closed() {
		return ErrClosed
	}
	if limit := s.client.maxPayload; limit > 0 && m.largest > limit {
		return fmt.Errorf("%w: a message of %d bytes, at most %d are allowed", ErrTooLarge, m.largest, limit)
	}
	return nil
}

// keep buffers a packet for the next connection. Client.mu is held.
func (s *Socket) keep(o outgoing) error {
	config := &s.client.config
	switch {
	case config.NoBuffer:
		return ErrNotConnected
	case len(s.buffer) > 0 &&
		(len(s.buffer) >= config.SendQueue || s.bufferBytes+len(o.wire) > config.SendQueueBytes):
		return ErrBufferFull
	}
	if o.ack != nil {
		o.ack.buffered = true
	}
	s.buffer = append(s.buffer, o)
	s.bufferBytes += len(o.wire)
	return nil
}

// flush sends what was buffered. Client.mu is held.
func (s *Socket) flush(l *link) {
	for _, o := range s.buffer {
		if o.ack != nil {
			o.ack.buffered = false
		}
		l.push(o.wire)
	}
	s.buffer, s.bufferBytes = nil, 0
}

// forget gives up a question, and does not ask it if it has not been asked yet.
func (s *Socket) forget(ack *pendingAck) {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	delete(s.acks, ack.id)
	if !ack.buffered {
		return
	}
	s.buffer = slices.DeleteFunc(s.buffer, func(o outgoing) bool {
		if o.ack == ack {
			s.bufferBytes -= len(o.wire)
		}
		return o.ack == ack
	})
}

// discard gives up everything that waits to be sent, when the client is closed. Client.mu is held.
func (s *Socket) discard() {
	for _, ack := range s.acks {
		ack.answer <- acknowledgement{err: ErrClosed}
	}
	s.acks, s.buffer, s.bufferBytes = nil, nil, 0
}

// acknowledged takes an answer of the server. One to a question that is not there (any more) is ignored. Client.mu is
// held.
func (s *Socket) acknowledged(p parser.Packet) {
	ack := s.acks[p.ID]
	if ack == nil || !p.HasID || ack.buffered {
		return
	}
	delete(s.acks, p.ID)
	var first domain.Value
	if args, err := p.Payload.Elements(); err == nil && len(args) > 0 {
		first = args[0]
	}
	ack.answer <- acknowledgement{value: first}
}
