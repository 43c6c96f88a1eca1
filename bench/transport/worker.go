package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// order is a line to a worker.
type order struct {
	// Do is what to do: "publish" and then "cost" for a publisher, "expect" and then "result" for a receiver.
	Do string `json:"do"`
	// Messages is how many messages the phase has, besides its marker.
	Messages int `json:"messages,omitempty"`
	// Rate is how many are sent a second; zero for as many as the window lets through.
	Rate float64 `json:"rate,omitempty"`
	// Profile is where profiles go; empty for none.
	Profile string `json:"profile,omitempty"`
}

// answer is a worker's line for each order, and one without content when it is ready. Times are those of [now].
type answer struct {
	Error string `json:"error,omitempty"`

	// First is when the first message was handed over.
	First int64 `json:"first,omitempty"`
	// Failed is how many the publisher got an error for, and Failure one of the errors.
	Failed  int     `json:"failed,omitempty"`
	Failure string  `json:"failure,omitempty"`
	Starts  []int64 `json:"starts,omitempty"` // when each was handed over, at a rate

	Received int     `json:"received,omitempty"`
	Repeated int     `json:"repeated,omitempty"`
	ToldLost uint64  `json:"toldLost,omitempty"`
	Last     int64   `json:"last,omitempty"`
	Arrivals []int64 `json:"arrivals,omitempty"` // when each came, at a rate; 0 for never

	// CPU is in microseconds. Allocs and Bytes are nil where they are not known.
	CPU    float64 `json:"cpu,omitempty"`
	Allocs *uint64 `json:"allocs,omitempty"`
	Bytes  *uint64 `json:"bytes,omitempty"`
}

// sender publishes a message and returns when it is stored. It may be called from many goroutines.
type sender interface {
	send(ctx context.Context, number int) error
	close() error
}

// batchSender publishes many at once, and is called by one goroutine.
type batchSender interface {
	sendBatch(ctx context.Context, first, count int) error
}

// worker is a child process: it does what it is ordered, line by line, until its input ends.
type worker struct {
	setup  setup
	sender sender   // of a publisher
	count  *counter // of a receiver
	used   *usage
}

func runWorker(ctx context.Context, s setup, role string, in io.Reader, out io.Writer) (err error) {
	c, err := contenderNamed(s.Contender)
	if err != nil {
		return err
	}
	w := &worker{setup: s}
	switch role {
	case "publisher":
		w.sender, err = c.publisher(ctx, s)
		if err != nil {
			return fmt.Errorf("%s, publisher: %w", c.name, err)
		}
		defer func() { err = errors.Join(err, w.sender.close()) }()
	case "receiver":
		w.count = newCounter()
		closeReceiver, err := c.receiver(ctx, s, w.count)
		if err != nil {
			return fmt.Errorf("%s, receiver: %w", c.name, err)
		}
		defer func() { err = errors.Join(err, closeReceiver()) }()
	default:
		return fmt.Errorf("a role of %q: it must be publisher or receiver", role)
	}
	return w.serve(ctx, in, json.NewEncoder(out))
}

func (w *worker) serve(ctx context.Context, in io.Reader, out *json.Encoder) error {
	if err := out.Encode(answer{}); err != nil {
		return err
	}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		var o order
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			return fmt.Errorf("read an order: %w", err)
		}
		a, err := w.do(ctx, o)
		if err != nil {
			a.Error = err.Error()
		}
		if err := out.Encode(a); err != nil {
			return err
		}
	}
	return lines.Err()
}

func (w *worker) do(ctx context.Context, o order) (a answer, err error) {
	switch {
	case o.Do == "publish" && w.sender != nil:
		if w.used, err = measure(o.Profile); err != nil {
			return a, err
		}
		p := &publishing{sender: w.sender, first: now()}
		if o.Rate > 0 {
			p.pace(ctx, o.Messages, o.Rate)
		} else {
			p.flood(ctx, o.Messages, w.setup.Window)
		}
		return p.end(ctx)
	case o.Do == "cost" && w.sender != nil:
		err = w.used.add(&a)
		return a, err
	case o.Do == "expect" && w.count != nil:
		w.count.begin(o.Messages, o.Rate > 0)
		w.used, err = measure(o.Profile)
		return a, err
	case o.Do == "result" && w.count != nil:
		if a, err = w.count.wait(ctx); err != nil {
			return a, err
		}
		err = w.used.add(&a)
		return a, err
	default:
		return a, fmt.Errorf("the order %q is none for this worker", o.Do)
	}
}

// publishing is one phase of a publisher.
type publishing struct {
	sender sender
	first  int64
	starts []int64

	mu      sync.Mutex
	failed  int
	failure error
}

func (p *publishing) fail(messages int, err error) {
	if err == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failed += messages
	p.failure = err
}

// flood keeps a window of messages in flight.
func (p *publishing) flood(ctx context.Context, messages, window int) {
	if batches, ok := p.sender.(batchSender); ok {
		for first := 0; first < messages; first += window {
			count := min(window, messages-first)
			p.fail(count, batches.sendBatch(ctx, first, count))
		}
		return
	}
	var next atomic.Int64
	var all sync.WaitGroup
	for range window {
		all.Go(func() {
			for {
				number := int(next.Add(1)) - 1
				if number >= messages {
					return
				}
				p.fail(1, p.sender.send(ctx, number))
			}
		})
	}
	all.Wait()
}

// pace sends messages at a rate; one that takes long does not hold up the next.
func (p *publishing) pace(ctx context.Context, messages int, rate float64) {
	p.starts = make([]int64, messages)
	var all sync.WaitGroup
	began := time.Now()
	for number := range messages {
		due := time.Duration(float64(number) / rate * float64(time.Second))
		time.Sleep(due - time.Since(began))
		all.Go(func() {
			p.starts[number] = now()
			p.fail(1, p.sender.send(ctx, number))
		})
	}
	all.Wait()
}

// end publishes the marker.
func (p *publishing) end(ctx context.Context) (answer, error) {
	a := answer{First: p.first, Failed: p.failed, Starts: p.starts}
	if p.failure != nil {
		a.Failure = p.failure.Error()
	}
	if err := p.sender.send(ctx, marker); err != nil {
		return a, fmt.Errorf("publish the end of a phase: %w", err)
	}
	return a, nil
}
