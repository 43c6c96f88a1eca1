package hostile

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/roombus/roombus/internal/testkit/child"
)

// roleVariable has this program play a role instead of running tests: with it, addressVariable is the server's address, and
// plainVariable that of the plain one.
const (
	roleVariable    = "ROOMBUS_HOSTILE_ROLE"
	addressVariable = "ROOMBUS_HOSTILE_ADDRESS"
	plainVariable   = "ROOMBUS_HOSTILE_PLAIN"
)

func TestMain(m *testing.M) {
	var err error
	switch role, address := os.Getenv(roleVariable), os.Getenv(addressVariable); role {
	case "":
		goleak.VerifyTestMain(m)
	case "good":
		err = beGood(address, os.Getenv(plainVariable))
	case "bad":
		err = beBad(address)
	case "plain":
		err = bePlain()
	default:
		err = fmt.Errorf("there is no role %q", role)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// process is a crowd of clients in a process of its own, which answers lines with lines.
type process struct {
	*child.Process
	answers chan []byte
}

// start starts a crowd, with one processor, so that what a crowd does has a bound.
func start(t *testing.T, role string, env ...string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{answers: make(chan []byte, 1)}
	p.Process, err = child.Start(t, child.Config{
		Name: role, Path: self, OnLine: func(line []byte) { p.answers <- line },
		Env: append(env, roleVariable+"="+role, "GOMAXPROCS=1"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// ask gives an order and decodes the answer.
func (p *process) ask(t *testing.T, order string, answer any) {
	t.Helper()
	if _, err := fmt.Fprintln(p.Stdin(), order); err != nil {
		t.Fatalf("%s: %v", order, err)
	}
	select {
	case line := <-p.answers:
		if err := json.Unmarshal(line, answer); err != nil {
			t.Fatalf("%s: %v: %s", order, err, line)
		}
	case <-p.Exited():
		t.Fatalf("%s: it has ended", order)
	}
}

// obey answers the orders on the standard input until it ends.
func obey(do func(order string) (any, error)) error {
	out := json.NewEncoder(os.Stdout)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		answer, err := do(in.Text())
		if err != nil {
			return err
		}
		if err := out.Encode(answer); err != nil {
			return err
		}
	}
	return nil
}

// yieldToOthers makes this process one that has to stand back when others want a processor: attackers have some of their own,
// and must not take that of the clients that are measured.
func yieldToOthers() error { return syscall.Setpriority(syscall.PRIO_PROCESS, 0, 10) }

// pass lets time pass.
func pass(d time.Duration) { <-time.After(d) }
