package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// Node is a member of the cluster. All its methods may be called from many goroutines.
//
// A node is made, gets its edges, and runs; then clients may come:
//
//	node, err := app.NewNode(log, channel, sessions, app.Config{})
//	server, err := socketio.NewServer(node, socketio.Config{})
//	err = node.Run(ctx)
//	err = http.ListenAndServe(":3000", server)
//
// Closing goes the other way round: the server (its clients' waiting requests end), the listener, the node, the
// transport.
type Node struct {
	id         domain.NodeID
	log        ports.Log
	channel    ports.Channel
	census     ports.Census // nil when the channel does not know who listens
	sessions   ports.Sessions
	asking     ports.RequestObserver  // nil when nobody wants to stand around requests
	deliveries ports.DeliveryObserver // nil when nobody wants to hear of deliveries
	keeper     *keeper                // nil when nothing can be recovered
	config     Config
	started    time.Time

	mu         sync.RWMutex
	state      nodeState
	edges      []ports.Edge
	namespaces map[string]*namespace
	streams    map[string]*stream
	tail       ports.Subscription

	// working counts calls that may append; Close waits for them before it says goodbye.
	working  sync.WaitGroup
	loops    sync.WaitGroup
	requests requests
	handlers *executor // the application's handlers of server-side emits, in order
	outbox   *executor // answers to other nodes, which wait for the log
	told     *executor // Config.OnMember, in order
	draining atomic.Bool
	leaving  atomic.Pointer[time.Time] // since when the node drains
	archived atomic.Int64              // bytes in the namespaces' archives

	ctx    context.Context //nolint:containedctx // the node's lifetime, no caller's: it ends when the node closes
	cancel context.CancelFunc
	done   chan struct{}
}

type nodeState uint8

const (
	nodeNew nodeState = iota
	nodeStarting
	nodeRunning
	nodeClosed
)

const (
	maxWaitingHandlers = 10_000
	maxWaitingAnswers  = 100_000
	answerWorkers      = 16
	// answerTimeout bounds how long a heartbeat or an answer may take.
	answerTimeout = 5 * time.Second
	// goodbyeTimeout bounds how long Close tries to tell the others.
	goodbyeTimeout = time.Second
)

// NewNode returns a node with a new id over the given transport; log, channel and sessions may belong to one transport
// or to several. sessions may be nil: then nothing can be recovered. The node closes none of them.
func NewNode(log ports.Log, channel ports.Channel, sessions ports.Sessions, config Config) (*Node, error) {
	if log == nil || channel == nil {
		return nil, errors.New("app.NewNode: a node needs a log and a channel")
	}
	id := domain.NodeID(randomHex())
	config, err := config.withDefaults(id)
	if err != nil {
		return nil, err
	}
	n := &Node{
		id:         id,
		log:        log,
		channel:    channel,
		sessions:   sessions,
		config:     config,
		namespaces: make(map[string]*namespace),
		streams:    make(map[string]*stream),
		done:       make(chan struct{}),
	}
	n.handlers = newExecutor(1, maxWaitingHandlers, n.panicked)
	n.outbox = newExecutor(answerWorkers, maxWaitingAnswers, n.panicked)
	n.told = newExecutor(1, maxWaitingHandlers, n.panicked)
	n.census, _ = ports.As[ports.Census](channel)
	n.asking, _ = ports.As[ports.RequestObserver](config.Observer)
	n.deliveries, _ = ports.As[ports.DeliveryObserver](config.Observer)
	n.requests.pending = make(map[domain.RequestID]*pending)
	if config.Order == OrderLocalFirst && n.RecoveryWindow() > 0 {
		return nil, errors.New("app.NewNode: OrderLocalFirst cannot go together with recovery: what a node's own sockets " +
			"get before the log has it has no position from which a client could go on; choose one of the two")
	}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	if n.RecoveryWindow() > 0 {
		n.keeper = newKeeper(n)
	}
	return n, nil
}

