package main

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/roombus/roombus/adapters/socketio/admin"
	"github.com/roombus/roombus/internal/testkit/browser"
	"github.com/roombus/roombus/internal/testkit/nodejs"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

// frontEnd is a copy of the official front end that has its icons from the npm package @mdi/font instead of a CDN.
func frontEnd(t *testing.T) string {
	t.Helper()
	modules, dir := nodejs.Modules(t), t.TempDir()
	for from, to := range map[string]string{"@socket.io/admin-ui/ui/dist": "", "@mdi/font/css": "mdi/css", "@mdi/font/fonts": "mdi/fonts"} {
		if err := os.CopyFS(filepath.Join(dir, to), os.DirFS(filepath.Join(modules, from))); err != nil {
			t.Fatal(err)
		}
	}
	index, err := os.ReadFile(filepath.Join(dir, "index.html"))
	if err != nil {
		t.Fatal(err)
	}
	page := strings.NewReplacer(
		`<link rel="stylesheet" href="https://fonts.googleapis.com/css?family=Roboto:100,300,400,500,700,900">`, "",
		"https://cdn.jsdelivr.net/npm/@mdi/font@latest/css/", "mdi/css/",
	).Replace(string(index))
	if strings.Contains(page, "https://") {
		t.Fatalf("the front end needs something else from elsewhere: %s", page)
	}
	if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// adminPage is the official front end in a browser.
type adminPage struct {
	*browser.Page
	t *testing.T
}

// field is the selector of an input of the connection form.
func (p *adminPage) field(label string) string {
	p.t.Helper()
	p.WaitText(".v-dialog--active", label)
	return "#" + browser.Eval[string](p.Page, `[...document.querySelectorAll(".v-dialog--active label")].find(l => l.innerText.trim() === `+
		strconv.Quote(label)+`).htmlFor`)
}

// connect fills the connection form.
func (p *adminPage) connect(url, user, password string) {
	p.t.Helper()
	for label, text := range map[string]string{"Server URL": url, "Username": user, "Password": password} {
		p.enter(p.field(label), text)
	}
	const submit = `document.querySelector('.v-dialog--active button[type="submit"]:enabled')`
	p.WaitFor("!!" + submit)
	p.Do(submit + ".click()") // by its name, not its place: the dialog still moves
}

// enter gives an input another value, as its owner would: the front end does not notice when a test clears it.
func (p *adminPage) enter(selector, text string) {
	p.t.Helper()
	p.Do(`{
		const input = document.querySelector(` + strconv.Quote(selector) + `);
		Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(input, ` + strconv.Quote(text) + `);
		input.dispatchEvent(new Event("input", {bubbles: true}));
	}`)
}

// connected waits until the page says so.
func (p *adminPage) connected() {
	p.t.Helper()
	p.WaitFor(`[...document.querySelectorAll("header .v-chip")].some(c => c.innerText.trim().toLowerCase() === "connected")`)
}

// show goes to a page and waits for texts on it.
func (p *adminPage) show(path string, texts ...string) {
	p.t.Helper()
	p.Do("location.hash = " + strconv.Quote("#/"+path))
	for _, text := range texts {
		p.WaitText("main", text)
	}
}

// press clicks the button of the shown page that has an icon; within names an element whose text it must have, such as a
// row of a table.
func (p *adminPage) press(icon, within, text string) {
	p.t.Helper()
	find := `[...document.querySelectorAll("main ` + within + `")].filter(e => e.offsetParent && e.innerText.includes(` +
		strconv.Quote(text) + `)).map(e => e.querySelector("button:has(.` + icon + `)")).find(b => b)`
	p.WaitFor("!!" + find)
	p.Do(find + ".click()")
}

// settled takes a picture when the page does not move any more.
func (p *adminPage) settled(name string) {
	p.t.Helper()
	p.WaitFor(`document.querySelectorAll("[class*='-leave-active'], [class*='-enter-active']").length === 0`)
	p.Do(`document.activeElement?.blur()`)
	p.Do(`new Promise(done => {
		let before, same = 0;
		const look = () => {
			const now = [...document.querySelectorAll("canvas")].map(c => c.toDataURL()).join();
			same = now === before ? same + 1 : 0;
			before = now;
			same > 5 ? done() : setTimeout(look, 50);
		};
		look();
	})`)
	p.Screenshot(name)
}

// socket goes to the page of a socket.
func (p *adminPage) socket(c *nodejs.Client) {
	p.t.Helper()
	p.show("servers", "Hostname") // from one socket's page the front end does not go to another's
	p.WaitFor(`!document.querySelector("main").innerText.includes("Join a room")`)
	p.show("n/%2F/sockets/"+c.ID(), c.ID(), "Join a room")
}

// joinRoom makes the socket whose page is shown join a room.
func (p *adminPage) joinRoom(room string) {
	p.t.Helper()
	find := `[...document.querySelectorAll("main .v-select input[type='text']")].find(i => i.offsetParent && !i.readOnly)`
	p.WaitFor("!!" + find)
	p.Do(find + `.id = "join-a-room"`)
	p.Do(`document.querySelector("#join-a-room").focus()`)
	p.Type("#join-a-room", room+"\n")
	p.press("mdi-tag-plus-outline", ".v-card", "Join a room")
}

// TestAdminUI: the official Admin UI in a browser, on two nodes of ours and one of Node.js. The page is served by the
// first, and connects to the second, which is another origin for the browser.
func TestAdminUI(t *testing.T) {
	redis := realredis.Start(t)
	env := []string{"ROOMBUS_ADMIN_PASSWORD=open sesame"}
	flags := []string{"--redis", redis.URL(), "--pubsub", "plain", "--admin-user", "root", "--admin-mode", "development"}
	first := serveWith(t, env, append(flags, "--name", "first", "--admin-ui-dir", frontEnd(t))...)
	second := serveWith(t, env, append(flags, "--name", "second", "--cors-origin", first.url)...)
	node := nodejs.StartServer(t, nodejs.ServerConfig{
		Adapter: nodejs.Adapter03, RedisURL: redis.URL(), Recovery: 2 * time.Minute,
		Options: map[string]any{"cors": map[string]any{"origin": []string{first.url}, "credentials": true}},
		Admin: map[string]any{"mode": "development", "serverId": "node-js", "auth": map[string]any{
			"type": "basic", "username": "root", "password": adminHash(t),
		}},
	})
	clients := nodejs.StartClients(t)
	connect := func(name, url string) *nodejs.Client {
		return clients.Connect(name, url, nodejs.ConnectOptions{Transports: []string{"websocket"}, NoReconnection: true})
	}
	ann, bob, joe := connect("ann", first.url), connect("bob", second.url), connect("joe", node.URL())

	page := &adminPage{browser.Open(t, first.url+"/admin-ui/"), t}
	page.Resize(1400, 820)
	page.connect(second.url, "root", "guess")
	page.WaitText(".v-dialog--active", "Invalid credentials")
	page.connect(second.url, "root", "open sesame")
	page.connected()

	page.show("servers", "first", "second", "node-js")
	page.settled("admin-servers")
	page.show("sockets", ann.ID(), bob.ID(), joe.ID())
	page.settled("admin-sockets")

	// Sockets join rooms, of all three servers, by the page.
	for _, c := range []*nodejs.Client{ann, joe} {
		page.socket(c)
		page.joinRoom("kitchen")
		page.WaitText("main", "kitchen")
	}
	page.settled("admin-socket")
	waitRoom(t, node, joe, "kitchen")
	node.SocketsJoin(nodejs.Target{Rooms: []string{bob.ID()}}, "kitchen")
	page.show("rooms", "kitchen")
	page.WaitFor(`[...document.querySelectorAll("main tr")].some(r => r.innerText.includes("kitchen") && /\b3\b/.test(r.innerText))`)
	page.settled("admin-rooms")

	// Events in and out, with what a binary is shown as.
	ann.Emit("join", "lobby")
	joe.Emit("hello", map[string]any{"from": "Node.js"}, nodejs.Binary{1, 2, 3})
	node.Emit(nodejs.Target{Rooms: []string{"kitchen"}}, "dinner", "is ready")
	page.show("events", "Event received", "Event sent", "hello", "dinner", "lobby")
	for _, c := range []*nodejs.Client{ann, bob, joe} {
		page.WaitFor(`[...document.querySelectorAll("main tr")].some(r => r.innerText.includes("dinner") && r.innerText.includes(` +
			strconv.Quote(c.ID()) + `))`)
	}
	page.settled("admin-events")

	clients.Connect("zoe", first.url, nodejs.ConnectOptions{Transports: []string{"polling"}})
	page.show("clients", "HTTP long-polling")
	page.show("", "Clients", "Servers", "Namespaces")
	page.WaitFor(`[...document.querySelectorAll("main tr")].some(r => r.innerText.includes("HTTP long-polling") && r.innerText.includes("20.0 %"))`)
	page.settled("admin-dashboard")

	// The session goes on when the page is loaded again, on Node.js too: both keep it in Redis.
	page.Reload()
	page.connected()
	page.Do("localStorage.setItem('server_url', " + strconv.Quote(node.URL()) + ")")
	page.Reload()
	page.connected()
	page.show("servers", "first", "second", "node-js")
	page.show("sockets", ann.ID(), bob.ID(), joe.ID())
	page.WaitFor(`[...document.querySelectorAll("main tr")].filter(r => r.innerText.includes("WebSocket")).length >= 3`)
	page.Do("localStorage.setItem('server_url', " + strconv.Quote(second.url) + ")")
	page.Reload()
	page.connected()

	// Sockets are put out, of a node of ours and of the one of Node.js.
	gone := ann.ID()
	for _, c := range []*nodejs.Client{ann, joe} {
		page.socket(c)
		page.press("mdi-logout", ".v-card", "Details")
		c.Wait(nodejs.OfKind(nodejs.Disconnect))
		page.WaitText("main", "DISCONNECTED")
	}
	page.show("sockets", bob.ID())
	page.WaitFor(`!document.querySelector("main").innerText.includes(` + strconv.Quote(gone) + `)`)
	page.WantNoErrors()
	first.stop()
	second.stop()
}

// waitRoom waits until a socket of a Node.js server is in a room.
func waitRoom(t *testing.T, node *nodejs.Server, c *nodejs.Client, room string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		sockets, err := node.FetchSockets(nodejs.Target{Rooms: []string{room}, Local: true})
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(sockets, func(s nodejs.RemoteSocket) bool { return s.ID == c.ID() }) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s did not come into %s", c.Name(), room)
		}
	}
}

