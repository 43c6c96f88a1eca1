package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/roombus/roombus/internal/testkit/child"
)

// program is the binary under test, built once, with the race detector.
var program string

func TestMain(m *testing.M) { child.TestProgram(m, "github.com/roombus/roombus/cmd/roombus", &program) }

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// process is a running `roombus serve`.
type process struct {
	*child.Process

	t    *testing.T
	url  string
	name string
	// lines are the logs, as they come.
	lines chan map[string]any
}

// serveWith starts `roombus serve` on a free port of this machine and waits until it says that it serves.
func serveWith(t *testing.T, env []string, flags ...string) *process {
	t.Helper()
	p := &process{t: t, lines: make(chan map[string]any, 10_000)}
	// A shell puts the logs where the test can read them line by line, and is then replaced by the program.
	args := append([]string{"-c", `exec "$0" "$@" 2>&1`, program, "serve", "--addr", "127.0.0.1:0", "--log-format", "json"}, flags...)
	var err error
	p.Process, err = child.Start(t, child.Config{
		Name: "roombus serve", Path: "/bin/sh", Args: args, Env: env, KeepLines: true,
		OnLine: func(line []byte) {
			var fields map[string]any
			if json.Unmarshal(line, &fields) != nil {
				fields = map[string]any{"text": string(line)}
			}
			select {
			case p.lines <- fields:
			default: // nobody reads so many
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ready := p.line("url")
	p.url, p.name = ready["url"].(string), ready["node"].(string)
	return p
}

// line waits for a line of the log that has a field.
func (p *process) line(field string) map[string]any {
	p.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case fields := <-p.lines:
			if _, ok := fields[field]; ok {
				return fields
			}
		case <-p.Exited():
			p.t.Fatalf("roombus ended (%v) before it had logged a line with %q:\n%s", p.Err(), field, p.Log())
		case <-deadline:
			p.t.Fatalf("roombus has not logged a line with %q within %s:\n%s", field, patience, p.Log())
		}
	}
}

// stop ends the process with SIGTERM; it must exit with 0.
func (p *process) stop() {
	p.t.Helper()
	if err := p.Terminate(patience); err != nil {
		p.t.Fatal(err)
	}
	if err := p.Err(); err != nil {
		p.t.Fatalf("roombus ended with %v, want exit code 0; it has written:\n%s", err, p.Log())
	}
}

// get requests a path and returns the status and the body.
func (p *process) get(path string) (int, string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+path, http.NoBody)
	if err != nil {
		p.t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		p.t.Fatalf("GET %s: %v", path, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatalf("read the answer of GET %s: %v", path, err)
	}
	return response.StatusCode, string(body)
}

// outcome is how a run of the program ended.
type outcome struct {
	code           int
	stdout, stderr string
}

// call runs the program until it ends.
func call(t *testing.T, env []string, args ...string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if ctx.Err() != nil {
		t.Fatalf("roombus %q did not end within %s; it has written:\n%s", args, patience, stderr.String())
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatalf("run roombus %q: %v", args, err)
	} else if ok && exit.Sys().(syscall.WaitStatus).Signaled() {
		t.Fatalf("roombus %q ended by a signal: %v", args, err)
	}
	return outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// wantSentence checks that a call has failed with one clear sentence.
func (o outcome) wantSentence(t *testing.T, code int, words ...string) {
	t.Helper()
	if o.code != code {
		t.Errorf("exit code %d, want %d", o.code, code)
	}
	if strings.Count(o.stderr, "\n") != 1 || !strings.HasPrefix(o.stderr, "roombus: ") {
		t.Errorf("stderr is not one sentence:\n%s", o.stderr)
	}
	for _, word := range words {
		if !strings.Contains(o.stderr, word) {
			t.Errorf("%q is not in: %s", word, o.stderr)
		}
	}
	for _, trace := range []string{"goroutine", "panic", ".go:"} {
		if strings.Contains(o.stderr, trace) {
			t.Errorf("stderr looks like a stack trace:\n%s", o.stderr)
		}
	}
}
