package faulttest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/roombus/roombus/adapters/redisstream"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/testkit/child"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

// The processes of these tests are this test's own program, started again with a role in its environment.
const (
	roleVariable, redisVariable = "ROOMBUS_FAULTTEST_ROLE", "ROOMBUS_FAULTTEST_REDIS"
	rolePublish, roleRead       = "publish", "read"

	flowPublishers = 2
	flowEach       = 30_000
	flowTotal      = flowPublishers * flowEach
	// flowPieces is how often a reader says where it is.
	flowPieces = 2000
	// flowTimeout is less than a publisher would have to wait for a reader that is stuck.
	flowTimeout = 4 * time.Second
)

// report of a process, a line of JSON on its standard output.
type flowReport struct {
	Ready     bool
	Read      int // so far
	Lost      uint64
	Gaps      int
	Twice     int
	Trouble   string
	Published int
	Errors    []string
	Waited    time.Duration
	Done      bool
}

func say(r flowReport) {
	line, _ := json.Marshal(r) // plain fields
	fmt.Fprintln(os.Stdout, string(line))
}

// playRole is the whole life of such a process. It waits for a line on its standard input before it does anything that
// others would see, and for another one before it ends.
func playRole(role string) int {
	input := bufio.NewReader(os.Stdin)
	wait := func() { _, _ = input.ReadString('\n') }
	transport, err := redisstream.Connect(context.Background(), os.Getenv(redisVariable), redisstream.Config{PublishTimeout: flowTimeout})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	switch role {
	case rolePublish:
		say(flowReport{Ready: true})
		wait()
		say(flood(transport))
	case roleRead:
		r := &slowReader{seen: make(map[string]bool), pace: time.NewTicker(10 * time.Millisecond)}
		tail, err := transport.Log().Tail(context.Background(), "", r)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer tail.Close()
		say(flowReport{Ready: true})
	}
	wait()
	return 0
}

// flood publishes flat out, from many goroutines.
func flood(transport *redisstream.Transport) flowReport {
	const goroutines = 300
	var published atomic.Int64
	var mu sync.Mutex
	report := flowReport{Done: true}
	var running sync.WaitGroup
	for g := range goroutines {
		running.Go(func() {
			for i := g; i < flowEach; i += goroutines {
				p, err := domain.NewPacket(fmt.Appendf(nil, `["%d/%d","%s"]`, os.Getpid(), i, strings.Repeat("x", 80)))
				if err == nil {
					m := &domain.Message{Node: "0123456789abcdef", Namespace: "/", Body: &domain.Broadcast{Packet: p}}
					_, err = transport.Log().Append(context.Background(), m)
				}
				if err != nil {
					mu.Lock()
					report.Errors = append(report.Errors, err.Error())
					mu.Unlock()
					continue
				}
				published.Add(1)
			}
		})
	}
	running.Wait()
	report.Published, report.Waited = int(published.Load()), transport.Publisher().Waited()
	report.Errors = report.Errors[:min(3, len(report.Errors))]
	return report
}

// slowReader takes ten milliseconds for a hundred entries, a fraction of what two publishers can do.
type slowReader struct {
	pace   *time.Ticker
	seen   map[string]bool
	report flowReport
}

func (r *slowReader) HandleEntry(_ context.Context, e *domain.Entry) {
	body, ok := e.Message.Body.(*domain.Broadcast)
	if !ok {
		return
	}
	event := body.Packet.Event()
	if r.seen[event] {
		r.report.Twice++
	}
	r.seen[event] = true
	r.report.Read++
	if r.report.Read%100 == 0 {
		<-r.pace.C
	}
	r.tell()
}

func (r *slowReader) HandleNotice(_ context.Context, n domain.Notice) {
	switch n := n.(type) {
	case *domain.AtTail:
		return
	case *domain.Gap:
		r.report.Gaps++
		r.report.Lost += n.Lost
	default:
		r.report.Trouble = fmt.Sprintf("%T %+v", n, n)
	}
	r.tell()
}

func (r *slowReader) tell() {
	r.report.Done = r.report.Read+int(r.report.Lost) >= flowTotal
	if r.report.Done || r.report.Read%flowPieces == 0 {
		say(r.report)
	}
}

// actor is such a process, and what it says.
type actor struct {
	*child.Process
	t       *testing.T
	reports chan flowReport
}

