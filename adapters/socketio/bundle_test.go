package socketio_test

import (
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/adapters/socketio/engineio"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/internal/testkit/nodejs"
)

// answer is a response that was read.
type answer struct {
	status int
	header http.Header
	body   string
}

func get(t *testing.T, url string, header ...string) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept-Encoding", "identity") // what Go's client unpacks by itself cannot be seen
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(body)}
}

func TestClientBundle(t *testing.T) {
	files := fstest.MapFS{
		"socket.io.min.js":     {Data: []byte("the client")},
		"socket.io.min.js.map": {Data: []byte("{}")},
		"secret.js":            {Data: []byte("not for everybody")},
	}
	h := serve(t, socketio.Config{Client: files})
	for _, test := range []struct {
		path, mime, body string
		status           int
	}{
		{"/socket.io/socket.io.min.js", "application/javascript; charset=utf-8", "the client", 200},
		{"/socket.io/socket.io.min.js?v=1", "application/javascript; charset=utf-8", "the client", 200},
		{"/prefix/socket.io/socket.io.min.js.map", "application/json; charset=utf-8", "{}", 200},
		{"/socket.io/socket.io.js", "", "", 404},
		{"/socket.io/secret.js", "", "", 404},
		{"/socket.io.min.js", "", "", 404},
		{"/socket.io/../socket.io/secret.js", "", "", 404},
	} {
		got := get(t, h.http.URL+test.path)
		if got.status != test.status || (test.status == 200 && (got.body != test.body ||
			got.header.Get("Content-Type") != test.mime || got.header.Get("Cache-Control") != "public, max-age=0")) {
			t.Errorf("%s: %d %v %q", test.path, got.status, got.header, got.body)
		}
	}
	first := get(t, h.http.URL+"/socket.io/socket.io.min.js")
	etag := first.header.Get("ETag")
	for header, want := range map[string]int{etag: 304, "W/" + etag: 304, `"other"`: 200} {
		if got := get(t, h.http.URL+"/socket.io/socket.io.min.js", "If-None-Match", header); got.status != want {
			t.Errorf("If-None-Match %s: %d, want %d", header, got.status, want)
		}
	}
	for header, compressed := range map[string]bool{
		"identity": false, "br": false, "gzip;q=0": false, "gzip; q=0.0, br": false,
		"gzip": true, "br, gzip": true, "deflate, GZIP;q=0.5": true,
	} {
		got := get(t, h.http.URL+"/socket.io/socket.io.min.js", "Accept-Encoding", header)
		body, tag := got.body, etag
		if compressed {
			tag = strings.TrimSuffix(etag, `"`) + `-gzip"`
			r, err := gzip.NewReader(strings.NewReader(got.body))
			if err != nil {
				t.Errorf("Accept-Encoding %q: %v", header, err)
				continue
			}
			unzipped, err := io.ReadAll(r)
			if err != nil {
				t.Errorf("Accept-Encoding %q: %v", header, err)
			}
			body = string(unzipped)
		}
		if body != "the client" || (got.header.Get("Content-Encoding") == "gzip") != compressed ||
			got.header.Get("ETag") != tag || got.header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("Accept-Encoding %q: %q %v", header, body, got.header)
		}
	}
	// Pages of other origins may import the module where they may connect.
	shared := serve(t, socketio.Config{Client: files, Engine: engineio.Config{CORS: &engineio.CORS{Origins: []string{"https://a.example"}}}})
	for origin, want := range map[string]string{"https://a.example": "https://a.example", "https://b.example": ""} {
		got := get(t, shared.http.URL+"/socket.io/socket.io.min.js", "Origin", origin)
		if got.status != 200 || got.header.Get("Access-Control-Allow-Origin") != want || !slices.Contains(got.header["Vary"], "Origin") {
			t.Errorf("from %s: %d %v", origin, got.status, got.header)
		}
	}
	without := serve(t, socketio.Config{})
	if got := get(t, without.http.URL+"/socket.io/socket.io.min.js"); got.status != 404 {
		t.Errorf("without files: %d", got.status)
	}
}

// brokenFS cannot be read.
type brokenFS struct{}

func (brokenFS) Open(string) (fs.File, error) { return nil, fs.ErrPermission }

func TestClientBundleThatIsNotThere(t *testing.T) {
	if _, err := socketio.NewServer(&loneNode{}, socketio.Config{Client: fstest.MapFS{}}); err == nil ||
		!strings.Contains(err.Error(), "client-dist") {
		t.Errorf("error %v, want one that says what to give", err)
	}
	if _, err := socketio.NewServer(&loneNode{}, socketio.Config{Client: brokenFS{}}); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("error %v, want fs.ErrPermission", err)
	}
}

// Official clients reach a server behind prefixes, with a path of its own, and beside another server in one process.
func TestInteropPaths(t *testing.T) {
	eachClient(t, func(t *testing.T, version nodejs.ClientVersion) {
		cluster := inmemory.New(inmemory.Config{})
		t.Cleanup(func() { closing(t, "cluster", cluster.Close) })
		start := func(config socketio.Config) *socketio.Server {
			transport := cluster.Member()
			node, err := app.NewNode(transport.Log(), transport.Channel(), nil, app.Config{})
			if err != nil {
				t.Fatal(err)
			}
			server, err := socketio.NewServer(node, config)
			if err != nil {
				t.Fatal(err)
			}
			if err := node.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				closing(t, "server", server.Close)
				closing(t, "node", node.Close)
				closing(t, "transport", transport.Close)
			})
			return server
		}
		chat, admin := start(socketio.Config{}), start(socketio.Config{Path: "/live/"})
		mux := http.NewServeMux()
		mux.Handle("/socket.io/", chat)
		mux.Handle("/stripped/", http.StripPrefix("/stripped", chat))
		mux.Handle("/api/v1/socket.io/", chat)
		mux.Handle("/live/", admin)
		web := httptest.NewServer(mux)
		t.Cleanup(web.Close)

		clients := version.Start(t)
		all := make(map[string]*nodejs.Client)
		for _, path := range []string{"/socket.io", "/stripped/socket.io", "/api/v1/socket.io", "/live"} {
			for _, transport := range []string{"polling", "websocket"} {
				name := transport + " at " + path
				all[name] = clients.Connect(name, web.URL, nodejs.ConnectOptions{Path: path, Transports: []string{transport}})
			}
		}
		if chat.Connections() != 6 || admin.Connections() != 2 {
			t.Errorf("%d and %d clients, want 6 and 2", chat.Connections(), admin.Connections())
		}
		waitForNodes(t, chat.Namespace, 2)
		if _, err := chat.Emit(t.Context(), "all"); err != nil {
			t.Fatal(err)
		}
		for _, c := range all {
			c.Wait(nodejs.Named("all"))
		}
	})
}
