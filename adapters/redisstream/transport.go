package redisstream

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/redis/go-redis/v9"

	"github.com/roombus/roombus/adapters/watermill"
	"github.com/roombus/roombus/ports"
)

// Transport is a cluster's connection through one stream of one Redis: it serves the three ports.
type Transport struct {
	config     Config
	servers    *servers
	publisher  *Publisher
	subscriber *Subscriber
	log        *watermill.Log
	channel    ports.Channel
	pubSub     *pubSubLane // nil without a lane of its own
	sessions   *Sessions
	client     io.Closer // the client that Connect made; nil after New
}

// New makes a transport with the options of a client: a *redis.Client, for one server or Sentinel, or a
// *redis.ClusterClient. Other clients are refused, because publishing and reading need connections with settings of
// their own (no retries, a pool of their own), and those cannot be made from them. The client's own connections are
// not used. It must stay open for as long as the transport, and is never closed by it.
//
// New does no I/O: see [Transport.Check].
func New(client redis.UniversalClient, config Config) (*Transport, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("make a transport on Redis Streams: %w", err)
	}
	s, err := newServers(client)
	if err != nil {
		return nil, fmt.Errorf("make a transport on Redis Streams: %w", err)
	}
	t := &Transport{
		config: config, servers: s,
		publisher: newPublisher(s, config), subscriber: newSubscriber(s, config), sessions: newSessions(s, config),
	}
	t.publisher.local = t.subscriber.local
	t.subscriber.echoes = t.publisher.echoes
	t.log, err = watermill.NewLog(t.publisher, t.subscriber, watermill.Config{
		Topic: config.streamOf, Topics: config.streams(), OnePosition: true,
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make a transport on Redis Streams: %w", err), s.Close())
	}
	if config.PubSub == PubSubOff {
		t.channel = watermill.NewLogChannel(t.log)
	} else {
		t.pubSub = newPubSubLane(s, config)
		t.channel = t.pubSub
	}
	return t, nil
}

// Connect makes a transport from a URL (see [ParseURL]) and checks it as [Transport.Check] does; Config.OnWarning is told
// of its warnings. Close closes all connections. No error contains the URL or its password.
func Connect(ctx context.Context, url string, config Config) (*Transport, error) {
	client, err := ParseURL(url)
	if err != nil {
		return nil, err
	}
	t, err := New(client, config)
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	t.client = client
	warnings, err := t.Check(ctx)
	if err != nil {
		return nil, errors.Join(err, t.Close())
	}
	for _, warning := range warnings {
		if config.OnWarning != nil {
			config.OnWarning(warning)
		}
	}
	return t, nil
}

// Log is the log on the stream.
func (t *Transport) Log() *watermill.Log { return t.log }

// Channel is the lane for requests and answers. With Config.PubSub it is one of its own, as in the 0.3 line of the
// Node.js adapter, and has the ability ports.Census; without, it is served over the log, as in the 0.2 line.
func (t *Transport) Channel() ports.Channel { return t.channel }

// Streams are the names of the streams that a tail reads.
func (t *Transport) Streams() []string { return t.config.streams() }

// StreamOf is the stream of a namespace.
func (t *Transport) StreamOf(namespace string) string { return t.config.streamOf(namespace) }

// Sessions is the store of sessions.
func (t *Transport) Sessions() *Sessions { return t.sessions }

// Publisher is the transport's publisher, for Watermill.
func (t *Transport) Publisher() *Publisher { return t.publisher }

// Subscriber is the transport's subscriber, for Watermill.
func (t *Transport) Subscriber() *Subscriber { return t.subscriber }

// Close waits for the outcome of what was published, ends the tails and closes the transport's connections. Calling
// it again does nothing.
func (t *Transport) Close() error {
	var err error
	if t.pubSub != nil {
		err = t.pubSub.Close()
	}
	err = errors.Join(err, t.publisher.Close(), t.subscriber.Close())
	if closing := t.servers.Close(); !errors.Is(closing, redis.ErrClosed) {
		err = errors.Join(err, closing)
	}
	if t.client != nil {
		if closing := t.client.Close(); !errors.Is(closing, redis.ErrClosed) {
			err = errors.Join(err, closing)
		}
	}
	return err
}
