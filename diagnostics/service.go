package diagnostics

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// Node is what a service needs of its node; *app.Node has it.
type Node interface {
	ID() domain.NodeID
	Name() string
	// Attach gives the node an edge, Open makes it a member of a namespace; both before it runs.
	Attach(e ports.Edge) error
	Open(ctx context.Context, namespace string) error
	// Namespaces are the names of those that the node knows.
	Namespaces() []string
	// Nodes are the members of a namespace, NodeCount how many there are with those that have no name.
	Nodes(namespace string) []domain.Member
	NodeCount(namespace string) int
	// ServerSideEmitWithAck asks all other nodes of a namespace.
	ServerSideEmitWithAck(ctx context.Context, namespace string, p domain.Packet) ([]domain.Value, error)
}

// Service makes a node answer what others ask, and asks them. All its methods may be called from many goroutines.
type Service struct {
	node     Node
	recorder *Recorder
	sources  Sources

	stop  chan struct{}
	once  sync.Once
	loops sync.WaitGroup
}

// NewService makes a node answer for itself and returns what asks the others. It must be called before the node runs,
// which it makes a member of [Namespace]. The recorder may be nil for a process that only asks (Sources.Tool). Close ends
// the taking of samples; the node goes on to answer until it closes.
func NewService(node Node, recorder *Recorder, sources Sources) (*Service, error) {
	if recorder == nil {
		recorder = NewRecorder(Config{NoTraces: true, Spans: 1, Events: 1})
	}
	s := &Service{node: node, recorder: recorder, sources: sources, stop: make(chan struct{})}
	if err := node.Attach(edge{s}); err != nil {
		return nil, fmt.Errorf("diagnostics: %w", err)
	}
	if err := node.Open(context.Background(), Namespace); err != nil { // it only takes note, before the node runs
		return nil, fmt.Errorf("diagnostics: %w", err)
	}
	if !sources.Tool {
		s.loops.Go(s.sample)
	}
	return s, nil
}

// Close ends the taking of samples. It returns no error and may be called again.
func (s *Service) Close() error {
	s.once.Do(func() { close(s.stop) })
	s.loops.Wait()
	return nil
}

// Recorder is what the node remembers.
func (s *Service) Recorder() *Recorder { return s.recorder }

func (s *Service) sample() {
	ticker := time.NewTicker(sampleEvery)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			s.recorder.sample(now, &s.sources)
		case <-s.stop:
			return
		}
	}
}

// edge is the service as its node sees it: an edge without sockets that answers questions.
type edge struct{ service *Service }

// Deliver does nothing: there are no sockets.
func (edge) Deliver(context.Context, *domain.Delivery) int { return 0 }

// Apply does nothing: there are no sockets.
func (edge) Apply(context.Context, string, domain.RoomOperation, domain.Offset) int { return 0 }

// Sockets is none.
func (edge) Sockets(context.Context, string, *domain.Target) []domain.SocketDetails { return nil }

// ServerSideEmit answers a question. In other namespaces it has nothing to say.
func (e edge) ServerSideEmit(_ context.Context, namespace string, p domain.Packet, reply func(domain.Value)) {
	switch {
	case reply == nil:
	case namespace != Namespace:
		reply(domain.Value{})
	default:
		a := e.service.answerTo(p)
		reply(a.value())
	}
}

func (s *Service) answerTo(p domain.Packet) *Answer {
	q, unsupported, err := parseQuestion(p)
	if err != nil {
		a := s.blank()
		a.Error = short(err.Error(), maxEventText)
		return a
	}
	a := s.answer(&q)
	a.Unsupported = unsupported
	return a
}

func (s *Service) blank() *Answer {
	return &Answer{
		Version: protocolVersion, Node: s.node.ID(), Name: short(s.node.Name(), 200), Now: At(time.Now()), Tool: s.sources.Tool,
	}
}