// TestAdminUIThatShowsLess: in production the page shows how the server is, and a read-only one offers nothing to do.
func TestAdminUIThatShowsLess(t *testing.T) {
	dir := frontEnd(t)
	open := func(flags ...string) (*process, *adminPage) {
		p := serveWith(t, []string{"ROOMBUS_ADMIN_PASSWORD=" + adminHash(t)},
			append(flags, "--name", "alone", "--admin-user", "root", "--admin-ui-dir", dir)...)
		page := &adminPage{browser.Open(t, p.url+"/admin-ui/"), t}
		page.Resize(1400, 820)
		page.connect(p.url, "root", "open sesame")
		page.connected()
		return p, page
	}
	p, page := open()
	page.show("servers", "alone", "HEALTHY")
	page.WaitFor(`![...document.querySelectorAll("nav a")].some(a => a.innerText.includes("Sockets"))`)
	page.show("", "Clients", "Connection and disconnection events")
	page.settled("admin-production")
	page.WantNoErrors()
	p.stop()

	p, page = open("--admin-mode", "development", "--admin-read-only")
	user := nodejs.StartClients(t).Connect("user", p.url, nodejs.ConnectOptions{})
	page.socket(user)
	page.WaitFor(`document.querySelectorAll("main .mdi-logout").length === 0`)
	page.WantNoErrors()
	p.stop()
}

// adminHash is the hash of the password.
func adminHash(t *testing.T) string {
	t.Helper()
	hash, err := admin.HashPassword("open sesame")
	if err != nil {
		t.Fatal(err)
	}
	return hash
}
