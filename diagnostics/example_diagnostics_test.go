package diagnostics_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/diagnostics"
)

// Two nodes, one of which asks both how they are.
func Example() {
	ctx := context.Background()
	cluster := inmemory.New(inmemory.Config{})
	var services []*diagnostics.Service
	for _, name := range []string{"chat-1", "chat-2"} {
		transport := cluster.Member()
		recorder := diagnostics.NewRecorder(diagnostics.Config{})
		node, err := app.NewNode(recorder.Log(transport.Log()), transport.Channel(), nil, app.Config{
			Name: name, Observer: recorder.Observer(nil),
		})
		if err != nil {
			log.Fatal(err)
		}
		service, err := diagnostics.NewService(node, recorder, diagnostics.Sources{})
		if err != nil {
			log.Fatal(err)
		}
		if err := node.Run(ctx); err != nil {
			log.Fatal(err)
		}
		defer node.Close()
		defer service.Close()
		services = append(services, service)
	}
	services[0].Meet(ctx, 100*time.Millisecond)
	reply, err := services[0].Ask(ctx, diagnostics.Question{Status: &diagnostics.StatusQuestion{}})
	if err != nil {
		log.Fatal(err)
	}
	for _, answer := range reply.Answers {
		fmt.Println(answer.Name, "is healthy:", answer.Status.Healthy)
	}
	fmt.Println("missing:", len(reply.Missing))
	// Output:
	// chat-1 is healthy: true
	// chat-2 is healthy: true
	// missing: 0
}