// answer is this node's own answer.
func (s *Service) answer(q *Question) *Answer {
	a := s.blank()
	if s.sources.Tool {
		return a
	}
	if q.Status != nil {
		a.Status = s.status(a)
	}
	if q.Rooms != nil {
		s.rooms(a, q.Rooms)
	}
	if q.Traces != nil {
		s.traces(a, q.Traces)
	}
	if q.Spans != nil {
		s.spans(a, q.Spans)
	}
	if q.Events != nil {
		var cut bool
		a.Events, cut = s.recorder.events.since(q.Events.After[a.Node], limited(q.Events.Limit, maxSince, maxSince))
		if cut {
			a.truncate("events")
		}
	}
	if q.Samples != nil {
		a.Samples = s.recorder.samplesSince(Instant(min(q.Samples.After[a.Node], 1<<62)))
		if limit := limited(q.Samples.Limit, maxSince, maxSince); len(a.Samples) > limit {
			a.truncate("samples")
			a.Samples = a.Samples[len(a.Samples)-limit:]
		}
	}
	return a
}

func (s *Service) rooms(a *Answer, q *RoomsQuestion) {
	if s.sources.Rooms == nil {
		return
	}
	for name, sockets := range s.sources.Rooms(q.Namespace) {
		if strings.Contains(name, q.Match) {
			a.Rooms = append(a.Rooms, Room{Name: name, Sockets: sockets})
		}
	}
	a.RoomCount = len(a.Rooms)
	sortRooms(a.Rooms)
	if limit := limited(q.Limit, maxRooms, maxRooms); len(a.Rooms) > limit {
		a.truncate("rooms")
		a.Rooms = a.Rooms[:limit]
	}
}

func sortRooms(rooms []Room) {
	slices.SortFunc(rooms, func(a, b Room) int {
		return cmp.Or(b.Sockets-a.Sockets, strings.Compare(a.Name, b.Name))
	})
}

func (s *Service) traces(a *Answer, q *TracesQuestion) {
	limit := limited(q.Limit, someTraces, maxTraces)
	a.Traces = s.recorder.traces(limit+1, func(t *Trace) bool { return t.matches(q.Match) })
	if len(a.Traces) > limit {
		a.truncate("traces")
		a.Traces = a.Traces[:limit]
	}
}

func (t *Trace) matches(text string) bool {
	if text == "" {
		return true
	}
	for _, field := range []string{t.ID, t.Offset, t.Name, t.Kind, t.Namespace} {
		if strings.Contains(field, text) {
			return true
		}
	}
	return false
}

func (s *Service) spans(a *Answer, q *SpansQuestion) {
	if q.Trace != "" {
		a.Spans = s.recorder.traceSpans(q.Trace)
	} else if q.Offset != "" {
		a.Spans = s.recorder.messageSpans(q.Offset)
	}
	if limit := limited(q.Limit, maxSpans, maxSpans); len(a.Spans) > limit {
		a.truncate("spans")
		a.Spans = a.Spans[:limit]
	}
}

// What a status tells of namespaces and members at the most.
const (
	maxNamespaces = 40
	maxMembers    = 150
)

func (s *Service) status(a *Answer) *Status {
	now := time.Now()
	status := &Status{
		Node: a.Node, Name: a.Name, Version: short(s.sources.Version, 100), Now: a.Now,
		Started: At(s.recorder.started), Readers: s.recorder.traffic.readers(now),
		Latest: s.recorder.latest(), Recording: s.recorder.recording(),
	}
	slices.SortFunc(status.Readers, func(a, b Reader) int { return strings.Compare(a.Stream, b.Stream) })
	if len(status.Readers) > maxNamespaces {
		a.truncate("status")
		status.Readers = status.Readers[:maxNamespaces]
	}
	if ahead, known := s.recorder.traffic.clockAhead(); known {
		status.ClockAhead, status.ClockKnown = ahead.Seconds(), true
	}
	if s.sources.Draining != nil {
		status.Draining = s.sources.Draining()
	}
	status.Problems = s.problems(status)
	status.Healthy = len(status.Problems) == 0
	s.namespaces(a, status)
	return status
}

// problems are what is wrong with this node now.
func (s *Service) problems(status *Status) []string {
	var problems []string
	for _, reader := range status.Readers {
		if reader.Silent > s.recorder.config.Silence.Seconds() {
			problems = append(problems, fmt.Sprintf("This node has not been able to read its log %s for %.0f s.", reader.Stream, reader.Silent))
		}
		if reader.Lag > 1 {
			problems = append(problems, fmt.Sprintf("This node is %.1f s behind its log %s.", reader.Lag, reader.Stream))
		}
	}
	if status.Draining {
		problems = append(problems, "This node is draining: it sends its clients elsewhere and will leave.")
	} else if s.sources.Problem != nil && len(problems) == 0 {
		if err := s.sources.Problem(); err != nil {
			problems = append(problems, short(err.Error(), maxEventText))
		}
	}
	return problems
}

