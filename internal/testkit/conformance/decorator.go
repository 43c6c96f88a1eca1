package conformance

import (
	"context"
	"testing"
	"time"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// Decorators are the decorators of one package, each nil where it has none.
type Decorators struct {
	Log      func(ports.Log) ports.Log
	Channel  func(ports.Channel) ports.Channel
	Sessions func(ports.Sessions) ports.Sessions
	Edge     func(ports.Edge) ports.Edge
}

// Decorator tests that what is decorated keeps its optional abilities: ports.As finds them through one layer and
// through two, and does not find what is not there. That a decorated port still keeps its contract the kits of the
// ports say, run on the decorated.
func Decorator(t *testing.T, wrap Decorators) {
	if wrap.Log != nil {
		t.Run("Log", func(t *testing.T) { decorates[ports.Log](t, ableLog{}, wrap.Log) })
	}
	if wrap.Channel != nil {
		t.Run("Channel", func(t *testing.T) { decorates[ports.Channel](t, ableChannel{}, wrap.Channel) })
	}
	if wrap.Sessions != nil {
		t.Run("Sessions", func(t *testing.T) { decorates[ports.Sessions](t, ableSessions{}, wrap.Sessions) })
	}
	if wrap.Edge != nil {
		t.Run("Edge", func(t *testing.T) { decorates[ports.Edge](t, ableEdge{}, wrap.Edge) })
	}
}

func decorates[P any](t *testing.T, able P, wrap func(P) P) {
	for layers, decorated := 0, able; layers <= 2; layers, decorated = layers+1, wrap(decorated) {
		found, ok := ports.As[ability](decorated)
		if !ok || found != any(able) {
			t.Errorf("through %d layers the ability was found: %t, and is %v; want what is inside", layers, ok, found)
		}
		if _, ok := ports.As[interface{ nobodyHasThis() }](decorated); ok {
			t.Errorf("through %d layers an ability was found that nothing has", layers)
		}
		if layers == 0 {
			continue
		}
		if _, ok := any(decorated).(ports.Decorator); !ok {
			t.Errorf("%T is no ports.Decorator: it needs the method Unwrap() any", decorated)
		}
	}
}

// ability stands for any optional ability.
type ability interface{ conformanceAbility() }

type (
	ableLog      struct{ noLog }
	ableChannel  struct{ noChannel }
	ableSessions struct{ noSessions }
	ableEdge     struct{ noEdge }
)

func (ableLog) conformanceAbility()      {}
func (ableChannel) conformanceAbility()  {}
func (ableSessions) conformanceAbility() {}
func (ableEdge) conformanceAbility()     {}

// What follows are ports that do nothing, for decorators that look at what they wrap.

type noLog struct{}

func (noLog) Append(context.Context, *domain.Message) (domain.Offset, error) {
	return "", domain.ErrNotPublished
}

func (noLog) Tail(context.Context, domain.Offset, ports.LogHandler) (ports.Subscription, error) {
	return nil, domain.ErrUnsupported
}

func (noLog) Replay(context.Context, string, domain.Offset, domain.Offset, int) (domain.Page, error) {
	return domain.Page{}, domain.ErrUnsupported
}

func (noLog) Compare(domain.Offset, domain.Offset) int { return 0 }

type noChannel struct{}

func (noChannel) Send(context.Context, domain.NodeID, *domain.Message) error {
	return domain.ErrUnsupported
}

func (noChannel) Listen(
	context.Context, string, domain.NodeID, ports.ChannelHandler,
) (ports.Subscription, error) {
	return nil, domain.ErrUnsupported
}

type noSessions struct{}

func (noSessions) Save(_ context.Context, sessions []*domain.Session) []error {
	errs := make([]error, len(sessions))
	for i := range errs {
		errs[i] = domain.ErrUnsupported
	}
	return errs
}

func (noSessions) Renew(context.Context, *domain.Lease) error { return domain.ErrUnsupported }

func (noSessions) Lease(context.Context, domain.NodeID) (*domain.Lease, error) {
	return nil, domain.ErrNoLease
}

func (noSessions) Claim(context.Context, domain.SessionID, domain.NodeID) (*domain.Session, error) {
	return nil, domain.ErrNoSession
}

func (noSessions) GiveBack(context.Context, domain.SessionID, domain.NodeID) error { return nil }

func (noSessions) Delete(context.Context, domain.SessionID, domain.NodeID, time.Duration) error {
	return nil
}

type noEdge struct{}

func (noEdge) Deliver(context.Context, *domain.Delivery) int { return 0 }

func (noEdge) Apply(context.Context, string, domain.RoomOperation, domain.Offset) int { return 0 }

func (noEdge) Sockets(context.Context, string, *domain.Target) []domain.SocketDetails { return nil }

func (noEdge) ServerSideEmit(_ context.Context, _ string, _ domain.Packet, reply func(domain.Value)) {
	if reply != nil {
		reply(domain.Value{})
	}
}
