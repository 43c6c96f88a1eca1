package main

import (
	"context"
	"errors"
	"fmt"
	"maps"

	wm "github.com/ThreeDotsLabs/watermill/message"

	"github.com/roombus/roombus/adapters/redisstream"
	"github.com/roombus/roombus/adapters/watermill"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// connect makes the transport under measure, with its defaults.
func connect(ctx context.Context, s setup) (*redisstream.Transport, error) {
	return redisstream.Connect(ctx, s.Redis, redisstream.Config{
		Stream: s.Stream, MaxLength: s.MaxLength, ReadCount: s.ReadCount,
	})
}

// member is a node with its transport.
type member struct {
	transport *redisstream.Transport
	node      *app.Node
}

// join makes a node and runs it. A receiver's count is its edge. with decorates its ports; nil for not at all.
func join(ctx context.Context, s setup, count *counter, with decoration) (*member, error) {
	transport, err := connect(ctx, s)
	if err != nil {
		return nil, err
	}
	config := app.Config{}
	if count != nil {
		config.Observer = observer{count}
	}
	var log ports.Log = transport.Log()
	channel := transport.Channel()
	if with != nil {
		d, err := with()
		if err != nil {
			return nil, errors.Join(err, transport.Close())
		}
		log, channel, config.Observer = d.Log(log), d.Channel(channel), d.Observer(config.Observer)
	}
	node, err := app.NewNode(log, channel, transport.Sessions(), config)
	if err != nil {
		return nil, errors.Join(err, transport.Close())
	}
	m := &member{transport: transport, node: node}
	if count != nil {
		if err := node.Attach(edge{count}); err != nil {
			return nil, errors.Join(err, m.close())
		}
	}
	if err := node.Open(ctx, namespace); err != nil {
		return nil, errors.Join(err, m.close())
	}
	if err := node.Run(ctx); err != nil {
		return nil, errors.Join(err, m.close())
	}
	return m, nil
}

func (m *member) send(ctx context.Context, number int) error {
	packet, err := domain.NewPacket(args(number))
	if err != nil {
		return err
	}
	_, err = m.node.Broadcast(ctx, namespace, target, packet)
	return err
}

func (m *member) close() error { return errors.Join(m.node.Close(), m.transport.Close()) }

func nodePublisher(ctx context.Context, s setup) (sender, error) { return join(ctx, s, nil, nil) }

func nodeReceiver(ctx context.Context, s setup, count *counter) (func() error, error) {
	return decoratedReceiver(nil)(ctx, s, count)
}

func decoratedPublisher(with decoration) func(context.Context, setup) (sender, error) {
	return func(ctx context.Context, s setup) (sender, error) { return join(ctx, s, nil, with) }
}

func decoratedReceiver(with decoration) func(context.Context, setup, *counter) (func() error, error) {
	return func(ctx context.Context, s setup, count *counter) (func() error, error) {
		m, err := join(ctx, s, count, with)
		if err != nil {
			return nil, err
		}
		return m.close, nil
	}
}

// edge counts what is delivered to sockets.
type edge struct{ *counter }

func (e edge) Deliver(_ context.Context, d *domain.Delivery) int {
	e.count(d.Packet.JSON())
	return 1
}

func (edge) Apply(context.Context, string, domain.RoomOperation, domain.Offset) int { return 0 }

func (edge) Sockets(context.Context, string, *domain.Target) []domain.SocketDetails { return nil }

func (edge) ServerSideEmit(_ context.Context, _ string, _ domain.Packet, reply func(domain.Value)) {
	if reply != nil {
		reply(domain.Value{})
	}
}

// observer hears what the node says is lost. A node says it of the stream, where it can count what was trimmed, and
// else of a publisher's numbers.
type observer struct{ *counter }

func (o observer) Observe(_ context.Context, event domain.Event) {
	if gap, ok := event.(*domain.Gap); ok && gap.Publisher == "" {
		o.tell(gap.Lost)
	}
}

// emitting is a process that publishes and reads nothing.
type emitting struct {
	transport *redisstream.Transport
	emitter   *app.Emitter
}

func emitterPublisher(ctx context.Context, s setup) (sender, error) {
	transport, err := connect(ctx, s)
	if err != nil {
		return nil, err
	}
	emitter, err := app.NewEmitter(transport.Log())
	if err != nil {
		return nil, errors.Join(err, transport.Close())
	}
	return emitting{transport, emitter}, nil
}

func (e emitting) send(ctx context.Context, number int) error {
	packet, err := domain.NewPacket(args(number))
	if err != nil {
		return err
	}
	_, err = e.emitter.Broadcast(ctx, namespace, target, packet)
	return err
}

func (e emitting) close() error { return e.transport.Close() }

// publishing is our publisher alone, as Watermill sees it: a message at a time, from many goroutines.
type appending struct {
	transport *redisstream.Transport
	stream    string
}

func watermillPublisher(ctx context.Context, s setup) (sender, error) {
	transport, err := connect(ctx, s)
	if err != nil {
		return nil, err
	}
	return appending{transport, s.Stream}, nil
}

func (a appending) send(ctx context.Context, number int) error {
	m := watermillMessage("", number)
	m.SetContext(ctx)
	return a.transport.Publisher().Publish(a.stream, m)
}

func (a appending) close() error { return a.transport.Close() }

// batching is the same, with many messages in one call, as the bare go-redis loop has them.
type batching struct{ appending }

func watermillBatchPublisher(ctx context.Context, s setup) (sender, error) {
	transport, err := connect(ctx, s)
	if err != nil {
		return nil, err
	}
	return batching{appending{transport, s.Stream}}, nil
}

func (b batching) sendBatch(ctx context.Context, first, count int) error {
	messages := make([]*wm.Message, count)
	for i := range messages {
		messages[i] = watermillMessage("", first+i)
		messages[i].SetContext(ctx)
	}
	return b.transport.Publisher().Publish(b.stream, messages...)
}

// watermillMessage is a message with the fields of the Node.js adapter's entries.
func watermillMessage(uuid string, number int) *wm.Message {
	m := wm.NewMessage(uuid, envelope(number))
	maps.Copy(m.Metadata, fields)
	return m
}

// watermillReceiver is our subscriber alone, with its ability to hand over batches.
func watermillReceiver(ctx context.Context, s setup, count *counter) (func() error, error) {
	transport, err := connect(ctx, s)
	if err != nil {
		return nil, err
	}
	if _, err := transport.Subscriber().Tail(ctx, s.Stream, "", batches{count}); err != nil {
		return nil, errors.Join(fmt.Errorf("subscribe: %w", err), transport.Close())
	}
	return transport.Close, nil
}

type batches struct{ *counter }

func (b batches) HandleBatch(batch []watermill.Received) {
	for i := range batch {
		if batch[i].Err == nil {
			b.count(argsIn(batch[i].Payload))
		}
	}
}

func (b batches) HandleNotice(n domain.Notice) {
	if gap, ok := n.(*domain.Gap); ok {
		b.tell(gap.Lost)
	}
}
