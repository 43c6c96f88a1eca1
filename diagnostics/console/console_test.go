package console_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/bcrypt"

	"github.com/roombus/roombus/diagnostics"
	"github.com/roombus/roombus/diagnostics/console"
	"github.com/roombus/roombus/domain"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cluster answers as a cluster would.
type cluster struct {
	mu    sync.Mutex
	asked []diagnostics.Question
	// own is this node's answer, reply that of all.
	own   func(q diagnostics.Question) diagnostics.Answer
	reply func(q diagnostics.Question) *diagnostics.Reply
}

func (c *cluster) Ask(_ context.Context, q diagnostics.Question) (*diagnostics.Reply, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, q)
	return c.reply(q), nil
}

func (c *cluster) AskSelf(q diagnostics.Question) diagnostics.Answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.own(q)
}

func (c *cluster) questions() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.asked)
}

func healthy(id domain.NodeID) diagnostics.Answer {
	return diagnostics.Answer{
		Version: 1, Node: id, Name: "node " + string(id), Now: diagnostics.At(time.Now()),
		Status: &diagnostics.Status{Node: id, Name: "node " + string(id), Healthy: true},
	}
}

// pair are two healthy nodes, of which the first has the console.
func pair() *cluster {
	return &cluster{
		own: func(diagnostics.Question) diagnostics.Answer { return healthy("a") },
		reply: func(diagnostics.Question) *diagnostics.Reply {
			return &diagnostics.Reply{Answers: []diagnostics.Answer{healthy("a"), healthy("b")}}
		},
	}
}

func open(t *testing.T, c *cluster, config console.Config) *console.Console {
	t.Helper()
	page, err := console.New(c, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = page.Close() })
	return page
}

func get(h http.Handler, path string, change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, http.NoBody)
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func credentials(user, password string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(user, password) }
}

func TestTheDoor(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("right"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	for name, password := range map[string]string{"plain": "right", "hashed": string(hash)} {
		t.Run(name, func(t *testing.T) {
			page := open(t, pair(), console.Config{User: "ops", Password: password})
			for _, path := range []string{"/", "/console.js", "/console.css", "/icon.svg", "/api/state", "/api/traces", "/api/trace", "/nowhere"} {
				w := get(page, path, nil)
				if w.Code != http.StatusUnauthorized || !strings.Contains(w.Header().Get("WWW-Authenticate"), "Basic") {
					t.Errorf("GET %s without a password: %d", path, w.Code)
				}
			}
			for _, wrong := range [][2]string{{"ops", "wrong"}, {"other", "right"}, {"", ""}, {"ops", string(hash)}, {"ops", "right "}} {
				if w := get(page, "/", credentials(wrong[0], wrong[1])); w.Code != http.StatusUnauthorized {
					t.Errorf("with %q: %d", wrong, w.Code)
				}
			}
			for range 3 {
				if w := get(page, "/", credentials("ops", "right")); w.Code != http.StatusOK {
					t.Errorf("with the right password: %d", w.Code)
				}
			}
		})
	}
}

// Who guesses is held back, and who knows is not held back by him, once he was let in.
func TestGuessing(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("right"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		page := open(t, pair(), console.Config{User: "ops", Password: string(hash)})
		if w := get(page, "/", credentials("ops", "right")); w.Code != http.StatusOK {
			t.Fatalf("with the right password: %d", w.Code)
		}
		refused := 0
		for range 50 {
			if w := get(page, "/", credentials("ops", "wrong")); w.Code == http.StatusTooManyRequests {
				refused++
				if w.Header().Get("Retry-After") == "" {
					t.Error("it is not said when to try again")
				}
			}
		}
		if refused != 41 {
			t.Errorf("%d of 50 guesses were refused at once, want 41: the right password was an attempt as well", refused)
		}
		elsewhere := func(r *http.Request) { r.RemoteAddr = "198.51.100.7:1"; r.SetBasicAuth("ops", "wrong") }
		if w := get(page, "/", elsewhere); w.Code != http.StatusUnauthorized {
			t.Errorf("from another address: %d", w.Code)
		}
		refused = 0
		for i := range 20 {
			w := get(page, "/", func(r *http.Request) {
				r.RemoteAddr = fmt.Sprintf("[2001:db8::%x]:1", i+1)
				r.SetBasicAuth("ops", "wrong")
			})
			if w.Code == http.StatusTooManyRequests {
				refused++
			}
		}
		if refused != 10 {
			t.Errorf("%d of 20 guesses from one network of IPv6 were refused, want 10", refused)
		}
		if w := get(page, "/", credentials("ops", "right")); w.Code != http.StatusOK {
			t.Errorf("with the right password, after the guesses: %d", w.Code)
		}
		time.Sleep(time.Minute)
		if w := get(page, "/", credentials("ops", "wrong")); w.Code != http.StatusUnauthorized {
			t.Errorf("a minute later: %d", w.Code)
		}
	})
}

