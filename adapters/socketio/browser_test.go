package socketio_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/domain"
	chromium "github.com/roombus/roombus/internal/testkit/browser"
	"github.com/roombus/roombus/internal/testkit/faultproxy"
	"github.com/roombus/roombus/internal/testkit/nodejs"
)

// document is a page that loads a script, the official client, and notes what happens to its sockets. Binary stands in the
// notes as {"bytes": […]}, whose numbers only an ArrayBuffer has.
const document = `<!doctype html><meta charset="utf-8"><title>test</title><link rel="icon" href="data:,">
<script src="%s"></script>
<script>
const notes = [];
const show = (v) =>
	v instanceof ArrayBuffer ? { bytes: [...new Uint8Array(v)] }
	: Array.isArray(v) ? v.map(show)
	: v && typeof v === "object" ? Object.fromEntries(Object.entries(v).map(([k, x]) => [k, show(x)]))
	: v;
const note = (...what) => notes.push(JSON.stringify(show(what)));
function open(url, options) {
	const socket = io(url, { forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 50, ...options });
	socket.on("connect", () => note("connect"));
	socket.on("disconnect", (reason) => note("disconnect", reason));
	socket.on("connect_error", (error) => note("connect_error", error.message, error.data ?? null));
	socket.onAny((...args) => note(...args.filter((arg) => typeof arg !== "function")));
	return socket;
}
const ask = (socket, ...args) =>
	new Promise((done) => socket.emit(...args, (...answer) => done(JSON.stringify(show(answer)))));
</script>`

// site is a web site with the page, which loads that script, at "/", and a server at its usual path.
func site(t *testing.T, io http.Handler, script string) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = fmt.Fprintf(w, document, script)
	})
	mux.Handle("/socket.io/", io)
	server := httptest.NewServer(mux)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server
}

// tab is the page in a browser, with one socket.
type tab struct {
	*chromium.Page
	t *testing.T
}

// javascript writes a value as JavaScript.
func (p tab) javascript(v any) string {
	p.t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(text)
}

// open makes the socket. Without transports they are the client's own.
func (p tab) open(url string, transports []string, options map[string]any) {
	p.t.Helper()
	options = maps.Clone(options)
	if options == nil {
		options = make(map[string]any)
	}
	if transports != nil {
		options["transports"] = transports
	}
	p.Do(fmt.Sprintf("void (window.socket = open(%s, %s))", p.javascript(url), p.javascript(options)))
}

// connect makes the socket and waits until it is connected, over the transport that it has in the end.
func (p tab) connect(url string, transports []string, options map[string]any) {
	p.t.Helper()
	p.open(url, transports, options)
	p.noted("connect")
	final := "websocket"
	if transports != nil {
		final = transports[0]
	}
	p.WaitFor(fmt.Sprintf("socket.io.engine.transport.name === %q", final))
}

// noted waits until the page has noted something.
func (p tab) noted(what ...any) {
	p.t.Helper()
	p.WaitFor(fmt.Sprintf("notes.includes(%s)", p.javascript(p.javascript(what))))
}

// wantAnswer sends an event, its name and arguments as JavaScript, and checks the server's answer.
func (p tab) wantAnswer(event, want string) {
	p.t.Helper()
	if got := chromium.Eval[string](p.Page, "ask(socket, "+event+")"); got != want {
		p.t.Errorf("the answer to %s is %s, want %s", event, got, want)
	}
}

// TestBrowser has two tabs of a real browser talk through two nodes, with the client that each node serves, over each
// transport.
func TestBrowser(t *testing.T) {
	eachClient(t, func(t *testing.T, version nodejs.ClientVersion) {
		nodes := startCluster(t, 2, socketio.Config{Client: version.Bundle(t)})
		sites := []string{
			site(t, nodes[0], "/socket.io/socket.io.js").URL,
			site(t, nodes[1], "/socket.io/socket.io.min.js").URL,
		}
		window := chromium.Start(t)
		tabs := []tab{{window.Open(sites[0]), t}, {window.Open(sites[1]), t}}
		for _, transport := range transports {
			t.Log(transport.name)
			for i, p := range tabs {
				p.Navigate(sites[i])
				p.connect("", transport.use, nil)
			}
			conversation(t, nodes, tabs[0], tabs[1])
		}
		for _, p := range tabs {
			p.WantNoErrors()
		}
	})
}

