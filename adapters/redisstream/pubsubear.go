package redisstream

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/roombus/roombus/domain"
)

// ear is a connection that hears some channels, and the goroutine that reads it. Peers count connections, so there is
// never a second one: before it subscribes again it ends the old one at the server (CLIENT KILL).
type ear struct {
	listener *listener
	names    []string
	done     chan struct{}

	// ctx ends with the ear; it bounds the making of connections.
	ctx    context.Context //nolint:containedctx // the ear's own life, not a caller's
	cancel context.CancelFunc

	mu     sync.Mutex
	conn   *connection // closed to end a read that waits
	pubsub *redis.PubSub

	heard atomic.Bool // something has come since the last look

	// Of the goroutine, and of newEar before it.
	loose []peerID  // connections that may still be subscribed
	lost  time.Time // since when nothing can be heard; zero while it can
	early []*redis.Message
}

// newEar subscribes and returns when the server has said so.
func newEar(ctx context.Context, l *listener, names []string) (*ear, error) {
	e := &ear{listener: l, names: names, done: make(chan struct{})}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	if err := context.Cause(ctx); err != nil {
		e.cancel()
		return nil, err
	}
	if err := e.subscribe(ctx); err != nil {
		e.cancel()
		e.disconnect()
		return nil, err
	}
	go e.run()
	return e, nil
}

// unsubscribeTimeout bounds how long the farewell may take.
const unsubscribeTimeout = time.Second

// close unsubscribes and returns when nothing more is handed over.
func (e *ear) close() {
	e.cancel() // first: a connection that is made from now on is not used
	e.mu.Lock()
	conn, pubsub := e.conn, e.pubsub
	e.mu.Unlock()
	if pubsub != nil {
		ctx, cancel := context.WithTimeout(context.Background(), unsubscribeTimeout)
		defer cancel()
		err := e.listener.channel.unsubscribe(ctx, pubsub, e.names)
		if err == nil {
			select {
			case <-e.done: // the server has confirmed it
			case <-ctx.Done():
			}
		}
		conn.close()
	}
	<-e.done
}

func (c *pubSubLane) unsubscribe(ctx context.Context, from *redis.PubSub, names []string) error {
	if c.sharded {
		return from.SUnsubscribe(ctx, names...)
	}
	return from.Unsubscribe(ctx, names...)
}

func (e *ear) run() {
	defer close(e.done)
	defer e.disconnect()
	told := "" // the refusal that was last told
	for pause := minReadPause; e.ctx.Err() == nil; {
		err := e.connected()
		if err == nil && e.ctx.Err() == nil {
			pause, told = minReadPause, ""
			e.tellFound()
			err = e.listen()
		}
		if err == nil || e.ctx.Err() != nil {
			return
		}
		e.disconnect()
		e.tellLost(err)
		if isReply(err) && !isPassing(err) && told != err.Error() {
			told = err.Error()
			e.listener.tellBad(e.names[0], explain(err, "listen on "+e.names[0]))
		}
		e.listener.channel.servers.refresh(e.ctx, "", nil)
		select {
		case <-time.After(pause/2 + rand.N(pause/2)):
		case <-e.ctx.Done():
		}
		pause = min(2*pause, maxReadPause)
	}
}

// tellLost tells, once, that nothing can be heard.
func (e *ear) tellLost(err error) {
	if !e.lost.IsZero() {
		return
	}
	e.lost = time.Now()
	name := e.names[0]
	e.listener.tell(&domain.TransportLost{Stream: name, Since: e.lost, Err: explain(err, "listen on "+name)})
}

// tellFound tells that it hears again.
func (e *ear) tellFound() {
	if e.lost.IsZero() {
		return
	}
	e.listener.tell(&domain.TransportFound{Stream: e.names[0], Away: time.Since(e.lost)})
	e.lost = time.Time{}
}

// connected sees to a connection that is subscribed.
func (e *ear) connected() error {
	if e.conn != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(e.ctx, 2*dialTimeout)
	defer cancel()
	if err := e.endLoose(ctx); err != nil {
		return err
	}
	return e.subscribe(ctx)
}

