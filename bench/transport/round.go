package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/roombus/roombus/bench/lab"
)

// bench is a run of this program.
type bench struct {
	options options
	server  *lab.Redis
	self    string // this program's path
	script  string // adapter.mjs, where Node.js finds it
	node    string // the path of node
	folder  string // of the Node.js packages
	streams int
}

// sample is what one round of one contender came to.
type sample struct {
	Contender string `json:"contender"`
	Round     int    `json:"round"`
	// Rate is the messages that were published a second; zero for a full window.
	Rate     float64 `json:"rate,omitempty"`
	Messages int     `json:"messages"`
	// Failed is how many the publisher got an error for. The Node.js adapter tells nobody: 0.
	Failed  int    `json:"failed"`
	Failure string `json:"failure,omitempty"`
	// Received is how many came, each counted once; Repeated how many came again.
	Received int `json:"received"`
	Repeated int `json:"repeated"`
	// ToldLost is how many the receiver was told are lost.
	ToldLost uint64 `json:"toldLost"`
	// Seconds is the time from the first publish to the last receipt.
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"perSecond"`
	// The processor's time, in microseconds: the publisher's for a message sent, the others' for one received.
	PublisherCPU float64 `json:"publisherMicros"`
	ReceiverCPU  float64 `json:"receiverMicros"`
	RedisCPU     float64 `json:"redisMicros"`
	// Allocations for a message, of Go programs.
	PublisherAllocs *float64 `json:"publisherAllocs,omitempty"`
	ReceiverAllocs  *float64 `json:"receiverAllocs,omitempty"`
	PublisherBytes  *float64 `json:"publisherBytes,omitempty"`
	ReceiverBytes   *float64 `json:"receiverBytes,omitempty"`
	// One way, in milliseconds, at a rate.
	P50 float64 `json:"p50,omitempty"`
	P99 float64 `json:"p99,omitempty"`
}

// lost is how many the publisher believes to be stored and the receiver did not get.
func (s *sample) lost() int { return max(s.Messages-s.Failed-s.Received, 0) }

// load is what a phase publishes.
type load struct {
	messages int
	rate     float64
}

// round runs a contender once: two processes on an empty stream, a warm-up, and the phase that counts.
func (b *bench) round(ctx context.Context, c *contender, number int, l load) (s sample, err error) {
	ctx, cancel := context.WithTimeout(ctx, b.options.roundLimit)
	defer cancel()
	if err := b.server.Empty(ctx); err != nil {
		return s, err
	}
	b.streams++
	stream := "bench-" + strconv.Itoa(b.streams)
	receiver, err := b.start(ctx, c, "receiver", stream)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, receiver.Stop()) }()
	publisher, err := b.start(ctx, c, "publisher", stream)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, publisher.Stop()) }()

	p := phase{server: b.server, publisher: publisher, receiver: receiver}
	if _, _, _, err := p.run(ctx, load{messages: b.options.warmup}, ""); err != nil {
		return s, fmt.Errorf("warm-up: %w", err)
	}
	profile := ""
	if b.options.profiles != "" && !c.nodeJS && l.rate == 0 {
		profile = filepath.Join(b.options.profiles, fmt.Sprintf("%s-%d", c.name, number))
	}
	sent, received, redisCPU, err := p.run(ctx, l, profile)
	if err != nil {
		return s, err
	}
	s = evaluate(l, sent, received)
	s.Contender, s.Round = c.name, number
	s.RedisCPU = redisCPU / float64(max(s.Received, 1))
	return s, nil
}

// start starts a worker.
func (b *bench) start(ctx context.Context, c *contender, role, stream string) (*process, error) {
	s := setup{
		Contender: c.name, Redis: b.server.URL, Stream: stream, MaxLength: c.maxLength,
		Window: b.options.window, ReadCount: b.options.readCount,
	}
	name := c.name + ", " + role
	if !c.nodeJS {
		return startProcess(ctx, name, b.self,
			"-role", role, "-contender", s.Contender, "-redis", s.Redis, "-stream", s.Stream,
			"-max-length", strconv.FormatInt(s.MaxLength, 10), "-window", strconv.Itoa(s.Window),
			"-read-count", strconv.FormatInt(s.ReadCount, 10),
			"-memory-profiles="+strconv.FormatBool(b.options.profiles != ""))
	}
	config, err := json.Marshal(struct {
		setup

		Role     string `json:"role"`
		Packages string `json:"packages"`
	}{s, role, b.folder})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return startProcess(ctx, name, b.node, b.script, string(config))
}

// phase is the two processes of a round, and what they have in common.
type phase struct {
	server              *lab.Redis
	publisher, receiver *process
}

// run publishes a load, waits until the receiver has its end, and returns what both say, and the server's processor
// time in microseconds.
func (p *phase) run(ctx context.Context, l load, profile string) (sent, received answer, redisCPU float64, err error) {
	fail := func(err error) (answer, answer, float64, error) { return sent, received, 0, err }
	suffix := func(role string) string {
		if profile == "" {
			return ""
		}
		return profile + "-" + role
	}
	begin := order{Messages: l.messages, Rate: l.rate}
	begin.Do, begin.Profile = "expect", suffix("receiver")
	if _, err := p.receiver.ask(begin); err != nil {
		return fail(err)
	}
	before, err := p.server.ProcessorTime(ctx)
	if err != nil {
		return fail(err)
	}
	begin.Do, begin.Profile = "publish", suffix("publisher")
	if sent, err = p.publisher.ask(begin); err != nil {
		return fail(err)
	}
	if received, err = p.receiver.ask(order{Do: "result"}); err != nil {
		return fail(err)
	}
	after, err := p.server.ProcessorTime(ctx)
	if err != nil {
		return fail(err)
	}
	cost, err := p.publisher.ask(order{Do: "cost"})
	if err != nil {
		return fail(err)
	}
	sent.CPU, sent.Allocs, sent.Bytes = cost.CPU, cost.Allocs, cost.Bytes
	return sent, received, after - before, nil
}

// evaluate puts together what both sides say.
func evaluate(l load, sent, received answer) sample {
	s := sample{
		Messages: l.messages, Rate: l.rate, Failed: sent.Failed, Failure: sent.Failure,
		Received: received.Received, Repeated: received.Repeated, ToldLost: received.ToldLost,
		Seconds: time.Duration(received.Last - sent.First).Seconds(),
	}
	toSend, toReceive := float64(max(s.Messages, 1)), float64(max(s.Received, 1))
	s.PerSecond = float64(s.Received) / s.Seconds
	s.PublisherCPU, s.ReceiverCPU = sent.CPU/toSend, received.CPU/toReceive
	s.PublisherAllocs, s.PublisherBytes = over(sent.Allocs, toSend), over(sent.Bytes, toSend)
	s.ReceiverAllocs, s.ReceiverBytes = over(received.Allocs, toReceive), over(received.Bytes, toReceive)
	var delays []float64
	for i, start := range sent.Starts {
		if arrival := received.Arrivals[i]; arrival != 0 {
			delays = append(delays, float64(arrival-start)/1e6)
		}
	}
	slices.Sort(delays)
	s.P50, s.P99 = lab.Percentile(delays, 50), lab.Percentile(delays, 99)
	return s
}

func over(total *uint64, messages float64) *float64 {
	if total == nil {
		return nil
	}
	each := float64(*total) / messages
	return &each
}
