package watermill_test

import (
	"context"
	"fmt"

	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"

	"github.com/roombus/roombus/adapters/watermill"
	"github.com/roombus/roombus/domain"
)

// printer prints the events that it reads.
type printer struct{ done chan struct{} }

func (p *printer) HandleEntry(_ context.Context, e *domain.Entry) {
	if b, ok := e.Message.Body.(*domain.Broadcast); ok {
		fmt.Println(e.Offset, b.Packet.Event(), b.Target.Rooms)
	}
	close(p.done)
}

func (*printer) HandleNotice(context.Context, domain.Notice) {}

// Any Watermill Pub/Sub can carry a cluster's messages, here the one in memory.
func ExampleNewLog() {
	pubSub := gochannel.NewGoChannel(gochannel.Config{BlockPublishUntilSubscriberAck: true}, nil)
	defer pubSub.Close()
	log, err := watermill.NewLog(pubSub, pubSub, watermill.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	p := &printer{done: make(chan struct{})}
	tail, err := log.Tail(context.Background(), "", p)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer tail.Close()

	packet, err := domain.NewPacket([]byte(`["message",{"body":"hello"}]`))
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = log.Append(context.Background(), &domain.Message{
		Node: "0123456789abcdef", Namespace: "/",
		Body: &domain.Broadcast{Target: domain.Target{Rooms: []string{"lobby"}}, Packet: packet},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	<-p.done
	// Output: 1 message [lobby]
}