// endLoose ends old connections at the server. Where the user may not, they last until the server notices.
func (e *ear) endLoose(ctx context.Context) error {
	for len(e.loose) > 0 {
		client, err := e.listener.channel.servers.holder(ctx, e.names[0])
		if err != nil {
			return err
		}
		peer := e.loose[0]
		err = client.ClientKillByFilter(ctx, "ID", peer.id, "ADDR", peer.addr).Err()
		if err != nil && (!isReply(err) || isPassing(err)) {
			return err
		}
		e.loose = e.loose[1:]
	}
	return nil
}

// subscribe connects, and waits until the server has confirmed each channel.
func (e *ear) subscribe(ctx context.Context) error {
	c := e.listener.channel
	conn, err := c.servers.connect(ctx, e.names[0], c.config.Block+dialTimeout)
	if err != nil {
		return err
	}
	conn.single = true
	var pubsub *redis.PubSub
	if c.sharded {
		pubsub = conn.client.SSubscribe(ctx)
	} else {
		pubsub = conn.client.Subscribe(ctx)
	}
	e.mu.Lock()
	e.conn, e.pubsub = conn, pubsub
	e.mu.Unlock()
	if c.sharded {
		err = pubsub.SSubscribe(ctx, e.names...)
	} else {
		err = pubsub.Subscribe(ctx, e.names...)
	}
	if err != nil {
		return err
	}
	for confirmed := 0; confirmed < len(e.names); {
		received, err := pubsub.ReceiveTimeout(ctx, dialTimeout)
		if err != nil {
			return err
		}
		switch received := received.(type) {
		case *redis.Subscription:
			confirmed++
		case *redis.Message: // of a channel that is confirmed already
			e.early = append(e.early, received)
		}
	}
	return nil
}

var errUnsubscribed = errors.New("the server has ended the subscription")

// listen hands over what comes. It returns without an error when the ear is closed and the server has confirmed that
// it hears nothing more.
func (e *ear) listen() error {
	defer e.watch()()
	for _, m := range e.early {
		e.listener.hear(m)
	}
	e.early = nil
	for gone := 0; ; {
		// Without a deadline: it could pass in the middle of a message.
		received, err := e.pubsub.Receive(context.Background())
		if err != nil {
			return err
		}
		e.heard.Store(true)
		switch received := received.(type) {
		case *redis.Message:
			e.listener.hear(received)
		case *redis.Subscription:
			if received.Kind != "unsubscribe" && received.Kind != "sunsubscribe" {
				continue
			}
			if e.ctx.Err() == nil {
				return errUnsubscribed // its slot has moved to another server
			}
			gone++
			if gone == len(e.names) {
				return nil
			}
		}
	}
}

// watch probes the connection when nothing comes on it, and closes it when there is no answer, until it is stopped.
func (e *ear) watch() (stop func()) {
	ended := make(chan struct{})
	var watching sync.WaitGroup
	conn, pubsub := e.conn, e.pubsub
	watching.Go(func() {
		tick := time.NewTicker(e.listener.channel.config.Block)
		defer tick.Stop()
		var probed time.Time
		for {
			select {
			case <-ended:
				return
			case <-tick.C:
			}
			switch {
			case e.heard.Swap(false):
				probed = time.Time{}
			case probed.IsZero():
				probed = time.Now()
				if pubsub.Ping(e.ctx) != nil {
					conn.close()
					return
				}
			case time.Since(probed) > dialTimeout:
				conn.close()
				return
			}
		}
	})
	return func() { close(ended); watching.Wait() }
}

// disconnect closes the connection. As the server may not have noticed, it is remembered.
func (e *ear) disconnect() {
	e.mu.Lock()
	conn := e.conn
	e.conn, e.pubsub = nil, nil
	e.mu.Unlock()
	if conn == nil {
		return
	}
	conn.close()
	peers, _ := conn.peers()
	e.loose = append(e.loose, peers...)
	if len(e.loose) > maxRemembered {
		e.loose = e.loose[len(e.loose)-maxRemembered:]
	}
}
