package ports_test

import (
	"testing"

	"github.com/roombus/roombus/ports"
)

type counter interface{ Count() int }

type able struct{}

func (able) Count() int { return 7 }

type wrapper struct{ inner any }

func (w wrapper) Unwrap() any { return w.inner }

// override is a decorator that has the ability itself.
type override struct{ wrapper }

func (override) Count() int { return 1 }

func TestAsLooksThroughDecorators(t *testing.T) {
	for name, test := range map[string]struct {
		in   any
		want int
	}{
		"itself":              {able{}, 7},
		"inside two":          {wrapper{wrapper{able{}}}, 7},
		"the outermost":       {override{wrapper{able{}}}, 1},
		"none":                {wrapper{struct{}{}}, 0},
		"a wrapped nil":       {wrapper{nil}, 0},
		"nothing to look at":  {nil, 0},
		"no decorator at all": {"text", 0},
	} {
		got := 0
		if c, ok := ports.As[counter](test.in); ok {
			got = c.Count()
		}
		if got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}
