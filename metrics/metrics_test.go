package metrics_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/goleak"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/testkit/conformance"
	"github.com/roombus/roombus/metrics"
	"github.com/roombus/roombus/ports"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// gauge is a meter with what reads it.
type meter struct {
	*metrics.Meters
	t      testing.TB
	reader *sdkmetric.ManualReader
}

func newMeter(t testing.TB, config metrics.Config) *meter {
	t.Helper()
	reader := sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	t.Cleanup(func() { _ = provider.Shutdown(context.WithoutCancel(t.Context())) })
	config.MeterProvider = provider
	meters, err := metrics.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return &meter{Meters: meters, t: t, reader: reader}
}

// collected are all data points, as `name{label=value,…}`, histograms by their counts.
func (m *meter) collected() map[string]float64 {
	m.t.Helper()
	var all metricdata.ResourceMetrics
	if err := m.reader.Collect(m.t.Context(), &all); err != nil {
		m.t.Fatalf("collect: %v", err)
	}
	points := make(map[string]float64)
	for _, scope := range all.ScopeMetrics {
		for _, one := range scope.Metrics {
			add := func(labels fmt.Stringer, value float64) { points[one.Name+labels.String()] = value }
			switch data := one.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					add(labels(p.Attributes.Encoded(encoder{})), float64(p.Value))
				}
			case metricdata.Gauge[float64]:
				for _, p := range data.DataPoints {
					add(labels(p.Attributes.Encoded(encoder{})), p.Value)
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					add(labels(p.Attributes.Encoded(encoder{})), float64(p.Count))
				}
			default:
				m.t.Fatalf("%s has data of the type %T", one.Name, data)
			}
		}
	}
	return points
}

func (m *meter) want(points map[string]float64) {
	m.t.Helper()
	got := m.collected()
	for name, value := range points {
		if is, ok := got[name]; !ok || is != value {
			m.t.Errorf("%s is %v (there: %t), want %v", name, is, ok, value)
		}
	}
}

// transport is what a node needs.
func run(t *testing.T, m *meter, member *inmemory.Member, edge ports.Edge, next ports.Observer) *app.Node {
	t.Helper()
	node, err := app.NewNode(m.Log(member.Log()), m.Channel(member.Channel()), member.Sessions(),
		app.Config{Observer: m.Observer(next)})
	if err != nil {
		t.Fatal(err)
	}
	if err := node.Attach(edge); err != nil {
		t.Fatal(err)
	}
	if err := node.Open(t.Context(), "/"); err != nil {
		t.Fatal(err)
	}
	if err := node.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := node.Close(); err != nil {
			t.Errorf("close the node: %v", err)
		}
	})
	return node
}

// sockets is an edge with so many sockets, each of which answers at once.
type sockets int

func (s sockets) Deliver(_ context.Context, d *domain.Delivery) int {
	for range s {
		if d.Ack != nil {
			d.Ack(domain.TextValue("yes"))
		}
	}
	return int(s)
}

func (s sockets) Apply(context.Context, string, domain.RoomOperation, domain.Offset) int {
	return int(s)
}

func (s sockets) Sockets(context.Context, string, *domain.Target) []domain.SocketDetails {
	return make([]domain.SocketDetails, s)
}

func (s sockets) ServerSideEmit(_ context.Context, _ string, _ domain.Packet, reply func(domain.Value)) {
	if reply != nil {
		reply(domain.Value{})
	}
}

// events hands on what a node observes.
type events chan domain.Event

func (e events) Observe(_ context.Context, event domain.Event) {
	select {
	case e <- event:
	default:
	}
}

// deliveries is told of deliveries, behind the meters.
type deliveries chan domain.Delivered

func (deliveries) Observe(context.Context, domain.Event) {}

func (d deliveries) ObserveDelivery(_ context.Context, of domain.Delivered) { d <- of }

