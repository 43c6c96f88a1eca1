package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/roombus/roombus/bench/lab"
)

// process is a worker in another process.
type process struct {
	*lab.Process
	name string
}

// startProcess starts a worker and returns when it is ready. It dies with ctx.
func startProcess(ctx context.Context, name, path string, args ...string) (*process, error) {
	inner, err := lab.Start(ctx, name, path, args...)
	if err != nil {
		return nil, err
	}
	p := &process{inner, name}
	if _, err := p.decode(inner.First); err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	return p, nil
}

// ask gives an order and waits for its answer.
func (p *process) ask(o order) (answer, error) {
	question, err := json.Marshal(o)
	if err != nil {
		return answer{}, fmt.Errorf("%s: %w", p.name, err)
	}
	line, err := p.Ask(string(question))
	if err != nil {
		return answer{}, err
	}
	return p.decode(line)
}

func (p *process) decode(line string) (a answer, err error) {
	if err := json.Unmarshal([]byte(line), &a); err != nil {
		return a, fmt.Errorf("%s: %w", p.name, err)
	}
	if a.Error != "" {
		return a, fmt.Errorf("%s: %s", p.name, a.Error)
	}
	return a, nil
}
