package main

import (
	"context"
	"testing"

	"github.com/roombus/roombus/domain"
)

type deaf struct{}

func (deaf) HandleEntry(context.Context, *domain.Entry) {}

func (deaf) HandleNotice(context.Context, domain.Notice) {}

func TestThatTheTransportIsLostIsNoSignOfLife(t *testing.T) {
	p := newPulse(nil)
	r := &pulseReader{LogHandler: deaf{}, pulse: p}
	r.HandleNotice(t.Context(), &domain.TransportLost{})
	if p.last.Load() != 0 {
		t.Error("the reader counts as heard when it says that it cannot read")
	}
	r.HandleNotice(t.Context(), &domain.TransportFound{})
	if p.last.Load() == 0 {
		t.Error("the reader does not count as heard when it can read again")
	}
}
