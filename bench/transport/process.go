package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// stopTime is how long a worker may take to close what it has.
const stopTime = 10 * time.Second

// process is a worker in another process.
type process struct {
	name string
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
}

// startProcess starts a worker and returns when it is ready. It dies with ctx.
func startProcess(ctx context.Context, name, path string, args ...string) (*process, error) {
	p := &process{name: name, cmd: exec.CommandContext(ctx, path, args...)} //nolint:gosec // this program again, or node
	p.cmd.Stderr = os.Stderr
	p.cmd.WaitDelay = stopTime
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p.in, p.out = in, bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	if _, err := p.answer(); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return p, nil
}

// ask gives an order and waits for its answer.
func (p *process) ask(o order) (answer, error) {
	line, err := json.Marshal(o)
	if err != nil {
		return answer{}, fmt.Errorf("%s: %w", p.name, err)
	}
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		return answer{}, fmt.Errorf("%s: %w", p.name, err)
	}
	return p.answer()
}

func (p *process) answer() (answer, error) {
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		return answer{}, fmt.Errorf("%s ended, or did not answer in time: %w", p.name, err)
	}
	var a answer
	if err := json.Unmarshal(line, &a); err != nil {
		return answer{}, fmt.Errorf("%s: %w", p.name, err)
	}
	if a.Error != "" {
		return a, fmt.Errorf("%s: %s", p.name, a.Error)
	}
	return a, nil
}

// stop ends the worker by the end of its input, and after [stopTime] by force.
func (p *process) stop() error {
	closing := p.in.Close()
	force := time.AfterFunc(stopTime, func() { _ = p.cmd.Process.Kill() }) // it may have ended meanwhile
	defer force.Stop()
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return closing
}