func (s *Service) namespaces(a *Answer, status *Status) {
	names := s.node.Namespaces()
	slices.Sort(names)
	members := 0
	for i, name := range names {
		if i == maxNamespaces {
			a.truncate("status")
			return
		}
		ns := NamespaceStatus{Name: short(name, 200), Nodes: s.node.NodeCount(name)}
		for _, m := range s.node.Nodes(name) {
			if slices.Contains(m.Info.Capabilities, CapabilityTool) {
				ns.Nodes--
				continue
			}
			if members == maxMembers {
				a.truncate("status")
				break
			}
			members++
			ns.Members = append(ns.Members, memberStatus(&m))
		}
		status.Namespaces = append(status.Namespaces, ns)
	}
}

func memberStatus(m *domain.Member) MemberStatus {
	is := MemberStatus{
		Node: domain.NodeID(short(string(m.ID), 64)), Name: short(m.Info.Name, 100), Version: short(m.Info.Version, 100),
		Cursor: short(string(m.Cursor), 64), Draining: m.Draining, Suspect: m.Suspect,
	}
	if !m.Info.StartedAt.IsZero() {
		is.Started = At(m.Info.StartedAt)
	}
	return is
}

// Reply is what became of a question.
type Reply struct {
	// Answers are those of the nodes, this one first, the others in the order of their names. Tools are not among them.
	Answers []Answer
	// Missing are the nodes that did not answer in time, Unnamed how many did not that have no name.
	Missing []MemberStatus
	Unnamed int
	// Err is why the others could not be asked, or not all of them have answered; nil when they have. Answers has what
	// there is in any case.
	Err error
}

// Ask asks this node and all others that have diagnostics, and waits for their answers, until ctx is done or for 2 s where
// it has no deadline. It is not traced. A question that is too large is an error; everything else that goes wrong is in
// the reply, with the answers that there are.
func (s *Service) Ask(ctx context.Context, q Question) (*Reply, error) {
	p, err := q.packet()
	if err != nil {
		return nil, err
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, defaultAskTimeout)
		defer cancel()
	}
	before := s.node.Nodes(Namespace)
	values, err := s.node.ServerSideEmitWithAck(untraced(ctx), Namespace, p)
	reply := &Reply{Err: err}
	if !s.sources.Tool {
		reply.Answers = append(reply.Answers, *s.answer(&q))
	}
	others := make([]Answer, 0, len(values))
	for _, v := range values {
		if a, err := parseAnswer(v); err == nil && !a.Tool {
			others = append(others, *a)
		}
	}
	slices.SortFunc(others, func(a, b Answer) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(string(a.Node), string(b.Node)))
	})
	reply.Answers = append(reply.Answers, others...)
	reply.take(err, before)
	return reply, nil
}

// AskSelf is this node's own answer, as it is when the others cannot be reached.
func (s *Service) AskSelf(q Question) Answer { return *s.answer(&q) }

// defaultAskTimeout is how long answers are waited for.
const defaultAskTimeout = 2 * time.Second

// take names who is missing.
func (r *Reply) take(err error, members []domain.Member) {
	partial, ok := errors.AsType[*domain.PartialError](err)
	if !ok {
		return
	}
	r.Unnamed = partial.Unnamed
	for _, id := range partial.Missing {
		missing := MemberStatus{Node: id}
		tool := false
		for i := range members {
			if members[i].ID == id {
				missing = memberStatus(&members[i])
				tool = slices.Contains(members[i].Info.Capabilities, CapabilityTool)
			}
		}
		if !tool {
			r.Missing = append(r.Missing, missing)
		}
	}
}

// Meet waits until a node that has just begun to run knows the others: until nobody new was heard of for a while
// (settle; default 300 ms), or ctx is done. Nodes answer who introduces himself at once.
func (s *Service) Meet(ctx context.Context, settle time.Duration) {
	if settle <= 0 {
		settle = 300 * time.Millisecond
	}
	known := s.node.NodeCount(Namespace)
	quiet := time.NewTimer(settle)
	defer quiet.Stop()
	ticker := time.NewTicker(settle / 20)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-quiet.C:
			return
		case <-ticker.C:
			if now := s.node.NodeCount(Namespace); now != known {
				known = now
				quiet.Reset(settle)
			}
		}
	}
}
