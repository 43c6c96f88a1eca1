package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// stopTime is how long a process may take to end after the end of its input.
const stopTime = 10 * time.Second

// Process is a program that answers lines with lines.
type Process struct {
	name string
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	// First is the line with which it says that it is ready.
	First string
}

// Start starts a program and returns when it has written its first line. It dies with ctx.
func Start(ctx context.Context, name, path string, args ...string) (*Process, error) {
	p := &Process{name: name, cmd: exec.CommandContext(ctx, path, args...)} //nolint:gosec // this program again, or node
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
	if p.First, err = p.line(); err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	return p, nil
}

// StartSelf starts this program again.
func StartSelf(ctx context.Context, name string, args ...string) (*Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	return Start(ctx, name, self, args...)
}

func (p *Process) line() (string, error) {
	line, err := p.out.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("%s ended, or did not answer in time: %w", p.name, err)
	}
	return strings.TrimSpace(line), nil
}

// Ask sends a line and returns the line that is the answer.
func (p *Process) Ask(question string) (string, error) {
	if _, err := fmt.Fprintln(p.in, question); err != nil {
		return "", fmt.Errorf("%s: %w", p.name, err)
	}
	return p.line()
}

// Scan asks a question and reads the numbers of the answer, which is "ok" where none is wanted.
func (p *Process) Scan(question string, numbers ...*float64) error {
	answer, err := p.Ask(question)
	if err != nil {
		return err
	}
	if len(numbers) == 0 {
		if answer != "ok" {
			return fmt.Errorf("%s: %s: %s", p.name, question, answer)
		}
		return nil
	}
	values := make([]any, len(numbers))
	for i, n := range numbers {
		values[i] = n
	}
	if _, err := fmt.Sscan(answer, values...); err != nil {
		return fmt.Errorf("%s: %s: %q: %w", p.name, question, answer, err)
	}
	return nil
}

// Stop ends the process by the end of its input, and after 10 s by force.
func (p *Process) Stop() error {
	closing := p.in.Close()
	force := time.AfterFunc(stopTime, func() { _ = p.cmd.Process.Kill() }) // it may have ended meanwhile
	defer force.Stop()
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return closing
}

// Obey is the other side: it writes a first line, and answers each line of the standard input until that ends.
func Obey(first string, answer func(question string) (string, error)) error {
	fmt.Println(first)
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		line, err := answer(in.Text())
		if err != nil {
			return err
		}
		fmt.Println(line)
	}
	return in.Err()
}

// Matches reports whether a question has a form, and reads the numbers in it.
func Matches(question, form string, numbers ...any) bool {
	_, err := fmt.Sscanf(question, form, numbers...)
	return err == nil
}