func act(t *testing.T, redisURL, role string) *actor {
	t.Helper()
	self, err := os.Executable()
	no(t, "find the test's program", err)
	a := &actor{t: t, reports: make(chan flowReport, flowTotal)}
	a.Process, err = child.Start(t, child.Config{
		Name: role, Path: self, Env: []string{roleVariable + "=" + role, redisVariable + "=" + redisURL},
		OnLine: func(line []byte) {
			var r flowReport
			if json.Unmarshal(line, &r) == nil {
				a.reports <- r
			}
		},
		KeepLines: true,
	})
	no(t, "start a process", err)
	a.until("it is ready", func(r flowReport) bool { return r.Ready })
	return a
}

// until waits for what a process says.
func (a *actor) until(what string, is func(flowReport) bool) flowReport {
	a.t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case r := <-a.reports:
			if is(r) {
				return r
			}
		case <-a.Exited():
			a.t.Fatalf("a process has ended (%v) before %s", a.Err(), what)
		case <-timeout:
			a.t.Fatalf("it did not come within %s: %s", patience, what)
		}
	}
}

// proceed lets it go on.
func (a *actor) proceed() {
	_, err := a.Stdin().Write([]byte("\n"))
	no(a.t, "tell a process to go on", err)
}

// stage is two publishers and a slow reader, each a process of its own.
func stage(t *testing.T) (publishers [flowPublishers]*actor, reader *actor) {
	t.Helper()
	server := realredis.Start(t, realredis.WithoutPersistence())
	reader = act(t, server.URL(), roleRead)
	for i := range publishers {
		publishers[i] = act(t, server.URL(), rolePublish)
	}
	return publishers, reader
}

func publishAll(publishers [flowPublishers]*actor) {
	for _, p := range publishers {
		p.proceed()
	}
}

// wantPublished waits for the ends of the publishers. None of them may have waited for longer than its deadline.
func wantPublished(t *testing.T, publishers [flowPublishers]*actor) {
	t.Helper()
	for i, p := range publishers {
		r := p.until("all is published", func(r flowReport) bool { return r.Done })
		t.Logf("publisher %d: %d published, waited %s for readers", i, r.Published, r.Waited)
		if r.Published != flowEach || len(r.Errors) > 0 {
			t.Errorf("publisher %d has published %d of %d: %q", i, r.Published, flowEach, r.Errors)
		}
		if r.Waited == 0 {
			t.Errorf("publisher %d has waited for nobody", i)
		}
	}
}

// stopReader stops the reader's process in the middle, for a time.
func stopReader(t *testing.T, reader *actor, d time.Duration) {
	t.Helper()
	reader.until("it has read a part", func(r flowReport) bool { return r.Read >= flowTotal/6 })
	no(t, "stop the reader", reader.Pause())
	pass(d)
	no(t, "let the reader go on", reader.Resume())
}

// TestCase05_TwoProcessesAndAReaderThatStands: for a second the reader's process is stopped.
func TestCase05_TwoProcessesAndAReaderThatStands(t *testing.T) {
	publishers, reader := stage(t)
	publishAll(publishers)
	stopReader(t, reader, time.Second)
	wantPublished(t, publishers)
	r := reader.until("all is read", func(r flowReport) bool { return r.Done })
	if r.Read != flowTotal || r.Lost > 0 || r.Twice > 0 || r.Trouble != "" {
		t.Errorf("the reader has %+v; want all %d, once", r, flowTotal)
	}
}

// TestCase05_AReaderThatStandsForLongerIsToldWhatItHasLost: it has been silent for so long that it counts as dead.
func TestCase05_AReaderThatStandsForLongerIsToldWhatItHasLost(t *testing.T) {
	publishers, reader := stage(t)
	publishAll(publishers)
	stopReader(t, reader, flowTimeout+time.Second)
	wantPublished(t, publishers)
	r := reader.until("all is read or told", func(r flowReport) bool { return r.Done })
	t.Logf("the reader was stopped for %s: it has read %d, and was told of %d lost in %d gaps", flowTimeout+time.Second,
		r.Read, r.Lost, r.Gaps)
	if r.Read+int(r.Lost) != flowTotal || r.Lost == 0 || r.Gaps == 0 || r.Twice > 0 || r.Trouble != "" {
		t.Errorf("the reader has %+v; want that what it has and what it was told of make %d", r, flowTotal)
	}
}

// TestCase05_AKilledReaderHoldsNobodyForLong: no publisher waits for as long as its deadline.
func TestCase05_AKilledReaderHoldsNobodyForLong(t *testing.T) {
	publishers, reader := stage(t)
	publishAll(publishers)
	reader.until("it has read a part", func(r flowReport) bool { return r.Read >= flowPieces })
	reader.Kill()
	wantPublished(t, publishers)
}
