package diagnostics

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// CapabilityTool is what a process tells of itself that is in the cluster only to ask: its comings and goings are no
// events.
const CapabilityTool = "diagnostics-tool"

// Observer returns an observer that remembers what the core reports, and then tells the given one, which may be nil. What
// diagnostics cause themselves it passes on to nobody: unanswered questions of theirs, and tools that come and go. So a
// tracer's observer stands around it, not in it.
func (r *Recorder) Observer(next ports.Observer) ports.Observer {
	o := &observer{recorder: r, next: next}
	o.deliveries, _ = ports.As[ports.DeliveryObserver](next)
	return o
}

type observer struct {
	recorder *Recorder
	next     ports.Observer
	// deliveries is the next one's ability; nil if it has none.
	deliveries ports.DeliveryObserver
}

var (
	_ ports.Decorator        = (*observer)(nil)
	_ ports.DeliveryObserver = (*observer)(nil)
)

// Unwrap returns the next observer; nil if there is none.
func (o *observer) Unwrap() any { return o.next }

// Observe remembers e.
func (o *observer) Observe(ctx context.Context, e domain.Event) {
	if isOwn(e) {
		return
	}
	if event, subject := describe(e); event.Kind != "" {
		event.Trace = traceOf(ctx)
		o.recorder.events.note(time.Now(), event, subject, isAgain(e))
	}
	if o.next != nil && isTold(e) {
		o.next.Observe(ctx, e)
	}
}

// ObserveDelivery counts to how many sockets a message went.
func (o *observer) ObserveDelivery(ctx context.Context, d domain.Delivered) {
	if d.Kind == domain.KindBroadcast {
		o.recorder.traffic.delivered.Add(uint64(d.Sockets))
	}
	if o.deliveries != nil {
		o.deliveries.ObserveDelivery(ctx, d)
	}
}

// isOwn reports whether an event is about the diagnostics themselves.
func isOwn(e domain.Event) bool {
	switch e := e.(type) {
	case *domain.RequestDone:
		return e.Namespace == Namespace
	case *domain.Answered:
		return e.Namespace == Namespace
	case *domain.RecoveryMixed:
		return e.Namespace == Namespace
	case *domain.MemberChanged:
		return slices.Contains(e.Change.Member.Info.Capabilities, CapabilityTool)
	default:
		return false
	}
}

// isTold reports whether an event is told to the next observer. That a node comes or goes it hears in the namespaces in
// which the node serves; one that falls silent may be noticed in that of the diagnostics first.
func isTold(e domain.Event) bool {
	changed, ok := e.(*domain.MemberChanged)
	if !ok || changed.Namespace != Namespace {
		return true
	}
	switch changed.Change.Event {
	case domain.MemberSuspect, domain.MemberBack, domain.MemberLost:
		return true
	default:
		return false
	}
}

// describe puts an event into words, and says what it is about; an event without a kind is not worth remembering.
func describe(e domain.Event) (Event, string) {
	switch e := e.(type) {
	case *domain.Gap:
		return Event{
			Severity: Fault, Kind: "gap", Stream: e.Stream, Offset: string(e.Next), Text: gapText(e),
		}, e.Stream + string(e.Publisher)
	case *domain.Reset:
		return Event{
			Severity: Fault, Kind: "reset", Stream: e.Stream, Offset: string(e.Cursor),
			Text: fmt.Sprintf("The log %s is not the one that was read before (%s). What was in the old one and had not been "+
				"read is lost, and clients that were away cannot recover.", e.Stream, e.Reason),
		}, e.Stream
	case *domain.BadEntry:
		text := fmt.Sprintf("An entry of the log could not be read and was skipped: %v", e.Err)
		if e.Offset == "" {
			text = fmt.Sprintf("What came from %s could not be read: %v", e.Stream, e.Err)
		}
		return Event{Severity: Fault, Kind: "bad entry", Stream: e.Stream, Offset: string(e.Offset), Text: text}, e.Stream
	case *domain.TransportLost:
		return Event{
			Severity: Fault, Kind: "transport lost", Stream: e.Stream,
			Text: fmt.Sprintf("This node cannot read %s, and tries again: %v", e.Stream, e.Err),
		}, e.Stream
	case *domain.TransportFound:
		return Event{
			Severity: Info, Kind: "transport found", Stream: e.Stream,
			Text: fmt.Sprintf("This node reads %s again, after %s.", e.Stream, e.Away.Round(100*time.Millisecond)),
		}, e.Stream
	case *domain.DrainBegun:
		return Event{
			Severity: Info, Kind: "drain begins", Text: "This node begins to leave: it sends its clients elsewhere and takes no new ones.",
		}, ""
	case *domain.DrainEnded:
		if e.Err != nil {
			return Event{
				Severity: Warning, Kind: "drain ends", Text: fmt.Sprintf("This node has left after %s, not in good order: %v", e.Took.Round(100*time.Millisecond), e.Err),
			}, ""
		}
		return Event{
			Severity: Info, Kind: "drain ends", Text: fmt.Sprintf("This node has left in good order, after %s.", e.Took.Round(100*time.Millisecond)),
		}, ""
	case *domain.Repeated:
		return Event{
			Severity: Info, Kind: "repeat", Stream: e.Stream, Offset: string(e.Offset),
			Text: "An entry was read a second time and dropped; nobody has noticed.",
		}, e.Stream
	case *domain.MemberChanged:
		return describeMember(e)
	case *domain.RequestDone:
		if e.Err == nil {
			return Event{}, ""
		}
		return Event{
			Severity: Warning, Kind: "partial answer", Namespace: e.Namespace,
			Text: fmt.Sprintf("A %s of this node was not answered in full: %v", e.Kind, e.Err),
		}, e.Namespace + e.Kind.String()
	case *domain.Dropped:
		what := "Some work"
		if e.Kind.Valid() {
			what = "A message (" + e.Kind.String() + ")"
		}
		return Event{
			Severity: Warning, Kind: "dropped", Namespace: e.Namespace, Text: fmt.Sprintf("%s was given up: %v", what, e.Err),
		}, e.Namespace + e.Kind.String()
	case *domain.RecoveryEnded:
		return describeRecovery(e)
	case *domain.SessionsFailed:
		what := "The lease that says that this node's sessions live could not be renewed"
		if e.Sessions > 0 {
			what = fmt.Sprintf("The sessions of %d clients could not be stored", e.Sessions)
		}
		return Event{
			Severity: Warning, Kind: "sessions not stored",
			Text: fmt.Sprintf("%s; it is tried again. Until then a client that comes back to another node may have to begin "+
				"anew. %v", what, e.Err),
		}, ""
	case *domain.LogTooShort:
		return describeLength(e)
	case *domain.RecoveryMixed:
		return Event{
			Severity: Warning, Kind: "recovery mixed", Namespace: e.Namespace, Peer: e.Node,
			Text: "Recovery is on in some nodes and off in others: clients that move between them lose messages or get them " +
				"twice. Set it alike on all nodes.",
		}, string(e.Node)
	default:
		return Event{}, ""
	}
}

