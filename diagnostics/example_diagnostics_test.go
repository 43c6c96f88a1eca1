package diagnostics_test

import (
	"context"
	"fmt"
	"time"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/diagnostics"
)

// Two nodes, one of which asks both how they are.
func Example() {
	ctx := context.Background()
	cluster := inmemory.New(inmemory.Config{})
	first, endFirst := exampleNode(ctx, cluster, "chat-1")
	defer endFirst()
	_, endSecond := exampleNode(ctx, cluster, "chat-2")
	defer endSecond()

	first.Meet(ctx, 300*time.Millisecond)
	reply, err := first.Ask(ctx, diagnostics.Question{Status: &diagnostics.StatusQuestion{}})
	if err != nil {
		panic(err)
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

// exampleNode runs a node with diagnostics, and returns what ends it.
func exampleNode(ctx context.Context, cluster *inmemory.Cluster, name string) (*diagnostics.Service, func()) {
	transport := cluster.Member()
	recorder := diagnostics.NewRecorder(diagnostics.Config{})
	node, err := app.NewNode(recorder.Log(transport.Log()), transport.Channel(), nil, app.Config{
		Name: name, Observer: recorder.Observer(nil),
	})
	if err != nil {
		panic(err)
	}
	service, err := diagnostics.NewService(node, recorder, diagnostics.Sources{})
	if err != nil {
		panic(err)
	}
	if err := node.Run(ctx); err != nil {
		panic(err)
	}
	return service, func() {
		_ = service.Close()
		_ = node.Close()
		_ = transport.Close()
	}
}
