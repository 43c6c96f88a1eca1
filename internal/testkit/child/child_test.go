package child

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv("ROOMBUS_CHILD_TEST") == "parent" {
		parent()
		return
	}
	goleak.VerifyTestMain(m)
}

func start(t *testing.T, shell string, onLine func([]byte)) *Process {
	t.Helper()
	p, err := Start(t, Config{Name: "shell", Path: "/bin/sh", Args: []string{"-c", shell}, OnLine: onLine})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestLinesAreCut(t *testing.T) {
	var got []string
	p := start(t, `printf 'a\nbc'; printf 'd\n\n'; printf last`, func(line []byte) { got = append(got, string(line)) })
	if err := p.Err(); err != nil {
		t.Fatal(err)
	}
	if want := []string{"a", "bcd", "", "last"}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("lines %q, want %q", got, want)
	}
}

func TestLogKeepsTheEnd(t *testing.T) {
	p := start(t, `seq 1 200 >&2; echo oops >&2; exit 3`, nil)
	if err := p.Err(); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Fatalf("ended with %v, want exit status 3", err)
	}
	log := p.Log()
	if !strings.Contains(log, "oops") || !strings.Contains(log, "200") || strings.Contains(log, "\t100\n") {
		t.Fatalf("the log should be the last %d lines, it is\n%s", tailLines, log)
	}
}

func TestStdin(t *testing.T) {
	line := make(chan string, 1)
	p := start(t, `read x; echo "got $x"`, func(b []byte) { line <- string(b) })
	if _, err := io.WriteString(p.Stdin(), "hello\n"); err != nil {
		t.Fatal(err)
	}
	if got := <-line; got != "got hello" {
		t.Fatalf("answer %q", got)
	}
}

func TestTerminate(t *testing.T) {
	p := start(t, `exec sleep 60`, nil)
	if err := p.Terminate(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	if err := p.Signal(syscall.SIGTERM); err == nil {
		t.Fatal("a signal to a process that has ended should be an error")
	}

	ready := make(chan struct{})
	p = start(t, `trap '' TERM; echo ready; while :; do sleep 1; done`, func([]byte) { close(ready) })
	<-ready
	if err := p.Terminate(50 * time.Millisecond); err == nil || !strings.Contains(err.Error(), "was killed") {
		t.Fatalf("a process that ignores SIGTERM: %v, want that it was killed", err)
	}
}

func TestPauseAndResume(t *testing.T) {
	answers := make(chan string, 1)
	p := start(t, `while read x; do echo "$x"; done`, func(b []byte) { answers <- string(b) })
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	if fields := strings.Fields(string(state)); fields[2] != "T" {
		t.Fatalf("the state of a paused process is %s, want T", fields[2])
	}
	if _, err := io.WriteString(p.Stdin(), "x\n"); err != nil {
		t.Fatal(err)
	}
	if err := p.Resume(); err != nil {
		t.Fatal(err)
	}
	if got := <-answers; got != "x" {
		t.Fatalf("answer %q, want x", got)
	}
}

func TestStartFails(t *testing.T) {
	if _, err := Start(t, Config{Path: "/no/such/program"}); err == nil || !strings.Contains(err.Error(), "/no/such/program") {
		t.Fatalf("error %v, want one that names the program", err)
	}
}

// TestChildDiesWithItsParent kills a process that has started a child by this
// package, and sees the child end.
func TestChildDiesWithItsParent(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "ROOMBUS_CHILD_TEST=parent")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(out)
	line, err := reader.ReadString('\n')
	if err != nil {
		t.Fatalf("the parent said nothing: %v", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); err != nil {
		t.Fatalf("the child does not run: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	// The child has the parent's standard output as its error output, so the
	// pipe ends when both have ended.
	if rest, err := io.ReadAll(reader); err != nil || len(rest) > 0 {
		t.Fatalf("rest %q, %v", rest, err)
	}
	_ = cmd.Wait() // killed, as asked
}

// parent starts a child that holds the pipe to the test open, says its number,
// and waits to be killed.
func parent() {
	cmd := exec.Command("/bin/sleep", "120")
	cmd.Stderr = os.Stdout
	cmd.SysProcAttr = attributes()
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Fprintln(os.Stdout, cmd.Process.Pid)
	_ = cmd.Wait()
}
