package redisstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// servers makes connections of its own out of a client's options. Publishing, reading and everything else need
// different settings: a publisher must not be retried behind its back, a blocked reader must not use up the pool that
// others need, and both must notice a silent peer.
type servers struct {
	// single are the options for one server or for the master that Sentinel names; nil for a cluster.
	single *redis.Options
	// cluster finds who holds a key; nil otherwise.
	cluster *redis.ClusterClient
	// shared is for sessions, replays and checks; in a cluster it is the same.
	shared redis.UniversalClient
	// asked are servers to ask instead of those that hold a key, for once.
	asked redirections
}

// dialTimeout bounds the making of a connection.
const dialTimeout = 2 * time.Second

// newServers copies the client's options. The client itself is not used, but a Sentinel client must stay open: its
// options refer to it.
func newServers(client redis.UniversalClient) (*servers, error) {
	switch c := client.(type) {
	case *redis.Client:
		options := *c.Options()
		shared := options
		shared.ContextTimeoutEnabled = true
		withoutPushes(&shared)
		return &servers{single: &options, shared: redis.NewClient(&shared)}, nil
	case *redis.ClusterClient:
		options := *c.Options()
		options.ContextTimeoutEnabled = true
		options.PushNotificationProcessor = nil
		options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
		cluster := redis.NewClusterClient(&options)
		return &servers{cluster: cluster, shared: cluster}, nil
	case nil:
		return nil, errors.New("no Redis client: pass a *redis.Client or a *redis.ClusterClient")
	default:
		return nil, fmt.Errorf("a Redis client of type %T: its options cannot be copied; pass a *redis.Client "+
			"(one server, or Sentinel) or a *redis.ClusterClient", client)
	}
}

// withoutPushes turns off what the server may push on a connection: moving a connection behind a publisher's back would
// hide which one has bytes in flight. The processor of pushes must not be shared with the client that was copied.
func withoutPushes(options *redis.Options) {
	options.PushNotificationProcessor = nil
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
}

// Close closes what newServers opened.
func (s *servers) Close() error { return s.shared.Close() }

// options are those of the server that holds a key.
func (s *servers) options(ctx context.Context, key string) (redis.Options, error) {
	if s.cluster == nil {
		return *s.single, nil
	}
	master, err := s.cluster.MasterForKey(ctx, key)
	if err != nil {
		return redis.Options{}, err
	}
	return *master.Options(), nil
}

// refresh looks again for who holds a key, after a server may have said that it does not.
func (s *servers) refresh(ctx context.Context, key string, answer error) {
	if s.cluster != nil {
		s.asked.note(key, answer)
		s.cluster.ReloadState(ctx)
	}
}

// holder is a client of the server that holds a key.
func (s *servers) holder(ctx context.Context, key string) (redis.Cmdable, error) {
	if s.cluster == nil {
		return s.shared, nil
	}
	return s.cluster.MasterForKey(ctx, key)
}

// connect makes a client with a single connection to the server that holds a key: nothing is retried, contexts'
// deadlines are honoured, and a reply may take as long as given.
func (s *servers) connect(ctx context.Context, key string, reply time.Duration) (*connection, error) {
	options, err := s.options(ctx, key)
	if err != nil {
		return nil, err
	}
	c := &connection{}
	if addr := s.asked.take(key); addr != "" {
		options.Addr, c.asking = addr, time.Now()
	}
	dial, greet := options.Dialer, options.OnConnect
	options.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if socket := c.takeFirst(); socket != nil {
			return socket, nil
		}
		socket, err := dial(ctx, network, addr)
		if err == nil {
			err = c.addSocket(socket)
		}
		return socket, err
	}
	options.OnConnect = func(ctx context.Context, conn *redis.Conn) error {
		if greet != nil {
			if err := greet(ctx, conn); err != nil {
				return err
			}
		}
		return c.identify(ctx, conn)
	}
	options.Dialer = c.tapping(options.Dialer)
	options.MaxRetries = -1
	options.ContextTimeoutEnabled = true
	options.DialTimeout = min(dialTimeout, options.DialTimeout)
	options.DialerRetries = 1
	options.ReadTimeout, options.WriteTimeout = reply, reply
	// One would do, but a pool that has failed to dial as often as its size starts a goroutine that dials on for a
	// second, even when the pool is closed. This one is closed after its first failure.
	options.PoolSize, options.PipelinePoolSize = 2, -1
	options.MinIdleConns, options.MaxIdleConns, options.MaxActiveConns = 0, 0, 0
	options.ConnMaxIdleTime, options.ConnMaxLifetime = -1, -1
	options.PoolTimeout = reply
	options.Limiter = nil
	options.AutoPipelineOptions = nil
	options.ClientSideCacheConfig, options.ClientSideCache = nil, nil
	withoutPushes(&options)
	// Dialled before there is a client: go-redis writes a line to the standard error for each failure of its own.
	dialing, cancel := context.WithTimeout(ctx, options.DialTimeout)
	defer cancel()
	if c.first, err = dial(dialing, options.Network, options.Addr); err != nil {
		return nil, err
	}
	c.sockets = append(c.sockets, c.first)
	c.client = redis.NewClient(&options)
	return c, nil
}

