package endtoend

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/roombus/roombus/adapters/redisstream"
	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/domain"
)

const (
	// eventName is the event of the messages.
	eventName = "n"
	// rate is how many messages are published in a second.
	rate = 300
	// Each client is in two of the fixed rooms. The others are joined and left by orders in the log.
	fixedRooms, movingRooms = 30, 6
	// orderEvery is after how many messages such an order is given.
	orderEvery = 30
)

func fixedRoom(i int) string  { return fmt.Sprint("fixed ", i%fixedRooms) }
func movingRoom(i int) string { return fmt.Sprint("moving ", i%movingRooms) }

// load is an emitter, which is no node, that publishes numbered messages at a steady pace.
type load struct {
	t       *testing.T
	io      socketio.Emitter
	chance  *rand.Rand
	sockets []string
	sent    atomic.Int64
	running sync.WaitGroup
	end     func()
	ended   chan struct{}
}

// connect connects the test itself to the cluster's Redis.
func connect(t *testing.T, url string) *redisstream.Transport {
	t.Helper()
	transport, err := redisstream.Connect(t.Context(), url, redisstream.Config{MaxLength: 1_000_000})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := transport.Close(); err != nil {
			t.Errorf("close the transport: %v", err)
		}
	})
	return transport
}

// newLoad makes an emitter that knows the ids of sockets.
func newLoad(t *testing.T, transport *redisstream.Transport, sockets []string, chance *rand.Rand) *load {
	t.Helper()
	l := &load{t: t, sockets: sockets, chance: chance, ended: make(chan struct{})}
	l.end = sync.OnceFunc(func() { close(l.ended) })
	t.Cleanup(func() { l.end(); l.running.Wait() })
	emitter, err := app.NewEmitter(transport.Log())
	if err != nil {
		t.Fatal(err)
	}
	if l.io, err = socketio.NewEmitter(emitter); err != nil {
		t.Fatal(err)
	}
	return l
}

// all emits an event to all clients and returns its place.
func (l *load) all(event string) domain.Offset {
	l.t.Helper()
	at, err := l.io.Emit(l.t.Context(), event)
	if err != nil {
		l.t.Fatalf("emit %s: %v", event, err)
	}
	return at
}

// start begins to publish.
func (l *load) start() {
	l.running.Go(func() {
		due := time.NewTimer(0)
		defer due.Stop()
		began := time.Now()
		for i := 0; ; i++ {
			select {
			case <-l.ended:
				return
			case <-due.C:
			}
			if err := l.publish(i); err != nil {
				l.t.Errorf("message %d: %v", i, err) // Redis does not fail in these tests
			}
			l.sent.Add(1)
			due.Reset(time.Until(began.Add(time.Duration(i+1) * time.Second / rate)))
		}
	})
}

// publish publishes a message, and sometimes an order.
func (l *load) publish(number int) error {
	ctx := context.WithoutCancel(l.t.Context())
	if number%orderEvery == orderEvery-1 {
		if err := l.order(ctx); err != nil {
			return err
		}
	}
	_, err := l.target().Emit(ctx, eventName, number)
	return err
}

// target is for whom the next message is.
func (l *load) target() socketio.Emitter {
	n := l.chance.Int()
	switch l.chance.IntN(20) {
	case 0:
		return l.io.To(l.sockets[n%len(l.sockets)])
	case 1:
		return l.io.To(fixedRoom(n), movingRoom(n)).Except(fixedRoom(n + 1))
	case 2, 3:
		return l.io.To(movingRoom(n))
	default:
		return l.io.To(fixedRoom(n))
	}
}

// order changes who is in a moving room.
func (l *load) order(ctx context.Context) error {
	n, room := l.chance.Int(), movingRoom(l.chance.Int())
	if l.chance.IntN(4) == 0 {
		_, err := l.io.In(fixedRoom(n)).SocketsJoin(ctx, room)
		return err
	}
	_, err := l.io.In(fixedRoom(n)).SocketsLeave(ctx, room)
	return err
}

// more waits until so many more messages were published.
func (l *load) more(n int64) {
	l.t.Helper()
	want := l.sent.Load() + n
	until(l.t, fmt.Sprint(n, " more messages"), func() bool { return l.sent.Load() >= want })
}

// stop ends the publishing.
func (l *load) stop() {
	l.end()
	l.running.Wait()
}

// until asks again and again, for what no event tells.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-timer.C:
			t.Fatalf("it did not come true within %s: %s", patience, what)
		case <-tick.C:
		}
	}
}