func packet(t *testing.T, text string) domain.Packet {
	t.Helper()
	p, err := domain.NewPacket([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestMessagesAreCountedOnBothSides(t *testing.T) {
	cluster := inmemory.New(inmemory.Config{})
	t.Cleanup(func() { _ = cluster.Close() })
	a, b := newMeter(t, metrics.Config{}), newMeter(t, metrics.Config{})
	met, delivered := make(events, 1000), make(deliveries, 1000)
	node := run(t, a, cluster.Member(), sockets(2), met)
	run(t, b, cluster.Member(), sockets(3), delivered)
	for node.NodeCount("/") < 2 {
		await(t, met, func(e domain.Event) bool { _, ok := e.(*domain.MemberChanged); return ok })
	}
	const text = `["note","payload"]`
	for range 3 {
		if _, err := node.Broadcast(t.Context(), "/", domain.Target{}, packet(t, text)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := node.BroadcastWithAck(t.Context(), "/", domain.Target{}, packet(t, text)); err != nil {
		t.Fatal(err)
	}
	if _, err := node.FetchSockets(t.Context(), "/", domain.Target{}); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		select {
		case <-delivered:
		case <-time.After(20 * time.Second):
			t.Fatal("nothing was delivered")
		}
	}
	out := `messaging.operation.name=send,messaging.system=roombus,roombus.lane=log`
	in := `messaging.operation.name=process,messaging.system=roombus,roombus.lane=log`
	a.want(map[string]float64{
		"messaging.client.sent.messages{" + out + ",roombus.message.kind=broadcast}":        4,
		"roombus.message.sent.size{roombus.lane=log,roombus.message.kind=broadcast}":        float64(4 * len(text)),
		"messaging.client.consumed.messages{" + in + ",roombus.message.kind=ack}":           3,
		"roombus.request.ended{roombus.message.kind=broadcast,roombus.result=complete}":     1,
		"roombus.request.ended{roombus.message.kind=fetch sockets,roombus.result=complete}": 1,
		"roombus.request.ended{roombus.message.kind=fetch sockets,roombus.result=partial}":  0,
		"roombus.member.changes{roombus.change=joined}":                                     1,
		"roombus.log.gaps{roombus.reason=trimmed}":                                          0,
	})
	b.want(map[string]float64{
		"messaging.client.consumed.messages{" + in + ",roombus.message.kind=broadcast}":  4,
		"roombus.message.received.size{roombus.lane=log,roombus.message.kind=broadcast}": float64(4 * len(text)),
	})
	if got := a.collected(); got["messaging.client.operation.duration{"+out+"}"] < 5 {
		t.Errorf("the publishes took %v, want at least 5 to be measured", got)
	}
	// The measuring comes after the handling, so it may be one behind.
	for deadline := time.Now().Add(20 * time.Second); b.collected()["roombus.message.delivery.duration{}"] != 4; {
		if time.Now().After(deadline) {
			t.Fatalf("%v deliveries are measured, want 4", b.collected()["roombus.message.delivery.duration{}"])
		}
	}
}

func await(t *testing.T, from events, is func(domain.Event) bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		select {
		case e := <-from:
			if is(e) {
				return
			}
		case <-deadline:
			t.Fatal("what was waited for did not happen")
		}
	}
}

func TestAFailedPublishIsCountedByItsOutcome(t *testing.T) {
	cluster := inmemory.New(inmemory.Config{})
	t.Cleanup(func() { _ = cluster.Close() })
	member, m := cluster.Member(), newMeter(t, metrics.Config{System: "chat"})
	log := m.Log(member.Log())
	member.Faults().NextAppends(
		inmemory.AppendFault{Outcome: inmemory.AppendRefused}, inmemory.AppendFault{Outcome: inmemory.AppendAnswerLost})
	message := &domain.Message{Node: "n", Namespace: "/", Body: &domain.Broadcast{Packet: packet(t, `["e"]`)}}
	for range 2 {
		if _, err := log.Append(t.Context(), message); err == nil {
			t.Fatal("no error")
		}
	}
	on := `messaging.operation.name=send,messaging.system=chat,roombus.lane=log`
	m.want(map[string]float64{
		"messaging.client.sent.messages{error.type=not_published," + on + ",roombus.message.kind=broadcast}":   1,
		"messaging.client.sent.messages{error.type=unknown_outcome," + on + ",roombus.message.kind=broadcast}": 1,
		"messaging.client.sent.messages{" + on + ",roombus.message.kind=broadcast}":                            0,
		"messaging.client.operation.duration{error.type=not_published," + on + "}":                             1,
	})
}

func TestWhatTheCoreReportsIsCounted(t *testing.T) {
	m, told := newMeter(t, metrics.Config{}), make(events, 100)
	o := m.Observer(told)
	all := []domain.Event{
		&domain.Gap{Lost: 3}, &domain.Gap{Lost: 2, Publisher: "p"}, &domain.Reset{}, &domain.Repeated{}, &domain.Repeated{},
		&domain.BadEntry{}, &domain.TransportLost{Stream: "a"}, &domain.TransportLost{Stream: "b"}, &domain.TransportFound{Stream: "a"},
		&domain.Dropped{Kind: domain.KindAck}, &domain.Dropped{},
		&domain.RequestDone{Kind: domain.KindFetchSockets, Err: &domain.PartialError{Unnamed: 1}},
		&domain.RequestDone{Kind: domain.KindBroadcast, Err: errors.New("not sent")},
		&domain.RecoveryEnded{Recovery: domain.Recovery{Outcome: domain.Recovered}, Replayed: 7},
		&domain.RecoveryEnded{Recovery: domain.Recovery{Outcome: domain.RecoveryGap}},
		&domain.SessionsFailed{}, &domain.MemberChanged{Change: domain.MemberChange{Event: domain.MemberLost}},
	}
	for _, e := range all {
		o.Observe(t.Context(), e)
	}
	if len(told) != len(all) {
		t.Errorf("the next observer was told %d of %d", len(told), len(all))
	}
	m.want(map[string]float64{
		"roombus.log.gaps{roombus.reason=trimmed}": 1, "roombus.log.lost{roombus.reason=trimmed}": 3,
		"roombus.log.gaps{roombus.reason=hole}": 1, "roombus.log.lost{roombus.reason=hole}": 2,
		"roombus.log.resets{}": 1, "roombus.log.repeats{}": 2, "roombus.log.bad_entries{}": 1,
		"roombus.transport.losses{}": 2, "roombus.transport.lost{}": 1,
		"roombus.queue.dropped{roombus.message.kind=ack}": 1, "roombus.queue.dropped{roombus.message.kind=none}": 1,
		"roombus.request.ended{roombus.message.kind=fetch sockets,roombus.result=partial}": 1,
		"roombus.request.ended{roombus.message.kind=broadcast,roombus.result=failed}":      1,
		"roombus.recovery.ended{roombus.result=recovered}":                                 1,
		"roombus.recovery.ended{roombus.result=gap}":                                       1,
		"roombus.recovery.replayed{}":                                                      7,
		"roombus.session.failures{}":                                                       1,
		"roombus.member.changes{roombus.change=lost}":                                      1,
	})
}

func TestNumbersAreReadWhenTheyAreCollected(t *testing.T) {
	held := 90 * time.Second
	source := func(n *metrics.Numbers) {
		*n = metrics.Numbers{
			Pending: 1, Queues: map[string]int{"answers": 2}, Nodes: map[string]int{"/": 3, "/chat": 2}, Window: time.Minute, Held: &held,
			Connections: 4, Sockets: 5, Rooms: 6, Namespaces: 7, Handshakes: map[string]uint64{"polling": 8},
			Refused: map[string]uint64{"forbidden": 9}, Upgraded: 10, NotUpgraded: 11, Closed: map[string]uint64{"ping timeout": 12},
			BrokenRules: map[string]uint64{"slow": 13}, Connected: 14, NotConnected: 15,
			Disconnected: map[string]uint64{"transport close": 16}, VolatileDropped: 17, RateLimited: 18,
			Forwarded: map[string]uint64{"out": 19, "failed": 20}, Tunnels: 21,
		}
	}
	m := newMeter(t, metrics.Config{})
	if _, there := m.collected()["roombus.socket.count{}"]; there {
		t.Error("sockets are counted before anybody tells how many there are")
	}
	m.Read(source)
	m.want(map[string]float64{
		"roombus.request.pending{}": 1, "roombus.queue.length{roombus.part=answers}": 2, "roombus.node.count{}": 3,
		"roombus.recovery.window{}": 60, "roombus.log.held{}": 90, "roombus.connection.count{}": 4, "roombus.socket.count{}": 5,
		"roombus.room.count{}": 6, "roombus.namespace.count{}": 7,
		"roombus.connection.handshakes{roombus.result=connected,roombus.transport=polling}": 8,
		"roombus.connection.handshakes{roombus.result=forbidden,roombus.transport=none}":    9,
		"roombus.connection.upgrades{roombus.result=upgraded}":                              10,
		"roombus.connection.upgrades{roombus.result=failed}":                                11,
		"roombus.connection.closed{roombus.reason=ping timeout}":                            12,
		"roombus.connection.broken_rules{roombus.reason=slow}":                              13,
		"roombus.socket.connects{roombus.result=connected}":                                 14,
		"roombus.socket.connects{roombus.result=refused}":                                   15,
		"roombus.socket.disconnects{roombus.reason=transport close}":                        16,
		"roombus.socket.volatile_dropped{}":                                                 17,
		"roombus.socket.rate_limited{}":                                                     18,
		"roombus.forward.requests{roombus.result=out}":                                      19,
		"roombus.forward.requests{roombus.result=failed}":                                   20,
		"roombus.forward.tunnels{}":                                                         21,
	})
	byNamespace := newMeter(t, metrics.Config{Namespaces: true})
	byNamespace.Read(source)
	byNamespace.want(map[string]float64{
		"roombus.node.count{messaging.destination.name=/}": 3, "roombus.node.count{messaging.destination.name=/chat}": 2,
	})
	m.Read(nil)
	if _, there := m.collected()["roombus.socket.count{}"]; there {
		t.Error("sockets are counted although nobody tells how many there are")
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if got := m.collected(); len(got) != 0 {
		t.Errorf("after the end there is %v", got)
	}
}

// TestAMeasuredTransportKeepsTheContract: the kits, over decorated ports.
func TestAMeasuredTransportKeepsTheContract(t *testing.T) {
	open := func(t *testing.T) *inmemory.Cluster {
		c := inmemory.New(inmemory.Config{})
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	t.Run("Log", func(t *testing.T) {
		conformance.Log(t, conformance.LogHarness{
			Open: func(t *testing.T) conformance.LogCluster {
				c, m := open(t), newMeter(t, metrics.Config{})
				return conformance.LogCluster{
					Member: func() conformance.LogMember {
						member := c.Member()
						return conformance.LogMember{Log: m.Log(member.Log()), Close: member.Close}
					},
					Trim: c.Trim, Reset: c.Reset,
				}
			},
			TellsOffsets: true, CanResume: true, CanReplay: true, CountsLoss: true,
		})
	})
	t.Run("Channel", func(t *testing.T) {
		conformance.Channel(t, conformance.ChannelHarness{
			Open: func(t *testing.T) conformance.ChannelCluster {
				c, m := open(t), newMeter(t, metrics.Config{})
				return conformance.ChannelCluster{Member: func() conformance.ChannelMember {
					member := c.Member()
					return conformance.ChannelMember{Log: m.Log(member.Log()), Channel: m.Channel(member.Channel())}
				}}
			},
			HasOwnLane: true,
		})
	})
	m := newMeter(t, metrics.Config{})
	conformance.Decorator(t, conformance.Decorators{Log: m.Log, Channel: m.Channel})
	told := make(events, 1)
	if _, ok := ports.As[events](m.Observer(told)); !ok {
		t.Error("the next observer was not found through the measured one")
	}
}