func TestWrongConfigs(t *testing.T) {
	for _, config := range []console.Config{
		{},
		{User: "ops"},
		{Password: "right"},
		{User: "o:ps", Password: "right"},
		{User: "ops", Password: "$2a$broken"},
		{User: "ops", Password: strings.Repeat("x", 73)},
		{User: "ops", Password: "right", Open: true},
	} {
		if _, err := console.New(pair(), config); err == nil {
			t.Errorf("%+v was taken", config)
		} else if config.Password != "" && strings.Contains(err.Error(), config.Password) {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

// The page may run nothing but its own script, nobody may frame it, no other site may ask it, and nothing is stored.
func TestHeaders(t *testing.T) {
	page := open(t, pair(), console.Config{Open: true})
	for _, path := range []string{"/", "/console.js", "/api/state"} {
		w := get(page, path, nil)
		policy := w.Header().Get("Content-Security-Policy")
		if w.Code != http.StatusOK || w.Header().Get("Cache-Control") != "no-store" || strings.Contains(policy, "unsafe") ||
			!strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") ||
			w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("GET %s: %d with the headers %v", path, w.Code, w.Header())
		}
	}
	if text := get(page, "/", nil).Body.String(); strings.Contains(text, "<script>") || strings.Contains(text, "style=") || strings.Contains(text, "//") && strings.Contains(text, "http:") {
		t.Error("the page has something inline, or from elsewhere")
	}
	foreign := func(r *http.Request) {
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		r.Header.Set("Sec-Fetch-Mode", "cors")
	}
	if w := get(page, "/api/state", foreign); w.Code != http.StatusForbidden {
		t.Errorf("another site's script: %d", w.Code)
	}
	link := func(r *http.Request) {
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		r.Header.Set("Sec-Fetch-Mode", "navigate")
	}
	if w := get(page, "/", link); w.Code != http.StatusOK {
		t.Errorf("a link from another site: %d", w.Code)
	}
	r := httptest.NewRequest(http.MethodPost, "/api/state", http.NoBody)
	w := httptest.NewRecorder()
	page.ServeHTTP(w, r)
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", w.Code)
	}
}

type state struct {
	Boot     string
	Revision uint64
	Self     string
	Error    string
	Nodes    []struct {
		ID, Name, State string
		SilentFor       float64
		Samples         diagnostics.Samples
	}
	Events []struct {
		Node, Kind string
		Count      int
	}
}

func ask(t *testing.T, h http.Handler, path string, into any) {
	t.Helper()
	w := get(h, path, nil)
	if w.Code != http.StatusOK {
		t.Fatalf("GET %s: %d %s", path, w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
		t.Fatalf("GET %s: %v", path, err)
	}
}

func (s *state) is(id string) string {
	for _, n := range s.Nodes {
		if n.ID == id {
			return n.State
		}
	}
	return "not there"
}

// However many look, the nodes are asked once a second, and not at all when nobody does.
func TestNodesAreAskedOnlyWhileSomebodyLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pair()
		page := open(t, c, console.Config{Open: true})
		time.Sleep(time.Minute)
		if n := c.questions(); n != 0 {
			t.Errorf("%d questions while nobody looks", n)
		}
		var s state
		for range 20 {
			for range 5 {
				ask(t, page, "/api/state", &s)
			}
			time.Sleep(time.Second)
		}
		if n := c.questions(); n < 19 || n > 21 {
			t.Errorf("%d questions in 20 s, want 20", n)
		}
		time.Sleep(time.Minute)
		before := c.questions()
		time.Sleep(time.Minute)
		if n := c.questions(); n != before || n > 35 {
			t.Errorf("%d questions, and %d a minute later", before, n)
		}
		ask(t, page, "/api/state", &s)
		time.Sleep(2 * time.Second)
		if c.questions() == before {
			t.Error("who comes back is not served")
		}
	})
}

// A node that does not answer is silent, what the others know of its end is its state, and one that comes back is healthy.
func TestStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pair()
		page := open(t, c, console.Config{Open: true})
		var s state
		look := func(want string) {
			t.Helper()
			for range 4 {
				time.Sleep(time.Second)
				ask(t, page, "/api/state", &s)
			}
			if got := s.is("b"); got != want || s.is("a") == "not there" {
				t.Errorf("b is %q, want %q: %+v", got, want, s)
			}
		}
		set := func(reply func(q diagnostics.Question) *diagnostics.Reply) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.reply = reply
		}
		look("healthy")
		partial := &domain.PartialError{Missing: []domain.NodeID{"b"}}
		events := []diagnostics.Event{}
		missing := func(diagnostics.Question) *diagnostics.Reply {
			a := healthy("a")
			a.Events = slices.Clone(events)
			return &diagnostics.Reply{Answers: []diagnostics.Answer{a}, Missing: []diagnostics.MemberStatus{{Node: "b"}}, Err: partial}
		}
		set(missing)
		look("silent")
		for i, kind := range []string{"member lost", "member joined", "member left"} {
			c.mu.Lock()
			events = append(events, diagnostics.Event{ID: uint64(i + 1), Seq: uint64(i + 1), Peer: "b", Kind: kind, Last: diagnostics.At(time.Now())})
			c.mu.Unlock()
			look([]string{"lost", "silent", "left"}[i])
		}
		set(pair().reply)
		look("healthy")
		set(func(diagnostics.Question) *diagnostics.Reply {
			return &diagnostics.Reply{Answers: []diagnostics.Answer{healthy("a")}, Err: errors.New("Redis is away")}
		})
		look("silent")
		if s.Error != "Redis is away" {
			t.Errorf("the error is %q", s.Error)
		}
		set(missing) // it is a member no more, and was not for long
		for range 11 * 60 {
			time.Sleep(time.Second)
			ask(t, page, "/api/state", &s)
		}
		if s.is("b") != "silent" { // it is still missed, so it is still shown
			t.Errorf("b is %q", s.is("b"))
		}
		set(func(diagnostics.Question) *diagnostics.Reply {
			return &diagnostics.Reply{Answers: []diagnostics.Answer{healthy("a")}}
		})
		for range 11 * 60 {
			time.Sleep(time.Second)
			ask(t, page, "/api/state", &s)
		}
		if s.is("b") != "not there" {
			t.Errorf("a node that has been gone for long is %q", s.is("b"))
		}
	})
}

