package nodejs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/roombus/roombus/internal/testkit/child"
	"github.com/roombus/roombus/internal/testkit/need"
)

// stopPatience is how long a process may take to end once its input has ended.
const stopPatience = 5 * time.Second

// Error is what a Node.js process answers to a request that failed, and what an
// acknowledgement reports: the message of the JavaScript error.
type Error struct{ Message string }

// Error is the message.
func (e *Error) Error() string { return e.Message }

// peer is a Node.js process and the conversation with it (lines.mjs).
type peer struct {
	t       testing.TB
	name    string
	process *child.Process
	journal *Journal

	mu      sync.Mutex
	last    int
	waiting map[int]chan answer
	closed  bool
}

type answer struct {
	Reply *int            `json:"reply"`
	Value json.RawMessage `json:"value"`
	Error string          `json:"error"`
	Event *Event          `json:"event"`
}

// request is the fields of a request besides id and op.
type request map[string]any

func startPeer(t testing.TB, name, script string, args ...string) *peer {
	t.Helper()
	node, dir := need.Node(t), install(t)
	p := &peer{t: t, name: name, journal: newJournal(t, name), waiting: map[int]chan answer{}}
	process, err := child.Start(t, child.Config{
		Name: name, Path: node, Args: append([]string{filepath.Join(dir, script)}, args...), Dir: dir,
		OnLine: p.read,
	})
	if err != nil {
		t.Fatalf("start Node.js: %v", err)
	}
	p.process, p.journal.dead = process, process.Exited()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("what %s reported last:\n%s", name, p.journal)
		}
		p.end()
	})
	return p
}

// read takes in a line of the process.
func (p *peer) read(line []byte) {
	var a answer
	if err := json.Unmarshal(line, &a); err != nil {
		p.t.Errorf("%s wrote a line that is no answer: %.200q: %v", p.name, line, err)
		return
	}
	if a.Event != nil {
		p.journal.add(*a.Event)
	}
	if a.Reply == nil {
		return
	}
	p.mu.Lock()
	waiting := p.waiting[*a.Reply]
	delete(p.waiting, *a.Reply)
	p.mu.Unlock()
	if waiting != nil {
		waiting <- a
	}
}

// ask sends a request and waits for its answer. The error is an *Error when the
// Node.js side has answered with one.
func (p *peer) ask(op string, fields request, wait time.Duration) (json.RawMessage, error) {
	reply := make(chan answer, 1)
	if err := p.send(op, fields, reply); err != nil {
		return nil, err
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case a := <-reply:
		return a.Value, a.err()
	case <-p.process.Exited():
		select {
		case a := <-reply: // its last words
			return a.Value, a.err()
		default:
			return nil, fmt.Errorf("%s ended (%w) before it answered %s", p.name, errorOr(p.process.Err()), op)
		}
	case <-timer.C:
		return nil, fmt.Errorf("%s did not answer %s within %s", p.name, op, wait)
	}
}

func (a answer) err() error {
	if a.Error == "" {
		return nil
	}
	return &Error{Message: a.Error}
}

// errorOr is err, or something to say when a process has ended without one.
func errorOr(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

// send writes a request; its answer will be sent to reply.
func (p *peer) send(op string, fields request, reply chan answer) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last++
	line := request{"id": p.last, "op": op}
	maps.Copy(line, fields)
	text, err := json.Marshal(line)
	if err != nil {
		return fmt.Errorf("%s: write request %s as JSON: %w", p.name, op, err)
	}
	p.waiting[p.last] = reply
	if _, err := p.process.Stdin().Write(append(text, '\n')); err != nil {
		return fmt.Errorf("%s: send request %s: %w", p.name, op, err)
	}
	return nil
}

// do is ask for what cannot fail in a test that goes well. The answer is stored
// in into, if that is not nil.
func (p *peer) do(op string, fields request, into any) {
	p.t.Helper()
	value, err := p.ask(op, fields, patience)
	if err == nil && into != nil {
		err = json.Unmarshal(value, into)
	}
	if err != nil {
		p.t.Fatalf("%s: %s: %v", p.name, op, err)
	}
}

// acked is ask for an operation that ends with an acknowledgement: the answers
// that came, also when the error is not nil.
func (p *peer) acked(op string, fields request, timeout time.Duration) (Args, error) {
	value, err := p.ask(op, fields, timeout+patience)
	if err != nil {
		return nil, err
	}
	var result struct {
		Error   string `json:"error"`
		Answers Args   `json:"answers"`
	}
	if err := json.Unmarshal(value, &result); err != nil {
		return nil, fmt.Errorf("%s: answer of %s: %w", p.name, op, err)
	}
	if result.Error != "" {
		return result.Answers, &Error{Message: result.Error}
	}
	return result.Answers, nil
}

// end closes the input, which ends the process, and waits for that.
func (p *peer) end() {
	p.mu.Lock()
	closed := p.closed
	p.closed = true
	p.mu.Unlock()
	if closed {
		return
	}
	if err := p.process.Stdin().Close(); err != nil && !errors.Is(err, io.ErrClosedPipe) {
		p.process.Kill() // as good, where nothing is left to say
	}
	timer := time.NewTimer(stopPatience)
	defer timer.Stop()
	select {
	case <-p.process.Exited():
	case <-timer.C:
		p.process.Kill()
	}
}
