package watermill_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"

	"github.com/roombus/roombus/adapters/watermill"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/domain"
)

// sockets stands in the place of a Socket.IO server: an edge that counts one socket for every packet.
type sockets struct {
	node string
	got  chan string
}

func (s sockets) Deliver(_ context.Context, d *domain.Delivery) int {
	s.got <- fmt.Sprint(s.node, " delivers ", d.Packet.Event(), " to ", d.Target.Rooms)
	return 1
}

func (sockets) Apply(context.Context, string, domain.RoomOperation, domain.Offset) int { return 0 }

func (sockets) Sockets(context.Context, string, *domain.Target) []domain.SocketDetails { return nil }

func (sockets) ServerSideEmit(context.Context, string, domain.Packet, func(domain.Value)) {}

// The core on another broker: its Watermill publisher and subscriber become a log, and the log also carries requests
// and answers.
func Example_otherBroker() {
	ctx := context.Background()
	broker := gochannel.NewGoChannel(gochannel.Config{BlockPublishUntilSubscriberAck: true}, nil) // keeps the order

	join := func(name string) (*app.Node, sockets, error) {
		log, err := watermill.NewLog(broker, broker, watermill.Config{})
		if err != nil {
			return nil, sockets{}, err
		}
		node, err := app.NewNode(log, watermill.NewLogChannel(log), nil, app.Config{Name: name})
		if err != nil {
			return nil, sockets{}, err
		}
		edge := sockets{node: name, got: make(chan string, 1)}
		return node, edge, errors.Join(node.Attach(edge), node.Run(ctx), node.Open(ctx, "/"))
	}
	a, onA, err := join("a")
	if err != nil {
		fmt.Println(err)
		return
	}
	b, onB, err := join("b")
	if err != nil {
		fmt.Println(err)
		return
	}

	packet, err := domain.NewPacket([]byte(`["message",{"body":"hello"}]`))
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := a.Broadcast(ctx, "/", domain.Target{Rooms: []string{"lobby"}}, packet); err != nil {
		fmt.Println(err)
	}
	fmt.Println(<-onA.got)
	fmt.Println(<-onB.got)
	if err := errors.Join(a.Close(), b.Close(), broker.Close()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// a delivers message to [lobby]
	// b delivers message to [lobby]
}
