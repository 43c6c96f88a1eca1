package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/roombus/roombus/domain"
)

// fetching is a question for sockets that is asked without being a node.
//
// It is asked under the id of emitters, which no node counts as a member, neither one of ours nor a Node.js server: so
// nobody waits for us afterwards, and no goodbye is needed. Everybody executes what stands in the log and answers where
// he does: in the log, or, the 0.3 line of Node.js, on the channel of who has asked, to which we listen and nobody else.
type fetching struct {
	request   domain.RequestID
	namespace string

	mu      sync.Mutex
	fan     *domain.FanIn[[]domain.SocketDetails]
	done    chan struct{}
	ended   bool
	answers map[domain.NodeID][]domain.SocketDetails
}

// fetchSockets asks all nodes of a namespace for the sockets of a target. Who is expected to answer are the members, and
// so many others that have no name. A *domain.PartialError says who has not; the sockets of the others come with it.
func (s *session) fetchSockets(
	ctx context.Context, namespace string, target domain.Target, members []domain.NodeID, unnamed int,
) (map[domain.NodeID][]domain.SocketDetails, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails
	f := &fetching{
		request: domain.RequestID(hex.EncodeToString(id[:])), namespace: namespace,
		fan:  domain.NewFanIn[[]domain.SocketDetails](members, unnamed),
		done: make(chan struct{}), answers: make(map[domain.NodeID][]domain.SocketDetails),
	}
	tail, err := s.transport.Log().Tail(ctx, "", f)
	if err != nil {
		return nil, err
	}
	defer tail.Close()
	ear, err := s.transport.ListenPrivately(ctx, namespace, domain.EmitterID, f)
	if err != nil {
		return nil, err
	}
	defer ear.Close()
	question := &domain.Message{
		Node: domain.EmitterID, Namespace: namespace, Body: &domain.FetchSockets{Target: target, Request: f.request},
	}
	if _, err := s.transport.Log().Append(ctx, question); err != nil {
		return nil, fmt.Errorf("ask for the sockets of %s: %w", namespace, err)
	}
	f.settle()
	select {
	case <-f.done:
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.Canceled) {
			return nil, ctx.Err()
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.answers, f.fan.Err(ctx.Err())
}

// settle ends the waiting when everybody has answered.
func (f *fetching) settle() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fan.Done() && !f.ended {
		f.ended = true
		close(f.done)
	}
}

// HandleEntry takes an answer from the log.
func (f *fetching) HandleEntry(ctx context.Context, e *domain.Entry) {
	f.HandleMessage(ctx, &e.Message)
}

// HandleNotice does nothing: an answer that is lost is missing.
func (*fetching) HandleNotice(context.Context, domain.Notice) {}

// HandleMessage takes an answer.
func (f *fetching) HandleMessage(_ context.Context, m *domain.Message) {
	reply, ok := m.Body.(*domain.FetchSocketsReply)
	switch {
	case m.Namespace != f.namespace:
		return
	case !ok:
		if _, left := m.Body.(*domain.Goodbye); !left {
			return
		}
		f.mu.Lock()
		f.fan.Leave(m.Node)
		f.mu.Unlock()
	case reply.Request != f.request:
		return
	default:
		f.mu.Lock()
		if _, twice := f.answers[m.Node]; !twice { // also of somebody who was not expected
			f.fan.Answer(m.Node, nil)
			f.answers[m.Node] = slices.Clip(reply.Sockets)
		}
		f.mu.Unlock()
	}
	f.settle()
}