// randomHex returns 16 random hexadecimal characters, the form of node and request ids on the wire.
func randomHex() string {
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	return hex.EncodeToString(random[:])
}

// ID is the node's id, new with every start.
func (n *Node) ID() domain.NodeID { return n.id }

// Name is the node's name for people.
func (n *Node) Name() string { return n.config.Name }

// Attach gives the node an edge; a node may have several. After Run it is an error.
func (n *Node) Attach(e ports.Edge) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.state != nodeNew {
		return errors.New("attach an edge: the node runs already; attach all edges before Run")
	}
	n.edges = append(n.edges, e)
	return nil
}

// Run joins the cluster: it returns when the node reads the log and has told the others. What others append from now
// on reaches its sockets. ctx bounds the start alone; Close ends what Run has started. A node runs once.
func (n *Node) Run(ctx context.Context) error {
	n.mu.Lock()
	switch n.state {
	case nodeNew:
	case nodeClosed:
		n.mu.Unlock()
		return fmt.Errorf("run: %w", domain.ErrClosed)
	default:
		n.mu.Unlock()
		return errors.New("run: the node runs already")
	}
	n.state = nodeStarting
	n.started = time.Now()
	n.mu.Unlock()

	tail, err := n.log.Tail(ctx, "", reader{n})
	if err != nil {
		_ = n.Close()
		return fmt.Errorf("read the log: %w", err)
	}
	n.mu.Lock()
	if n.state != nodeStarting {
		n.mu.Unlock()
		return errors.Join(fmt.Errorf("run: %w", domain.ErrClosed), tail.Close())
	}
	n.tail = tail
	n.state = nodeRunning
	open := slices.Collect(maps.Values(n.namespaces))
	n.loops.Add(1)
	if n.keeper != nil {
		n.loops.Add(1)
	}
	n.mu.Unlock()

	go n.beat()
	if n.keeper != nil {
		go n.keeper.run()
	}
	for _, ns := range open {
		if err := n.join(ctx, ns); err != nil {
			_ = n.Close()
			return err
		}
	}
	return nil
}

// Open makes the node a member of a namespace: others know it there, its answers are waited for. Whatever uses a
// namespace opens it; it is needed only for a namespace that merely listens. Before Run it is done by Run.
func (n *Node) Open(ctx context.Context, namespace string) error {
	ns, err := n.namespace(namespace)
	if err != nil {
		return err
	}
	n.mu.RLock()
	state := n.state
	n.mu.RUnlock()
	switch state {
	case nodeRunning:
		return n.join(ctx, ns)
	case nodeClosed:
		return domain.ErrClosed
	default:
		return nil
	}
}

