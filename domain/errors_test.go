package domain_test

import (
	"context"
	"errors"
	"testing"

	"github.com/roombus/roombus/domain"
)

func TestPartialError(t *testing.T) {
	for _, c := range []struct {
		err  domain.PartialError
		want string
	}{
		{domain.PartialError{Missing: nodes("a", "b")}, "partial result: no answer from a, b"},
		{domain.PartialError{Unnamed: 1}, "partial result: no answer from 1 node without a name"},
		{domain.PartialError{MissingAcks: 1}, "partial result: 1 ack missing"},
		{
			domain.PartialError{Missing: nodes("a"), Unnamed: 2, MissingAcks: 3, Err: context.DeadlineExceeded},
			"partial result: no answer from a; no answer from 2 nodes without a name; 3 acks missing: context deadline exceeded",
		},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("the text is %q, want %q", got, c.want)
		}
		if got := errors.Is(&c.err, context.DeadlineExceeded); got != (c.err.Err != nil) {
			t.Errorf("%q is the deadline's: %v", c.want, got)
		}
	}
}
