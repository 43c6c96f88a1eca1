package main

import (
	"context"
	"fmt"
	"strings"
)

// setup is what a worker is told when it starts; a Go worker by flags, a Node.js one as JSON.
type setup struct {
	Contender string `json:"contender"`
	Redis     string `json:"redis"`
	Stream    string `json:"stream"`
	MaxLength int64  `json:"maxLength"`
	Window    int    `json:"window"`
	// ReadCount is roombus' read count; zero is its default.
	ReadCount int64 `json:"readCount,omitempty"`
}

// contender is a way to bring messages from one process to another through a stream.
type contender struct {
	name  string // for flags and JSON
	title string // for the table
	// maxLength is what the stream is trimmed to, about.
	maxLength int64
	// paced says that its latency is measured too.
	paced bool
	// nodeJS is for what runs in Node.js; the others have the functions.
	nodeJS bool
	// asked says that it takes part only if -only names it.
	asked     bool
	publisher func(context.Context, setup) (sender, error)
	// receiver begins to receive before it returns, and returns how to end that.
	receiver func(context.Context, setup, *counter) (func() error, error)
}

// us is the contender that the others are compared with.
const us = "roombus"

const (
	usualLength = 10_000
	longLength  = 1_000_000
)

var contenders = []contender{
	{
		name: us, title: "roombus: two nodes", maxLength: usualLength, paced: true,
		publisher: nodePublisher, receiver: nodeReceiver,
	},
	{
		name: "roombus-1m", title: "roombus: two nodes, MAXLEN ~ 1,000,000", maxLength: longLength,
		publisher: nodePublisher, receiver: nodeReceiver,
	},
	{
		name: "roombus-emitter", title: "roombus: an emitter and a node", maxLength: usualLength,
		publisher: emitterPublisher, receiver: nodeReceiver,
	},
	{
		name: "roombus-watermill", title: "roombus: its Watermill types alone, 500 goroutines", maxLength: usualLength,
		publisher: watermillPublisher, receiver: watermillReceiver,
	},
	{
		name: "roombus-batches", title: "roombus: its Watermill types alone, 500 messages a call", maxLength: usualLength,
		publisher: watermillBatchPublisher, receiver: watermillReceiver,
	},
	{
		name: "roombus-observed", title: "roombus: two nodes, an observer at both", maxLength: usualLength, asked: true,
		publisher: decoratedPublisher(observed), receiver: decoratedReceiver(observed),
	},
	{
		name: "roombus-spans-off", title: "roombus: two nodes, tracing off", maxLength: usualLength, asked: true,
		publisher: decoratedPublisher(spansOff), receiver: decoratedReceiver(spansOff),
	},
	{
		name: "roombus-spans-1pct", title: "roombus: two nodes, 1 % of the traces, by Share", maxLength: usualLength, asked: true,
		publisher: decoratedPublisher(spansShared(0.01)), receiver: decoratedReceiver(spansShared(0.01)),
	},
	{
		name: "roombus-spans-sampler", title: "roombus: two nodes, 1 % of the traces, by the SDK's sampler", maxLength: usualLength,
		asked:     true,
		publisher: decoratedPublisher(spansSampled(0.01)), receiver: decoratedReceiver(spansSampled(0.01)),
	},
	{
		name: "roombus-spans", title: "roombus: two nodes, every trace recorded", maxLength: usualLength, asked: true,
		publisher: decoratedPublisher(spansSampled(1)), receiver: decoratedReceiver(spansSampled(1)),
	},
	{
		name: "roombus-metrics", title: "roombus: two nodes, with metrics", maxLength: usualLength, asked: true,
		publisher: decoratedPublisher(measured), receiver: decoratedReceiver(measured),
	},
	{
		name: "nodejs", title: "@socket.io/redis-streams-adapter 0.3.1, redis 5.10.0", maxLength: usualLength,
		paced: true, nodeJS: true,
	},
	{
		name: "watermill", title: "watermill-redisstream 1.4.5, fan-out", maxLength: usualLength,
		publisher: stockPublisher, receiver: stockReceiver,
	},
	{
		name: "bare", title: "go-redis 9.23.0: XADD in pipelines, XREAD COUNT 1000", maxLength: usualLength, paced: true,
		publisher: barePublisher, receiver: bareReceiver,
	},
}

func contenderNamed(name string) (*contender, error) {
	var names []string
	for i := range contenders {
		if contenders[i].name == name {
			return &contenders[i], nil
		}
		names = append(names, contenders[i].name)
	}
	return nil, fmt.Errorf("there is no contender %q; there are %s", name, strings.Join(names, ", "))
}

// chosen are the contenders of a list of names; for an empty one all but those that have to be asked for.
func chosen(list string) ([]*contender, error) {
	var chosen []*contender
	if list == "" {
		for i := range contenders {
			if !contenders[i].asked {
				chosen = append(chosen, &contenders[i])
			}
		}
		return chosen, nil
	}
	for name := range strings.SplitSeq(list, ",") {
		c, err := contenderNamed(name)
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, c)
	}
	return chosen, nil
}