// namespace returns the state of a namespace, made if need be.
func (n *Node) namespace(name string) (*namespace, error) {
	if name == "" || name[0] != '/' {
		return nil, fmt.Errorf("namespace %q: a namespace begins with a slash", name)
	}
	n.mu.RLock()
	ns, ok := n.namespaces[name]
	n.mu.RUnlock()
	if ok {
		return ns, nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.state == nodeClosed {
		return nil, domain.ErrClosed
	}
	if ns, ok := n.namespaces[name]; ok {
		return ns, nil
	}
	ns = n.newNamespace(name)
	n.namespaces[name] = ns
	return ns, nil
}

// enter begins a call that may append in a namespace, and joins the namespace if need be. This node's own sockets get
// body first, where that is the order; nil for none. The caller calls n.working.Done when the call is over.
func (n *Node) enter(ctx context.Context, namespace string, body domain.Body) (*namespace, error) {
	ns, err := n.namespace(namespace)
	if err != nil {
		return nil, err
	}
	if err := n.begin(); err != nil {
		return nil, err
	}
	if body != nil {
		n.localFirst(ctx, ns, body)
	}
	if err := n.join(ctx, ns); err != nil {
		n.working.Done()
		return nil, err
	}
	return ns, nil
}

func (n *Node) begin() error {
	n.mu.RLock()
	defer n.mu.RUnlock()
	switch n.state {
	case nodeRunning:
		n.working.Add(1)
		return nil
	case nodeClosed:
		return domain.ErrClosed
	default:
		return ErrNotRunning
	}
}

// Done is closed when the node has closed.
func (n *Node) Done() <-chan struct{} { return n.done }

// Close leaves the cluster at once: calls that wait for answers return with what they have, appends under way finish
// within their own deadlines, local changes that wait for these to come back are made (after up to a second), sessions
// are stored as they are then, the others are told (for up to a second), and everything that the node started has
// ended when Close returns. It does not close its edges: close a server first, so that its clients' last messages go
// out. Calling it again waits for the first call, or for Drain, which it cuts short. It must not be called by an
// observer, an edge, or a handler that the node has called.
func (n *Node) Close() error {
	n.cancel()
	return n.close()
}

// close refuses calls, and ends when those that are under way have: at once if the node's context has ended.
func (n *Node) close() error {
	n.mu.Lock()
	if n.state == nodeClosed {
		n.mu.Unlock()
		<-n.done
		return nil
	}
	ran := n.state == nodeRunning
	n.state = nodeClosed
	tail := n.tail
	open := slices.Collect(maps.Values(n.namespaces))
	n.mu.Unlock()
	defer close(n.done)

	n.working.Wait()
	n.handlers.close()
	n.outbox.close()
	if ran {
		n.awaitChanges(open)
	}
	for _, ns := range open {
		n.drain(ns)
	}
	n.cancel()
	if n.keeper != nil {
		n.keeper.cancel()
	}
	n.loops.Wait()
	n.told.close()
	if n.keeper != nil && !ran {
		close(n.keeper.done)
	}
	var errs []error
	if ran {
		errs = append(errs, n.leave(open))
	}
	if tail != nil {
		errs = append(errs, tail.Close())
	}
	return errors.Join(errs...)
}

// leave says goodbye in all namespaces that were joined. Nothing is published under the node's id afterwards.
func (n *Node) leave(open []*namespace) error {
	ctx, cancel := context.WithTimeout(context.Background(), goodbyeTimeout)
	defer cancel()
	errs := make([]error, len(open))
	atOnce(len(open), func(i int) { errs[i] = open[i].leave(ctx, n) })
	return errors.Join(errs...)
}

// atOnce calls f for 0 to n-1, some at the same time, and returns when all calls have. What each waits for is the
// log, which takes many messages in one go.
func atOnce(n int, f func(i int)) {
	const limit = 64
	var running sync.WaitGroup
	room := make(chan struct{}, limit)
	for i := range n {
		room <- struct{}{}
		running.Go(func() {
			defer func() { <-room }()
			f(i)
		})
	}
	running.Wait()
}

// observe tells the observer, if there is one.
func (n *Node) observe(ctx context.Context, e domain.Event) {
	if n.config.Observer != nil {
		n.config.Observer.Observe(ctx, e)
	}
}

// reached tells to how many sockets a message went, if anybody wants to know.
func (n *Node) reached(ctx context.Context, ns *namespace, m *domain.Message, at domain.Offset, sockets int) {
	if n.deliveries != nil {
		n.deliveries.ObserveDelivery(ctx, domain.Delivered{
			Namespace: ns.name, Kind: m.Kind(), From: m.Node, Offset: at, Sockets: sockets,
		})
	}
}

// panicked reports a panic of work that the node had put off.
func (n *Node) panicked(fault any) {
	n.observe(n.ctx, &domain.Dropped{Err: fmt.Errorf("it panicked: %v", fault)})
}

// while returns a context with the values of ctx that ends after answerTimeout, or with the node.
func (n *Node) while(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTimeout)
	stop := context.AfterFunc(n.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}