// connection is a client with one connection at a time, and what is known of the connections that it has had.
type connection struct {
	client *redis.Client
	// asking is when it was made to a server that did not own its slot; zero elsewhere.
	asking time.Time
	cargo  cargo // of the connection's owner

	mu      sync.Mutex
	first   net.Conn // not used yet; one of sockets
	sockets []net.Conn
	tap     *tap // of the last socket
	ids     []peerID
	closed  bool
	// single says that there is one connection at all: a lost one must not be replaced behind the owner's back.
	single bool
	// denied says that the server does not tell a connection its id.
	denied bool
}

// peerID names a connection of ours as its server does. The address guards against another connection of the same
// number, after the server was restarted.
type peerID struct{ id, addr string }

var errConnectionClosed = errors.New("the connection was closed")

// maxRemembered is how many connections are remembered; more than a handful means that they end on their own, with
// nothing in flight.
const maxRemembered = 8

// takeFirst hands over the socket that was dialled before there was a client, once.
func (c *connection) takeFirst() net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := c.first
	c.first = nil
	return first
}

func (c *connection) addSocket(socket net.Conn) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.single && len(c.sockets) > 0 {
		return errors.Join(errConnectionClosed, socket.Close())
	}
	if len(c.sockets) == maxRemembered {
		c.sockets = c.sockets[1:]
	}
	c.sockets = append(c.sockets, socket)
	return nil
}

// identify asks the server for the connection's id. Without the right to ask there is none.
func (c *connection) identify(ctx context.Context, conn *redis.Conn) error {
	info, err := conn.ClientInfo(ctx).Result()
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err == nil:
		if len(c.ids) == maxRemembered {
			c.ids = c.ids[1:]
		}
		c.ids = append(c.ids, peerID{id: strconv.FormatInt(info.ID, 10), addr: info.Addr})
		return nil
	case isReply(err):
		c.denied = true
		return nil
	default:
		return err
	}
}

// peers are the ids of the connections that there were; false when they are not all known.
func (c *connection) peers() ([]peerID, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ids, !c.denied
}

// close ends the connection at once, whatever it waits for.
func (c *connection) close() {
	c.mu.Lock()
	c.closed = true
	for _, socket := range c.sockets {
		socket.Close() //nolint:gosec // nothing more is expected of it
	}
	c.mu.Unlock()
	c.client.Close() //nolint:gosec // its only connection is closed already
}

// isReply reports whether err is what a server answered, so that nothing is outstanding.
func isReply(err error) bool {
	if err == nil {
		return false
	}
	var reply redis.Error
	return errors.As(err, &reply) && !errors.Is(err, redis.Nil) && !errors.Is(err, redis.TxFailedErr)
}

// isDialError reports whether err is that no connection could be made, so that nothing was sent.
func isDialError(err error) bool {
	var failed *net.OpError
	return errors.As(err, &failed) && failed.Op == "dial"
}

// passing are the beginnings of answers that refuse a command now and may not refuse it later.
var passing = [...]string{
	"LOADING", "READONLY", "CLUSTERDOWN", "TRYAGAIN", "MASTERDOWN", "NOREPLICAS", "MOVED", "ASK", "BUSY",
	"ERR max number of clients",
	"UNBLOCKED", // what a blocked read is told when its server becomes a replica
}

// isMoving reports whether a server's answer says that the key is elsewhere, or on its way there.
func isMoving(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply) && (redis.HasErrorPrefix(reply, "MOVED") || redis.HasErrorPrefix(reply, "ASK") ||
		redis.HasErrorPrefix(reply, "TRYAGAIN"))
}

// isPassing reports whether a server's answer may be another one soon.
func isPassing(err error) bool {
	var reply redis.Error
	if !errors.As(err, &reply) {
		return false
	}
	text := reply.Error()
	if _, cause, ok := strings.Cut(text, "discarded because of: "); ok {
		text = cause
	}
	for _, prefix := range passing {
		if strings.HasPrefix(text, prefix) {
			return true
		}
	}
	return false
}