// conversation is what two pages have to say to each other.
func conversation(t *testing.T, nodes []*member, alice, bob tab) {
	t.Helper()
	// Events and acks, with text and with binary in each form that a browser has.
	alice.wantAnswer(`"echo", 1.5, {"ü": [null, true, "x\u2028😀"]}`, `[[1.5,{"ü":[null,true,"x`+"\u2028"+`😀"]}]]`)
	alice.wantAnswer(`"echo", new Blob(["ab"]), new Uint8Array([0, 255]).buffer`, `[[{"bytes":[97,98]},{"bytes":[0,255]}]]`)
	alice.wantAnswer(`"echo", new Uint8Array([1]), {deep: [new Blob([])]}`, `[[{"bytes":[1]},{"deep":[{"bytes":[]}]}]]`)
	alice.wantAnswer(`"echo", "x".repeat(200000), 0`, `[["`+strings.Repeat("x", 200_000)+`",0]]`)

	// A room on two nodes, with binary.
	for _, p := range []tab{alice, bob} {
		p.wantAnswer(`"join", "room"`, `[["room"]]`)
	}
	alice.wantAnswer(`"post", {room: "room", body: "hi", nested: {files: [new Blob(["ab"])]}}`,
		`[{"room":"room","body":"hi","nested":{"files":[{"bytes":[97,98]}]}}]`)
	bob.WaitFor(`notes.includes('["post",{"room":"room","body":"hi","nested":{"files":[{"bytes":[97,98]}]}}]')`)

	// An ack by the page, with a Blob.
	bob.Do(`void socket.on("file", (done) => done(new Blob(["abc"])))`)
	s, ok := nodes[1].Socket(domain.SocketID(chromium.Eval[string](bob.Page, "socket.id")))
	if !ok {
		t.Fatal("bob is not on his node")
	}
	if file, err := socketio.Decode[[]byte](s.Timeout(patience).EmitWithAck(t.Context(), "file")); err != nil || string(file) != "abc" {
		t.Errorf("the page answers with %q, %v", file, err)
	}

	// Namespaces on the same connection: one that takes it, one that does not, one that is not there.
	const other = `new Promise((done) => {
		const other = socket.io.socket(%q, {auth: %s});
		other.on("connect", () => other.emit("where", (where) => done(JSON.stringify(where))));
		other.on("connect_error", (error) => done(JSON.stringify([error.message, error.data ?? null])));
	})`
	for _, test := range []struct {
		by                    tab
		namespace, auth, want string
	}{
		{alice, "/guarded", `{token: "good"}`, `"/guarded"`},
		{alice, "/nowhere", `{}`, `["Invalid namespace",null]`},
		{bob, "/guarded", `{token: "bad"}`, `["bad token",{"code":401}]`},
	} {
		if got := chromium.Eval[string](test.by.Page, fmt.Sprintf(other, test.namespace, test.auth)); got != test.want {
			t.Errorf("%s: %s, want %s", test.namespace, got, test.want)
		}
	}

	// The end, by the server and by the page. A tab that is left closes its connection.
	bob.Do(`void socket.emit("farewell")`)
	bob.noted("disconnect", "io server disconnect")
	id := chromium.Eval[string](alice.Page, "socket.id")
	alice.Do(`void socket.disconnect()`)
	alice.noted("disconnect", "io client disconnect")
	for got := ""; !strings.HasPrefix(got, id); {
		got = receive(t, "the end of alice", nodes[0].left)
		if strings.HasPrefix(got, id) && got != id+" client namespace disconnect" {
			t.Errorf("the server's reason: %s", got)
		}
	}
}

// A page whose connection is lost gets its session again, and what it has missed, once and in order.
func TestBrowserRecovery(t *testing.T) {
	window := chromium.Start(t)
	bundle := startCluster(t, 1, socketio.Config{Client: nodejs.Client48.Bundle(t)})[0]
	for _, transport := range transports {
		t.Log(transport.name)
		node := stations(t, 1, inmemory.Config{MaxLength: -1})[0]
		web := site(t, node, bundle.url+"/socket.io/socket.io.min.js")
		proxy := faultproxy.Start(t, web.Listener.Addr().String())
		p := tab{window.Open("http://" + proxy.Addr()), t}
		p.connect("", transport.use, nil)
		p.wantAnswer(`"join", "red"`, `[true]`)
		node.emit(t, node.To("red"), "first")
		p.WaitFor(`notes.some((n) => n.startsWith('["first"'))`)
		id := chromium.Eval[string](p.Page, "socket.id")
		proxy.Refuse()
		proxy.Cut()
		p.WaitFor(`notes.some((n) => n.startsWith('["disconnect","transport'))`)
		for i := range 20 {
			node.emit(t, node.To("red"), "missed", i)
		}
		if err := proxy.Accept(); err != nil {
			t.Fatal(err)
		}
		node.emit(t, node.To("red"), "last")
		p.WaitFor(`notes.some((n) => n.startsWith('["last"'))`)
		if chromium.Eval[string](p.Page, "socket.id") != id || !chromium.Eval[bool](p.Page, "socket.recovered") {
			t.Error("the page was not recovered")
		}
		got := chromium.Eval[[]int](p.Page, `notes.map((n) => JSON.parse(n)).filter(([name]) => name === "missed").map(([, i]) => i)`)
		want := make([]int, 20)
		for i := range want {
			want[i] = i
		}
		if !slices.Equal(got, want) {
			t.Errorf("the page got %v, want %v", got, want)
		}
	}
}
