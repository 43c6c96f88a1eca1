package tracing

import (
	"context"
	"maps"
	"slices"

	"go.opentelemetry.io/otel/propagation"

	"github.com/roombus/roombus/domain"
)

// carrier reads the trace's context from a message's headers.
type carrier domain.Headers

var _ propagation.TextMapCarrier = carrier(nil)

func (c carrier) Get(key string) string { return c[key] }

// Set does nothing: headers that were handed over are never changed.
func (c carrier) Set(string, string) {}

func (c carrier) Keys() []string { return slices.Sorted(maps.Keys(c)) }

// copier writes the trace's context into a copy of a message's headers, made when there is something to write.
type copier struct {
	original domain.Headers
	changed  domain.Headers
}

var _ propagation.TextMapCarrier = (*copier)(nil)

func (c *copier) Get(key string) string {
	if c.changed != nil {
		return c.changed[key]
	}
	return c.original[key]
}

func (c *copier) Set(key, value string) {
	if c.changed == nil {
		c.changed = make(domain.Headers, len(c.original)+2)
		maps.Copy(c.changed, c.original)
	}
	c.changed[key] = value
}

func (c *copier) Keys() []string {
	if c.changed != nil {
		return carrier(c.changed).Keys()
	}
	return carrier(c.original).Keys()
}

// withContext is m, or a copy of it with the context of ctx in its headers.
func (t *Tracer) withContext(ctx context.Context, m *domain.Message) *domain.Message {
	c := copier{original: m.Headers}
	t.propagator.Inject(ctx, &c)
	if c.changed == nil {
		return m
	}
	sent := *m
	sent.Headers = c.changed
	return &sent
}