// The page gets everything at first, then what is new; another console, after a restart, gives everything again.
func TestIncrements(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pair()
		var seq uint64
		c.own = func(q diagnostics.Question) diagnostics.Answer {
			a := healthy("a")
			now := diagnostics.At(time.Now())
			if uint64(now) > q.Samples.After["a"] {
				a.Samples = diagnostics.Samples{{Time: now}}
			}
			seq++
			a.Events = []diagnostics.Event{{ID: 1, Seq: seq, Kind: "repeat", Count: seq}}
			return a
		}
		page := open(t, c, console.Config{Open: true})
		var s state
		for range 5 {
			ask(t, page, "/api/state", &s)
			time.Sleep(time.Second)
		}
		ask(t, page, "/api/state", &s)
		if len(s.Nodes[0].Samples) < 5 || len(s.Events) != 1 || s.Events[0].Count < 5 {
			t.Errorf("everything is %+v", s)
		}
		next := "/api/state?" + url.Values{"boot": {s.Boot}, "after": {json.Number(jsonOf(t, s.Revision)).String()}}.Encode()
		time.Sleep(1100 * time.Millisecond) // the page's own question, once a second, has been answered before
		var more state
		ask(t, page, next, &more)
		if n := len(more.Nodes[0].Samples); n < 1 || n > 2 || len(more.Events) != 1 {
			t.Errorf("what is new is %+v", more)
		}
		again := strings.Replace(next, s.Boot, "another", 1)
		ask(t, page, again, &more)
		if len(more.Nodes[0].Samples) < 5 {
			t.Errorf("after a restart there is %+v", more)
		}
	})
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// What several nodes say of a trace is put together, on the log's clock.
func TestTraces(t *testing.T) {
	c := pair()
	c.reply = func(diagnostics.Question) *diagnostics.Reply {
		a, b := healthy("a"), healthy("b")
		b.Status.ClockAhead, b.Status.ClockKnown = 10, true // seconds
		a.Traces = []diagnostics.Trace{{ID: "t", Start: 1000, End: 2000, Name: "send broadcast", Root: true, Spans: 2}}
		b.Traces = []diagnostics.Trace{{ID: "t", Start: 10_001_500, End: 10_003_000, Name: "process broadcast", Spans: 1, Failed: true, Offset: "1-0"}}
		a.Spans = []diagnostics.Span{{Trace: "t", ID: "1"}}
		b.Spans = []diagnostics.Span{{Trace: "t", ID: "2", Parent: "1"}}
		return &diagnostics.Reply{Answers: []diagnostics.Answer{a, b}, Missing: []diagnostics.MemberStatus{{Node: "c", Name: "node c"}}}
	}
	page := open(t, c, console.Config{Open: true})
	var list struct {
		Traces []struct {
			diagnostics.Trace
			Nodes []string
		}
		Nodes []struct {
			ID       string
			Answered bool
		}
	}
	ask(t, page, "/api/traces?match=t", &list)
	if len(list.Traces) != 1 || len(list.Nodes) != 3 || list.Nodes[2].Answered {
		t.Fatalf("the list is %+v", list)
	}
	if got := list.Traces[0]; got.Name != "send broadcast" || got.Start != 1000 || got.End != 3000 || got.Spans != 3 || !got.Failed ||
		got.Offset != "1-0" || !slices.Equal(got.Nodes, []string{"a", "b"}) {
		t.Errorf("the trace is %+v", got)
	}
	var way struct{ Spans []struct{ Node, ID string } }
	ask(t, page, "/api/trace?id=t", &way)
	if len(way.Spans) != 2 || way.Spans[1].Node != "b" {
		t.Errorf("the way is %+v", way)
	}
	for _, path := range []string{"/api/trace", "/api/trace?id=a&offset=b", "/api/traces?match=" + strings.Repeat("x", 300)} {
		if w := get(page, path, nil); w.Code != http.StatusBadRequest {
			t.Errorf("GET %.40s: %d", path, w.Code)
		}
	}
}
