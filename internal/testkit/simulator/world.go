package simulator

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"sync"
	"testing/synctest"
	"time"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// world is a cluster that goes through its plan, with all that is remembered of it.
//
// Nobody holds its lock while he calls a node: a node calls back under locks of its own.
type world struct {
	plan    *plan
	mutant  mutant
	memory  *inmemory.Cluster
	scribe  *inmemory.Member // reads everything, and nothing goes wrong for it
	compare func(a, b domain.Offset) int
	emitter *app.Emitter
	began   time.Time
	calling calls // that the plan has begun

	mu       sync.Mutex
	order    int
	calm     bool // nothing goes wrong any more
	story    []line
	log      []*logged
	byOffset map[domain.Offset]int // of the log
	known    numbers
	calls    []*call
	named    map[string]*call // by event or mark
	changes  []*change
	slots    []*run // nil while the node is down
	runs     []*run // all that ever were
	clients  []*client
	lives    []*life
	parts    int
	returns  []*comeback
	wrong    []string      // what the model has found wrong
	settled  domain.Offset // what everybody has read in the end
}

// moment is when something happened: the time since the beginning, and its place among all that happened.
type moment struct {
	at    time.Duration
	order int
}

func (m moment) before(o moment) bool { return m.order < o.order }

// line is a line of the story; it is written only if somebody wants to read it.
type line struct {
	moment
	who    string
	format string
	args   []any
}

// logged is an entry of the log as the scribe has read it.
type logged struct {
	*domain.Entry
	moment
	index int
	again bool // a repeat of an entry before it
}

// now is the present moment. The caller holds the lock.
func (w *world) now() moment {
	w.order++
	return moment{time.Since(w.began), w.order}
}

// tellf adds to the story. The caller holds the lock.
func (w *world) tellf(who, format string, args ...any) {
	w.story = append(w.story, line{w.now(), who, format, args})
}

// violationf says that a promise was broken. The caller holds the lock, or everything is over.
func (w *world) violationf(format string, args ...any) {
	const enough = 20
	if len(w.wrong) < enough {
		w.wrong = append(w.wrong, fmt.Sprintf(format, args...))
	}
}

// chance is a source of chance for one purpose. It does not depend on what else happens, or in which order.
func (w *world) chance(purpose string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(purpose))
	return rand.New(rand.NewPCG(w.plan.seed, h.Sum64()))
}

func newWorld(p *plan, m mutant) *world {
	w := &world{
		plan: p, mutant: m, began: time.Now(),
		memory: inmemory.New(inmemory.Config{MaxLength: p.maxLength}),
		named:  make(map[string]*call), slots: make([]*run, p.nodes), known: make(numbers), byOffset: make(map[domain.Offset]int),
	}
	w.scribe = w.memory.Member()
	w.compare = w.scribe.Log().Compare
	w.emitter, _ = app.NewEmitter(w.memory.Member().Log())
	for i := range p.clients {
		w.clients = append(w.clients, &client{number: i})
	}
	return w
}

// play goes through the plan, lets everything heal, and takes the world down.
func (w *world) play(ctx context.Context) error {
	if _, err := w.scribe.Log().Tail(ctx, "", scribe{w}); err != nil {
		return fmt.Errorf("read the log: %w", err)
	}
	for slot := range w.slots {
		w.start(ctx, slot)
	}
	for i := range w.plan.actions {
		a := &w.plan.actions[i]
		if wait := a.at - time.Since(w.began); wait > 0 {
			time.Sleep(wait)
		}
		synctest.Wait()
		w.perform(ctx, a)
	}
	synctest.Wait()
	w.heal()
	time.Sleep(3 * time.Second)
	for i := range w.clients {
		if up := w.up(); len(up) > 0 {
			w.connect(ctx, &action{client: i, variant: 1}, up[i%len(up)])
		}
	}
	time.Sleep(settleTime)
	synctest.Wait()
	w.mu.Lock()
	w.checkMembers("when all had been quiet")
	w.mu.Unlock()
	w.lastRound(ctx)
	time.Sleep(answerTime)
	synctest.Wait()
	w.mu.Lock()
	w.checkRest()
	w.mu.Unlock()
	w.takeDown(ctx)
	return nil
}

