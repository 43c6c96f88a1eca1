package ports

import (
	"context"

	"github.com/roombus/roombus/domain"
)

// Interceptor stands around what an edge has the application do for its clients. tracing implements it with spans. An
// edge that has none does nothing in its place. All methods may be called from many goroutines.
type Interceptor interface {
	// Greet is called once for each socket, before anything else is done for it. The context that it returns is that of
	// everything that is done for the socket from then on; it must come from ctx. It must not block.
	Greet(ctx context.Context, g *domain.Greeting) context.Context
	// Begin is called before the application's functions are, on their goroutine; the context that it returns is theirs,
	// and must come from ctx. end, which is not nil, is called with their error when all have returned. c is valid until
	// then.
	Begin(ctx context.Context, c domain.ClientCall) (_ context.Context, end func(err error))
}
