package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	stock "github.com/ThreeDotsLabs/watermill-redisstream/pkg/redisstream"
	"github.com/redis/go-redis/v9"
)

// newClient is a client with go-redis' defaults.
func newClient(s setup) (*redis.Client, error) {
	options, err := redis.ParseURL(s.Redis)
	if err != nil {
		return nil, fmt.Errorf("the address of Redis: %w", err)
	}
	return redis.NewClient(options), nil
}

// stockSender is watermill-redisstream's publisher.
type stockSender struct {
	publisher *stock.Publisher
	stream    string
}

func stockPublisher(_ context.Context, s setup) (sender, error) {
	client, err := newClient(s)
	if err != nil {
		return nil, err
	}
	publisher, err := stock.NewPublisher(stock.PublisherConfig{Client: client, DefaultMaxlen: s.MaxLength}, nil)
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return stockSender{publisher, s.Stream}, nil
}

func (p stockSender) send(_ context.Context, number int) error {
	return p.publisher.Publish(p.stream, watermillMessage(watermill.NewUUID(), number))
}

func (p stockSender) close() error { return p.publisher.Close() }

// stockReceiver is watermill-redisstream's subscriber without a group: fan-out. It begins at the stream's beginning,
// because what is published right after a Subscribe from the end can be missed.
func stockReceiver(ctx context.Context, s setup, count *counter) (func() error, error) {
	client, err := newClient(s)
	if err != nil {
		return nil, err
	}
	subscriber, err := stock.NewSubscriber(stock.SubscriberConfig{
		Client: client, FanOutOldestId: "0", DisableIndefiniteInitialBlock: true,
	}, nil)
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	messages, err := subscriber.Subscribe(ctx, s.Stream)
	if err != nil {
		return nil, errors.Join(err, subscriber.Close())
	}
	var running sync.WaitGroup
	running.Go(func() {
		for m := range messages {
			count.count(argsIn(m.Payload))
			m.Ack()
		}
	})
	return func() error {
		err := subscriber.Close() // which closes the client too
		running.Wait()
		return err
	}, nil
}

// bareSender writes pipelines of XADD: the least that a Go program can do with go-redis.
type bareSender struct {
	client    *redis.Client
	stream    string
	maxLength int64
}

func barePublisher(_ context.Context, s setup) (sender, error) {
	client, err := newClient(s)
	if err != nil {
		return nil, err
	}
	return bareSender{client, s.Stream, s.MaxLength}, nil
}

func (p bareSender) send(ctx context.Context, number int) error { return p.sendBatch(ctx, number, 1) }

func (p bareSender) sendBatch(ctx context.Context, first, count int) error {
	pipe := p.client.Pipeline()
	for number := first; number < first+count; number++ {
		pipe.XAdd(ctx, &redis.XAddArgs{
			Stream: p.stream, MaxLen: p.maxLength, Approx: true,
			Values: []string{
				"uid", fields["uid"], "nsp", fields["nsp"], "type", fields["type"], "data", string(envelope(number)),
			},
		})
	}
	_, err := pipe.Exec(ctx)
	return err
}

func (p bareSender) close() error { return p.client.Close() }

// The bare receiver reads this much at once, and waits this long.
const (
	bareReadCount = 1000
	bareBlock     = time.Second
)

func bareReceiver(ctx context.Context, s setup, count *counter) (func() error, error) {
	client, err := newClient(s)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	var failure error
	running.Go(func() { failure = readBare(ctx, client, s.Stream, count) })
	return func() error {
		cancel()
		running.Wait() // for up to a block
		return errors.Join(failure, client.Close())
	}, nil
}

func readBare(ctx context.Context, client *redis.Client, stream string, count *counter) error {
	for cursor := "0"; ctx.Err() == nil; {
		streams, err := client.XRead(ctx, &redis.XReadArgs{
			Streams: []string{stream, cursor}, Count: bareReadCount, Block: bareBlock,
		}).Result()
		switch {
		case errors.Is(err, redis.Nil):
			continue
		case err != nil && ctx.Err() != nil:
			return nil //nolint:nilerr // it was told to end
		case err != nil:
			return fmt.Errorf("read: %w", err)
		}
		for _, m := range streams[0].Messages {
			if data, ok := m.Values["data"].(string); ok && strings.HasPrefix(data, "{") {
				count.count(argsIn([]byte(data)))
			}
			cursor = m.ID
		}
	}
	return nil
}
