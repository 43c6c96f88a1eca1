// Package child runs programs for tests: a child process that cannot outlive
// the test process, whose output is at hand when the test fails.
package child

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// drainTime is how long the output pipes may stay open after the process has
// ended, because a grandchild still holds them.
const drainTime = 2 * time.Second

// Config says what to run.
type Config struct {
	// Name stands in messages. Default: the path.
	Name string
	// Path is the program.
	Path string
	Args []string
	// Dir is the working directory. Default: the test's.
	Dir string
	// Env is added to the environment of the test process.
	Env []string
	// OnLine is called with each line of the standard output, without its
	// end, from one goroutine. Lines are of any length. The bytes belong to
	// the callee. Default: the lines go to the log.
	OnLine func(line []byte)
	// KeepLines puts the lines into the log too, after OnLine has returned.
	KeepLines bool
}

// each is what happens to a line of the standard output.
func (c Config) each(log *Tail) func([]byte) {
	switch {
	case c.OnLine == nil:
		return log.add
	case c.KeepLines:
		return func(line []byte) {
			c.OnLine(line)
			log.add(line)
		}
	default:
		return c.OnLine
	}
}

// Process is a running program.
type Process struct {
	name   string
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	log    *Tail
	exited chan struct{}
	err    error // of Wait; valid once exited is closed
}

// Start runs the program. When the test ends the process is killed, if it
// still runs, and waited for; if the test failed, the end of its output is
// logged. When the test process dies in any way, Linux kills the child.
func Start(t testing.TB, config Config) (*Process, error) {
	t.Helper()
	if config.Name == "" {
		config.Name = config.Path
	}
	p := &Process{name: config.Name, log: new(Tail), exited: make(chan struct{})}
	p.cmd = exec.Command(config.Path, config.Args...)
	p.cmd.Dir = config.Dir
	p.cmd.Env = append(os.Environ(), config.Env...)
	p.cmd.SysProcAttr = attributes()
	p.cmd.WaitDelay = drainTime
	out, errors := &lines{each: config.each(p.log)}, &lines{each: p.log.add}
	p.cmd.Stdout, p.cmd.Stderr = out, errors
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	p.stdin = stdin

	started := make(chan error)
	go func() {
		// The kernel's "kill the child when the parent dies" means the thread
		// that made it, so this thread is kept until the child has ended.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.err = p.cmd.Wait()
		out.flush()
		errors.flush()
		close(p.exited)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("the last output of %s (process %d, %s):\n%s", p.name, p.Pid(), p.cmd.ProcessState, p.log)
		}
	})
	return p, nil
}

// Pid is the number of the process.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Stdin is the standard input of the process.
func (p *Process) Stdin() io.WriteCloser { return p.stdin }

// Exited is closed when the process has ended and all of its output was read.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Err says how the process ended: nil for exit code 0. It waits for the end.
func (p *Process) Err() error {
	<-p.exited
	return p.err
}

// Log is the end of what the process has written so far.
func (p *Process) Log() string { return p.log.String() }

// Signal sends a signal. To a process that has ended it returns
// [os.ErrProcessDone].
func (p *Process) Signal(signal os.Signal) error {
	if err := p.cmd.Process.Signal(signal); err != nil {
		return fmt.Errorf("send %s to %s: %w", signal, p.name, err)
	}
	return nil
}

// Kill ends the process with SIGKILL and waits for its end. One that has ended
// already stays as it is.
func (p *Process) Kill() {
	// The only error is that it has ended, which is what was wanted.
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// Terminate sends SIGTERM and waits for the end, for as long as patience; then
// it kills the process and returns an error.
func (p *Process) Terminate(patience time.Duration) error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-p.exited:
		return nil
	case <-timer.C:
		p.Kill()
		return fmt.Errorf("%s did not end within %s of SIGTERM and was killed", p.name, patience)
	}
}

// Pause stops the process with SIGSTOP and returns when it stands still. Its
// connections stay open and silent.
func (p *Process) Pause() error {
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	return waitStopped(p.Pid())
}

// Resume lets a paused process go on.
func (p *Process) Resume() error { return p.Signal(syscall.SIGCONT) }

// tailLines is how many lines a Tail keeps.
const tailLines = 60

// Tail keeps the last lines that were written to it. The zero value is ready.
type Tail struct {
	mu    sync.Mutex
	lines []string
}

func (l *Tail) add(line []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines) == tailLines {
		l.lines = append(l.lines[:0], l.lines[1:]...)
	}
	l.lines = append(l.lines, string(line))
}

// String is the kept lines, each indented by a tab.
func (l *Tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines) == 0 {
		return "\t(none)"
	}
	return "\t" + strings.Join(l.lines, "\n\t")
}

// lines cuts what is written to it into lines.
type lines struct {
	each func([]byte)
	rest []byte
}

// Write never fails.
func (l *lines) Write(b []byte) (int, error) {
	n := len(b)
	for {
		line, after, found := bytes.Cut(b, []byte{'\n'})
		if !found {
			l.rest = append(l.rest, b...)
			return n, nil
		}
		l.each(append(l.rest, line...))
		l.rest, b = nil, after
	}
}

// flush hands on a last line that has no end.
func (l *lines) flush() {
	if len(l.rest) > 0 {
		l.each(l.rest)
		l.rest = nil
	}
}
