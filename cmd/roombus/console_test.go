package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/roombus/roombus/adapters/socketio/client"
	"github.com/roombus/roombus/internal/testkit/browser"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

const consolePassword = "geheim-console"

// serveConsole starts a node of a cluster with a console.
func serveConsole(t *testing.T, redisURL, name string, flags ...string) *process {
	t.Helper()
	return serveWith(t, []string{"ROOMBUS_CONSOLE_PASSWORD=" + consolePassword},
		append([]string{"--redis", redisURL, "--name", name, "--console-user", "ops"}, flags...)...)
}

// console is the address of a node's console, with the password.
func (p *process) console() string {
	return strings.Replace(p.url, "http://", "http://ops:"+consolePassword+"@", 1) + "/console/"
}

// openConsole opens a node's console and waits until it shows so many healthy nodes.
func openConsole(t *testing.T, p *process, nodes int) *browser.Page {
	t.Helper()
	page := browser.Open(t, p.console())
	page.WaitFor(fmt.Sprintf(`document.querySelectorAll('.card[data-state=healthy]').length === %d`, nodes))
	return page
}

// talker is a client that joins a room and says something in it again and again.
type talker struct {
	client *client.Client
	socket *client.Socket
}

func talk(t *testing.T, p *process, room string) *talker {
	t.Helper()
	c, err := client.New(p.url, client.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	s := c.Of("/")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.Connect(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := s.EmitWithAck(ctx, "join", room); err != nil {
		t.Fatal(err)
	}
	return &talker{c, s}
}

// say says something and returns the offset that it got.
func (s *talker) say(t *testing.T, room, body string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	got, err := client.Decode[receipt](s.socket.EmitWithAck(ctx, "message", map[string]string{"room": room, "body": body}))
	if err != nil {
		t.Fatal(err)
	}
	return string(got.Offset)
}

// chatter lets clients of all nodes talk until the test, or the returned function, ends it.
func chatter(t *testing.T, each int, nodes ...*process) (end func()) {
	t.Helper()
	var talkers []*talker
	for _, p := range nodes {
		for range each {
			talkers = append(talkers, talk(t, p, "lobby"))
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(120 * time.Millisecond)
		defer ticker.Stop()
		for turn := 0; ; turn++ {
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return
			}
			for burst := range 1 + turn/20%4 { // so that the charts have something to show
				s := talkers[(turn+burst)%len(talkers)]
				_ = s.socket.Emit(ctx, "message", map[string]string{"room": "lobby", "body": "hello"}) // one that is gone has nothing to say
			}
		}
	}()
	end = func() { cancel(); <-done }
	t.Cleanup(end)
	return end
}

// eventIs is a script that is true when the page shows an event of a kind, told by a node.
func eventIs(kind, node string) string {
	return fmt.Sprintf(`[...document.querySelectorAll('#event-rows tr')].some(row => row.querySelector('.what').textContent.includes(%q) && row.querySelector('.who').textContent.includes(%q))`, kind, node)
}

// visible waits for something on the page and says how long it took from the moment of a fault. The promise is five
// seconds, on a machine that has time for it: the figure is logged.
func visible(t *testing.T, page *browser.Page, since time.Time, what, script string) {
	t.Helper()
	page.WaitFor(script)
	t.Logf("%s: visible after %s", what, time.Since(since).Round(10*time.Millisecond))
}

func TestConsoleShowsAKilledNode(t *testing.T) {
	redis := realredis.Start(t)
	a, b, c := serveConsole(t, redis.URL(), "north"), serveConsole(t, redis.URL(), "south"), serveConsole(t, redis.URL(), "east")
	page := openConsole(t, a, 3)
	page.WaitText("#verdict-text", "All 3 nodes are healthy")
	began := time.Now()
	b.Kill()
	visible(t, page, began, "a killed node, its card", `document.querySelector('.card[data-state=silent]')?.textContent.includes("south")`)
	visible(t, page, began, "a killed node, an event", eventIs("member suspect", "north"))
	page.WaitText("#verdict-why", "south has not answered for")
	page.WaitFor(eventIs("member lost", "north"))
	page.WaitFor(`document.querySelector('.card[data-state=lost]')?.textContent.includes("south")`)
	page.Screenshot("console-killed")
	page.WantNoErrors()
	a.stop()
	c.stop()
}

func TestConsoleShowsThatRedisIsAway(t *testing.T) {
	redis := realredis.Start(t)
	a, b := serveConsole(t, redis.URL(), "north"), serveConsole(t, redis.URL(), "south")
	page := openConsole(t, a, 2)
	began := time.Now()
	redis.Pause()
	visible(t, page, began, "Redis stands still, the verdict", `document.querySelector('#verdict-why').textContent.includes("have not been reachable")`)
	visible(t, page, began, "Redis stands still, the node's own word", `document.querySelector('#verdict-why').textContent.includes("has not been able to read its log")`)
	visible(t, page, began, "Redis stands still, an event", eventIs("transport lost", "north"))
	page.Screenshot("console-redis-paused")
	redis.Resume()
	page.WaitFor(eventIs("transport found", "north"))
	page.WaitFor(`document.querySelectorAll('.card[data-state=healthy]').length === 2`)

	began = time.Now()
	redis.Kill()
	// So soon after the first time it is the same event, with a count.
	visible(t, page, began, "Redis was killed, an event", `[...document.querySelectorAll('#event-rows tr')].some(row => row.querySelector('.what').textContent.match(/transport lost×[2-9]/) && row.querySelector('.who').textContent.includes("north")) || `+
		`[...document.querySelectorAll('#event-rows tr')].filter(row => row.querySelector('.what').textContent.includes("transport lost") && row.querySelector('.who').textContent.includes("north")).length > 1`)
	page.WaitFor(`document.querySelector('.card[data-state=problem]')?.textContent.includes("has not been able to read its log")`)
	redis.Start()
	page.WaitFor(`document.querySelectorAll('.card[data-state=healthy]').length === 2`)
	page.WantNoErrors()
	a.stop()
	b.stop()
}

func TestConsoleShowsWhatATrimmedStreamHasCost(t *testing.T) {
	redis := realredis.Start(t)
	a, b := serveConsole(t, redis.URL(), "north"), serveConsole(t, redis.URL(), "south")
	page := openConsole(t, a, 2)
	alice := talk(t, a, "den")
	if err := b.Pause(); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		alice.say(t, "den", fmt.Sprint(i))
	}
	if err := redis.Client().XTrimMaxLen(t.Context(), "socket.io", 0).Err(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := b.Resume(); err != nil {
		t.Fatal(err)
	}
	visible(t, page, began, "a trimmed stream, an event", eventIs("gap", "south"))
	page.WaitFor(`[...document.querySelectorAll('#event-rows tr.fault .words')].some(words => words.textContent.includes("lost to this node"))`)
	page.WantNoErrors()
	a.stop()
	b.stop()
}

func TestConsoleShowsTheWayOfAMessage(t *testing.T) {
	redis := realredis.Start(t)
	a, b, c := serveConsole(t, redis.URL(), "north"), serveConsole(t, redis.URL(), "south"), serveConsole(t, redis.URL(), `<img src=x onerror=alert(1)>`)
	page := openConsole(t, c, 3)
	alice := talk(t, a, "the-den")
	talk(t, b, "the-den")
	talk(t, b, "the-den")
	offset := alice.say(t, "the-den", "geheim-body")
	page.Fill("#match", offset)
	page.Type("#match", "\n")
	page.WaitText("#way .summary", "north sent it.")
	page.WaitText("#way .summary", "handed it to 3 sockets")
	page.WaitText("#way .summary", "south to 2")
	page.WaitText("#way .facts", offset)
	page.WaitFor(`document.querySelectorAll('#way .span').length >= 4`)
	page.WaitFor(`new Set([...document.querySelectorAll('#way .span .title b')].map(b => b.textContent)).size === 3`)
	page.WaitText("#way", `<img src=x onerror=alert(1)>`)
	page.Do(`document.querySelectorAll("#way .span button").forEach(b => b.click())`) // the page may still be scrolling
	page.WaitFor(`[...document.querySelectorAll("#way .details")].some(d => d.innerText.includes("messaging.message.id"))`)
	for _, secret := range []string{"geheim", "the-den"} {
		if text := page.Text("main"); strings.Contains(text, secret) {
			t.Errorf("%q, of the payload or the room, is on the page: %s", secret, text)
		}
	}
	page.WaitFor(`document.querySelectorAll('img').length === 0`)
	page.Do(`document.querySelector("#match").value = ""`)
	page.Type("#match", "no such thing\n")
	page.WaitText("#trace-empty", "No node remembers a trace with “no such thing”")
	page.WantNoErrors()
	for _, p := range []*process{a, b, c} {
		p.stop()
	}
}

// Nobody sees anything without the password, and no other site's page can ask.
func TestTheConsolesDoor(t *testing.T) {
	p := serveWith(t, []string{"ROOMBUS_CONSOLE_PASSWORD=" + consolePassword}, "--console-user", "ops", "--log-level", "debug")
	for _, path := range []string{"/console/", "/console/console.js", "/console/api/state", "/console/api/traces"} {
		if status, body := p.get(path); status != http.StatusUnauthorized || strings.Contains(body, "script") {
			t.Errorf("GET %s without a password: %d %s", path, status, body)
		}
	}
	none := serveWith(t, nil)
	if status, _ := none.get("/console/"); status != http.StatusNotFound {
		t.Errorf("GET /console/ of a node without a console: %d, want 404", status)
	}
	p.stop()
	none.stop()
	if strings.Contains(p.Log(), consolePassword) {
		t.Error("the password is in the log")
	}
}

// The pictures in docs/console.md come from here: ROOMBUS_SCREENSHOTS names their directory, ROOMBUS_STORY for how long
// the cluster runs before they are taken.
func TestThePageFitsItsScreens(t *testing.T) {
	story := 12 * time.Second
	if given, err := time.ParseDuration(os.Getenv("ROOMBUS_STORY")); err == nil {
		story = given
	}
	redis := realredis.Start(t)
	a, b, c := serveConsole(t, redis.URL(), "chat-1"), serveConsole(t, redis.URL(), "chat-2"), serveConsole(t, redis.URL(), "chat-3")
	end := chatter(t, 4, a, b, c)
	page := openConsole(t, a, 3)
	fits := func() {
		t.Helper()
		if wide := browser.Eval[int](page, `document.documentElement.scrollWidth - innerWidth`); wide > 0 {
			t.Errorf("the page is %d pixels wider than its window", wide)
		}
	}
	wait := func(d time.Duration) {
		timer := time.NewTimer(d)
		defer timer.Stop()
		<-timer.C
	}
	page.Resize(1280, 860)
	wait(story / 4)
	if err := c.Pause(); err != nil {
		t.Fatal(err)
	}
	page.WaitFor(`document.querySelector('.card[data-state=silent]')`)
	if err := redis.Client().XTrimMaxLen(t.Context(), "socket.io", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if err := c.Resume(); err != nil {
		t.Fatal(err)
	}
	page.WaitFor(eventIs("gap", "chat-3"))
	wait(story / 4)
	redis.Pause()
	page.WaitFor(eventIs("transport lost", "chat-1"))
	page.WaitText("#verdict", "cannot reach the other nodes")
	page.Window("console-redis-away", "body")
	redis.Resume()
	page.WaitFor(`document.querySelectorAll('.card[data-state=healthy]').length === 3`)
	wait(story / 4)
	alice := talk(t, a, "lobby")
	offset := alice.say(t, "lobby", "where am I?")
	page.Fill("#match", offset)
	page.Type("#match", "\n")
	page.WaitText("#way .summary", "chat-1 sent it.")
	page.Do(`document.querySelectorAll("#way .span button")[1].click()`)
	page.WaitFor(`[...document.querySelectorAll("#way .details")].some(d => d.innerText.includes("messaging.message.id"))`)
	page.Resize(1280, 680)
	page.Window("console-trace", "#traces")
	page.Do(`document.querySelector("#way .close").click()`)
	b.Kill()
	page.WaitFor(eventIs("member lost", "chat-1"))
	wait(story / 4)
	for _, dark := range []bool{false, true} {
		page.Dark(dark)
		name := "console-light"
		if dark {
			name = "console-dark"
		}
		page.Resize(1280, 860)
		page.WaitFor(`document.querySelectorAll('#plots .plot').length > 5`)
		fits()
		page.Window(name+"-nodes", "body")
		page.Window(name+"-charts", "#charts")
		page.Window(name+"-events", "#events")
		page.Screenshot(name)
	}
	page.Dark(false)
	page.Do(`document.querySelector("#trace-rows button").click()`)
	page.WaitFor(`document.querySelector("#way .span")`)
	page.Resize(400, 800)
	page.WaitFor(`innerWidth === 400`)
	fits()
	page.Screenshot("console-narrow")
	page.WantNoErrors()
	end()
	a.stop()
	c.stop()
}
