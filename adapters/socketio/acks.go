package socketio

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/roombus/roombus/domain"
)

// ack is a packet whose acknowledgements are waited for, by one socket or by many.
type ack struct {
	id uint64
	// answer is called once a socket, with the arguments of the client's callback, or with ErrNotConnected. It must not
	// block.
	answer func([]domain.Value, error)
	// left counts the sockets that have not answered, and one more until all are there.
	left atomic.Int64
	// timer and sockets are those of a broadcast that gives up after a while.
	timer   *time.Timer
	sockets []*Socket
}

// newAck returns an ack that no socket owes yet.
func newAck(id uint64, answer func([]domain.Value, error)) *ack {
	a := &ack{id: id, answer: answer}
	a.left.Store(1)
	return a
}

// expireAfter is called when all the sockets that owe the ack are known: after the timeout they owe it no longer.
func (a *ack) expireAfter(timeout time.Duration, sockets []*Socket) {
	a.sockets = sockets
	a.timer = time.AfterFunc(timeout, a.expire)
	a.done()
}

func (a *ack) expire() {
	for _, s := range a.sockets {
		if s.acks.take(a.id) != nil {
			a.done()
		}
	}
}

// done counts an answer, or a socket that will give none. Until expireAfter has set the timer, it cannot be the last.
func (a *ack) done() {
	if a.left.Add(-1) == 0 && a.timer != nil {
		a.timer.Stop()
	}
}

// acks are the acknowledgements that one socket owes. The zero acks is ready.
type acks struct {
	mu      sync.Mutex
	waiting map[uint64]*ack
	closed  bool
}

// expect notes that the socket owes an ack; false says that it is gone.
func (k *acks) expect(a *ack) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return false
	}
	if k.waiting == nil {
		k.waiting = make(map[uint64]*ack, 1)
	}
	k.waiting[a.id] = a
	a.left.Add(1)
	return true
}

// take removes and returns what the socket owes under an id, nil for nothing.
func (k *acks) take(id uint64) *ack {
	k.mu.Lock()
	defer k.mu.Unlock()
	a := k.waiting[id]
	delete(k.waiting, id)
	if len(k.waiting) == 0 {
		k.waiting = nil
	}
	return a
}

// answered hands over what the client has sent. An id that is not owed (any more) is ignored, as in Node.js.
func (k *acks) answered(id uint64, args []domain.Value) {
	if a := k.take(id); a != nil {
		a.answer(args, nil)
		a.done()
	}
}

// close gives up all that is owed.
func (k *acks) close() {
	k.mu.Lock()
	waiting := k.waiting
	k.waiting, k.closed = nil, true
	k.mu.Unlock()
	for _, a := range waiting {
		a.answer(nil, ErrNotConnected)
		a.done()
	}
}

// first is the first of a callback's arguments, the zero Value where there is none.
func first(args []domain.Value) domain.Value {
	if len(args) == 0 {
		return domain.Value{}
	}
	return args[0]
}
