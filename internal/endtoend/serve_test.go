package endtoend

import (
	"encoding/json"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/roombus/roombus/internal/testkit/child"
)

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

// node is a running `roombus serve`.
type node struct {
	*child.Process

	name string
	addr string
}

// journal is what the nodes have logged of their clients' recoveries.
type journal struct {
	mu    sync.Mutex
	lines []logLine
}

// logLine is a line of a node's log.
type logLine struct {
	Time    time.Time `json:"time"`
	Level   string    `json:"level"`
	Text    string    `json:"msg"`
	URL     string    `json:"url"`
	Outcome string    `json:"outcome"`
	Reason  string    `json:"reason"`
	Socket  string    `json:"socket"`
	// Out and In are requests that were passed on.
	Out    int    `json:"out"`
	In     int    `json:"in"`
	Failed int    `json:"failed"`
	Node   string `json:"-"`
}

func (j *journal) add(l logLine) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, l)
}

// recoveries are the lines that say how a recovery ended.
func (j *journal) recoveries() []logLine {
	j.mu.Lock()
	defer j.mu.Unlock()
	var found []logLine
	for _, l := range j.lines {
		switch l.Text {
		case "a client came back":
		case "a client came back and has lost messages":
			l.Outcome = "gap"
		default:
			continue
		}
		found = append(found, l)
	}
	return found
}

// passedOn are the lines that say how many requests a node has passed on.
func (j *journal) passedOn() []logLine {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(j.lines), func(l logLine) bool { return l.Text != "requests were passed on" })
}

// warnings are the lines that are worth one.
func (j *journal) warnings() []logLine {
	j.mu.Lock()
	defer j.mu.Unlock()
	var found []logLine
	for _, l := range j.lines {
		if l.Level == "WARN" || l.Level == "ERROR" {
			found = append(found, l)
		}
	}
	return found
}

// serve starts `roombus serve` on a free port, with flags of the test's own, and waits until it says that it serves.
func serve(t *testing.T, name, redisURL string, to *journal, flags ...string) *node {
	t.Helper()
	n := &node{name: name}
	ready := make(chan string, 1)
	var err error
	// A shell puts the log where the test can read it line by line, and is then replaced by the program.
	n.Process, err = child.Start(t, child.Config{
		Name: "roombus serve " + name, Path: "/bin/sh", Args: append([]string{
			"-c", `exec "$0" "$@" 2>&1`, program, "serve", "--addr", "127.0.0.1:0", "--name", name, "--redis", redisURL,
			"--max-length", "1000000", "--log-format", "json", "--log-level", "debug",
		}, flags...),
		KeepLines: true,
		OnLine: func(line []byte) {
			var l logLine
			if json.Unmarshal(line, &l) != nil {
				l = logLine{Level: "ERROR", Text: string(line)} // such as that of a data race
			}
			l.Node = name
			to.add(l)
			if l.URL != "" {
				ready <- l.URL
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case url := <-ready:
		n.addr = url[len("http://"):]
	case <-n.Exited():
		t.Fatalf("roombus ended (%v) before it served:\n%s", n.Err(), n.Log())
	case <-timer.C:
		t.Fatalf("roombus did not serve within %s:\n%s", patience, n.Log())
	}
	return n
}

// stop ends the node with SIGTERM; it must exit with 0.
func (n *node) stop(t *testing.T) {
	t.Helper()
	if err := n.Terminate(patience); err != nil {
		t.Fatal(err)
	}
	if err := n.Err(); err != nil {
		t.Errorf("%s ended with %v, want exit code 0; it has written:\n%s", n.name, err, n.Log())
	}
}