func gapText(e *domain.Gap) string {
	lost := "Messages were"
	switch {
	case e.Lost == 1:
		lost = "One message was"
	case e.Lost > 1:
		lost = fmt.Sprintf("%d messages were", e.Lost)
	}
	if e.Publisher != "" {
		return fmt.Sprintf("%s lost to this node: publisher %s has numbered them, and they are not in the log %s.",
			lost, e.Publisher, e.Stream)
	}
	return fmt.Sprintf("%s lost to this node: the log %s was trimmed before it had read them.", lost, e.Stream)
}

func describeMember(e *domain.MemberChanged) (Event, string) {
	member := &e.Change.Member
	name := member.Info.Name
	if name == "" {
		name = string(member.ID)
	}
	name = short(name, 80)
	// It is told in each namespace that the two have in common, and is one event.
	event := Event{Severity: Info, Kind: "member " + e.Change.Event.String(), Peer: member.ID}
	switch e.Change.Event {
	case domain.MemberJoined:
		event.Text = fmt.Sprintf("Node %s has joined.", name)
	case domain.MemberUpdated:
		event.Text = fmt.Sprintf("Node %s has news of itself.", name)
		if member.Draining {
			event.Kind, event.Text = "member draining", fmt.Sprintf("Node %s is draining: it sends its clients elsewhere and will leave.", name)
		}
	case domain.MemberSuspect:
		event.Severity = Warning
		event.Text = fmt.Sprintf("Node %s is suspect: it has not been heard for longer than it should, or has left a question without an answer.", name)
	case domain.MemberBack:
		event.Text = fmt.Sprintf("Node %s is heard again.", name)
	case domain.MemberLeft:
		event.Text = fmt.Sprintf("Node %s has left, in good order.", name)
	case domain.MemberLost:
		event.Severity = Fault
		event.Text = fmt.Sprintf("Node %s is lost: it was not heard for longer than the limit, and did not say goodbye.", name)
	}
	return event, string(member.ID)
}

// isAgain reports whether an event is one that was told before, for another namespace.
func isAgain(e domain.Event) bool {
	_, ok := e.(*domain.MemberChanged)
	return ok
}

func describeRecovery(e *domain.RecoveryEnded) (Event, string) {
	outcome := e.Recovery.Outcome
	event := Event{Severity: Info, Kind: "recovery " + outcome.String(), Namespace: e.Namespace}
	switch outcome {
	case domain.Recovered:
		event.Text = "A client came back and has its session again, with all that it missed."
	case domain.RecoveryGap:
		event.Severity = Fault
		event.Text = "A client came back and has lost messages: " + e.Recovery.Reason
	default:
		event.Text = "A client came back and got a new session: " + e.Recovery.Reason
	}
	return event, e.Namespace
}

func describeLength(e *domain.LogTooShort) (Event, string) {
	if e.Enough {
		return Event{
			Severity: Info, Kind: "log long enough", Stream: e.Stream,
			Text: fmt.Sprintf("The log %s holds the recovery window again.", e.Stream),
		}, e.Stream
	}
	return Event{
		Severity: Warning, Kind: "log too short", Stream: e.Stream,
		Text: fmt.Sprintf("The log %s holds %s, less than the recovery window of %s: who is away for longer than it holds "+
			"cannot recover.", e.Stream, e.Held.Age.Round(time.Second), e.Window),
	}, e.Stream
}
