package tracing

import (
	"context"
	"time"

	"github.com/roombus/roombus/domain"
)

// answer is an answer that is being handled. All nodes read the answers in the log, but a span is worth something only
// where the answer counts, which the core decides: the observer makes it then.
type answer struct {
	spans   *spans
	message *domain.Message
	at      domain.Offset
	since   time.Time
}

type answerKey struct{}

// answered returns a context that remembers an answer until the core says that it counts.
func (s *spans) answered(ctx context.Context, m *domain.Message, at domain.Offset) context.Context {
	return context.WithValue(ctx, answerKey{}, &answer{spans: s, message: m, at: at, since: time.Now()})
}

// answerIn is the answer that is being handled, if any.
func answerIn(ctx context.Context) (*answer, bool) {
	a, ok := ctx.Value(answerKey{}).(*answer)
	return a, ok
}

// counts makes the answer's span, from its receipt until now.
func (a *answer) counts(ctx context.Context) {
	_, span := a.spans.received(ctx, a.message, a.since)
	if a.at == "" {
		a.spans.end(span, a.message)
		return
	}
	a.spans.end(span, a.message, messageID(a.at))
}