// heal ends everything that goes wrong.
func (w *world) heal() {
	w.mu.Lock()
	w.calm = true
	w.tellf("world", "everything is healed")
	up := slices.Clone(w.slots)
	w.mu.Unlock()
	for _, r := range up {
		if r != nil {
			r.trouble(doMend)
			r.trouble(doResume)
			r.trouble(doThaw)
		}
	}
}

// lastRound asks everything of every node that is up, when nothing goes wrong: all must succeed, for all.
func (w *world) lastRound(ctx context.Context) {
	for _, r := range w.up() {
		for ns := range w.plan.namespaces {
			for _, do := range []deed{doBroadcast, doAcked, doFetch, doServerEmit, doServerAsk} {
				w.call(ctx, &action{do: do, namespace: ns}, r)
			}
		}
	}
}

// up are the nodes that run.
func (w *world) up() []*run {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(w.slots), func(r *run) bool { return r == nil })
}

// takeDown closes all nodes, one after the other: each must be missed by the others at once.
func (w *world) takeDown(ctx context.Context) {
	for _, r := range w.up() {
		w.closeRun(ctx, r, r.slot%2 == 0)
		w.calling.Wait()
		time.Sleep(time.Second)
		synctest.Wait()
		w.mu.Lock()
		w.checkMembers("after a node was closed")
		w.mu.Unlock()
	}
	w.calling.Wait()
	_ = w.memory.Close()
	synctest.Wait()
}

// start starts a node in a slot that is free.
func (w *world) start(ctx context.Context, slot int) {
	w.mu.Lock()
	if w.slots[slot] != nil {
		w.mu.Unlock()
		return
	}
	r := w.newRun(slot)
	w.mu.Unlock()
	// The node begins with the network as it is, but its first word is not refused.
	log := broken(r, r.member.Log(), w.mutant.transport)
	log = broken(r, ports.Log(tapLog{Log: log, run: r}), w.mutant.log)
	channel := r.member.Channel()
	if w.plan.lane == countingChannel {
		channel = census{Channel: channel, run: r}
	}
	channel = broken(r, channel, w.mutant.channel)
	sessions := broken(r, r.member.Sessions(), w.mutant.sessions)
	node, err := app.NewNode(log, channel, tapSessions{Sessions: sessions, run: r}, w.nodeConfig(r))
	if err == nil {
		w.mu.Lock()
		r.node = node
		w.mu.Unlock()
		err = node.Attach(r)
	}
	if err == nil {
		err = node.Run(ctx)
	}
	for _, ns := range w.plan.namespaces { // one after the other: Run would choose
		if err == nil {
			err = node.Open(ctx, ns)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.violationf("%s: a node that nothing hinders does not start: %v", r.name, err)
		return
	}
	w.slots[slot] = r
	r.running = w.now()
	w.tellf(r.name, "runs")
}

// kill ends a node as kill -9 does: it says nothing any more.
func (w *world) kill(r *run) {
	w.mu.Lock()
	r.dead = true
	r.ended = w.now()
	w.slots[r.slot] = nil
	w.tellf(r.name, "is killed")
	for _, c := range w.clients {
		if c.on == r {
			c.lose()
		}
	}
	w.mu.Unlock()
	// What is left of the process here has to end, too. Nobody hears it.
	w.calling.Go(func() {
		_ = r.member.Close()
		_ = r.node.Close()
	})
	synctest.Wait()
}

// closeRun closes a node in good order, gently or not.
func (w *world) closeRun(ctx context.Context, r *run, gently bool) {
	w.mu.Lock()
	r.closing = w.now()
	w.slots[r.slot] = nil
	hindered := r.hindered()
	w.tellf(r.name, "closes, gently %t", gently)
	for _, c := range w.clients {
		if c.on == r {
			c.lose()
		}
	}
	w.mu.Unlock()
	w.loseSockets(r)
	w.calling.Go(func() {
		err := r.leave(ctx, gently)
		_ = r.member.Close()
		w.mu.Lock()
		defer w.mu.Unlock()
		r.dead = true
		r.ended = w.now()
		w.tellf(r.name, "has closed: %v", err)
		r.silent = err != nil
		if err != nil && !hindered && !r.hindered() && !errors.Is(err, context.DeadlineExceeded) {
			w.violationf("%s: Close of a node that nothing hinders: %v", r.name, err)
		}
	})
	synctest.Wait()
}

// leave lets the node leave the cluster.
func (r *run) leave(ctx context.Context, gently bool) error {
	if !gently {
		return r.node.Close()
	}
	ctx, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	return r.node.Drain(ctx)
}
