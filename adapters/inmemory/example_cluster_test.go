package inmemory_test

import (
	"context"
	"fmt"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/domain"
)

// Two members of one cluster: what one appends, the other's tail is handed, at the same position.
func ExampleCluster() {
	cluster := inmemory.New(inmemory.Config{})
	writer, reader := cluster.Member(), cluster.Member()
	ctx := context.Background()

	entries := make(chan *domain.Entry, 1)
	if _, err := reader.Log().Tail(ctx, "", printer{entries}); err != nil {
		fmt.Println(err)
	}
	at, err := writer.Log().Append(ctx, message("hello"))
	if err != nil {
		fmt.Println(err)
	}
	e := <-entries
	fmt.Println(event(&e.Message), e.Offset == at, e.Message.Sequence)

	if err := cluster.Close(); err != nil {
		fmt.Println(err)
	}
	// Output: hello true 1
}

type printer struct{ entries chan<- *domain.Entry }

func (p printer) HandleEntry(_ context.Context, e *domain.Entry) { p.entries <- e }

func (printer) HandleNotice(context.Context, domain.Notice) {}
