package socketio_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/adapters/socketio/engineio"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/testkit/nodejs"
)

// TestSameAsNodeJSOverHTTP sends the same HTTP requests to socket.io of Node.js and to this server, and compares status,
// body and headers of the answers. Where this server differs on purpose, the case says why.
func TestSameAsNodeJSOverHTTP(t *testing.T) {
	origins := []string{"https://a.example", "https://b.example"}
	node := nodejs.StartServer(t, nodejs.ServerConfig{Options: map[string]any{
		"cors":        map[string]any{"origin": origins, "credentials": true, "methods": []string{"GET", "POST"}, "exposedHeaders": []string{"X-Node"}, "maxAge": 60},
		"cookie":      map[string]any{"name": "io", "maxAge": 3600},
		"serveClient": true,
	}})
	h := serve(t, socketio.Config{
		Client: nodejs.Client48.Bundle(t),
		Engine: engineio.Config{
			CORS: &engineio.CORS{Origins: origins, Credentials: true, ExposedHeaders: []string{"X-Node"}, MaxAge: time.Minute},
			// What engine.io fills in has to be said here.
			Cookie: &http.Cookie{Name: "io", MaxAge: 3600, HttpOnly: true, SameSite: http.SameSiteLaxMode},
		},
	})
	// A session at each.
	sids := map[string]string{}
	for _, server := range []string{node.URL(), h.http.URL} {
		sids[server] = sessionID.FindStringSubmatch(get(t, server+"/socket.io/?EIO=4&transport=polling").body)[1]
	}
	allowed := []string{"Origin", origins[0]}
	for _, test := range []struct {
		name, method, query string
		header              []string
		why                 string // it differs, if it does
	}{
		{"handshake", "GET", "/?EIO=4&transport=polling", allowed, ""},
		{
			"handshake of a foreign origin", "GET", "/?EIO=4&transport=polling", []string{"Origin", "https://c.example"},
			"of credentials nothing is said to who is not allowed",
		},
		{"preflight", "OPTIONS", "/?EIO=4&transport=polling", []string{
			"Origin", origins[1], "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "x-a,x-b",
		}, ""},
		{
			"preflight of a foreign origin", "OPTIONS", "/?EIO=4&transport=polling", []string{"Origin", "https://c.example"},
			"who is not allowed learns nothing",
		},
		{"no transport", "GET", "/?EIO=4", allowed, ""},
		{"unknown transport", "GET", "/?EIO=4&transport=smoke", allowed, ""},
		{"version 3", "GET", "/?EIO=3&transport=polling", allowed, ""},
		{"no version", "GET", "/?transport=polling", allowed, ""},
		{"POST without a session", "POST", "/?EIO=4&transport=polling", allowed, ""},
		{"unknown session", "GET", "/?EIO=4&transport=polling&sid=nobody", allowed, ""},
		{"a poll for WebSocket", "GET", "/?EIO=4&transport=websocket", allowed, ""},
		{"a poll of a session for WebSocket", "GET", "/?EIO=4&transport=websocket&sid=$SID", allowed, ""},
		{"another method", "PUT", "/?EIO=4&transport=polling&sid=$SID", allowed, "Node.js answers 500"},
		{"the client", "GET", "/socket.io.min.js", allowed, ""},
		{"the client, compressed", "GET", "/socket.io.js", slices.Concat(allowed, []string{"Accept-Encoding", "gzip"}), ""},
		{"the client's source map", "GET", "/socket.io.js.map", allowed, ""},
		{"the client as a module", "GET", "/socket.io.esm.min.js", allowed, ""},
		{"the client with msgpack", "GET", "/socket.io.msgpack.min.js", allowed, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			ask := func(server string) string {
				return answerTo(t, test.method, server+"/socket.io"+strings.ReplaceAll(test.query, "$SID", sids[server]), test.header)
			}
			theirs, ours := ask(node.URL()), ask(h.http.URL)
			if (ours == theirs) != (test.why == "") {
				t.Errorf("Node.js:\n%s\nours:\n%s", theirs, ours)
			}
		})
	}
}

// cookieID is the cookie of a connection.
var cookieID = regexp.MustCompile("io=[A-Za-z0-9_-]{20}")

// answerTo is what of an answer clients can see, as text.
func answerTo(t *testing.T, method, url string, header []string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept-Encoding", "identity")
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
	var lines []string
	for name, values := range response.Header {
		switch name {
		case "Date", "Connection", "Keep-Alive", "Content-Length", "Transfer-Encoding", "Etag", "Accept-Ranges":
			continue // of the HTTP server
		}
		parts := strings.FieldsFunc(strings.Join(values, ","), func(r rune) bool { return strings.ContainsRune(",; ", r) })
		// Node.js does not say that the client's files depend on it.
		parts = slices.DeleteFunc(parts, func(part string) bool { return name == "Vary" && part == "Accept-Encoding" })
		slices.Sort(parts)
		lines = append(lines, fmt.Sprintf("%s: %s", name, cookieID.ReplaceAllString(strings.Join(parts, " "), "io=…")))
	}
	slices.Sort(lines)
	text := string(body)
	if len(text) > 200 { // a file, which may be compressed in more than one way
		text = "(a file)"
	}
	all := fmt.Sprintf("%d\n%s\n%s", response.StatusCode, strings.Join(lines, "\n"), text)
	return sid.ReplaceAllString(all, `"sid":"…"`)
}

// A handshake has what it has in Node.js, over both transports.
func TestSameHandshakeAsNodeJS(t *testing.T) {
	node := nodejs.StartServer(t, nodejs.ServerConfig{})
	m := startCluster(t, 1, socketio.Config{})[0]
	clients := nodejs.StartClients(t)
	for _, transport := range transports[:2] {
		options := nodejs.ConnectOptions{
			Transports: transport.use, Query: map[string]string{"a": "ä b"}, Auth: map[string]any{"token": "good"},
			Extra: map[string]any{"extraHeaders": map[string]string{
				"X-Tenant": "blue", "origin": "https://a.example", "cookie": "a=1; b=2", "accept-language": "de, en",
			}},
		}
		clients.Connect(transport.name+" of Node.js", node.URL(), options)
		id := clients.Connect(transport.name, m.url, options).ID()
		remote, err := node.FetchSockets(nodejs.Target{})
		if err != nil || len(remote) == 0 {
			t.Fatalf("%d sockets, %v", len(remote), err)
		}
		var theirs struct {
			Headers            map[string]string
			Query              map[string]string
			Address, URL, Time string
			Issued             int64
			XDomain, Secure    bool
			Auth               json.RawMessage
		}
		if err := json.Unmarshal(remote[len(remote)-1].Handshake, &theirs); err != nil {
			t.Fatalf("%s: %v", remote[len(remote)-1].Handshake, err)
		}
		s, _ := m.Socket(domain.SocketID(id))
		ours := s.Handshake()
		flat := func(values map[string][]string, changing ...string) map[string]string {
			all := make(map[string]string)
			for name, value := range values {
				all[name] = strings.Join(value, ", ")
			}
			for _, name := range changing {
				if all[name] != "" {
					all[name] = "…"
				}
			}
			return all
		}
		for _, headers := range []map[string]string{theirs.Headers, theirs.Query} {
			for _, name := range []string{"host", "sec-websocket-key", "t"} {
				if headers[name] != "" {
					headers[name] = "…"
				}
			}
		}
		if got := flat(ours.Headers, "host", "sec-websocket-key"); !maps.Equal(got, theirs.Headers) {
			t.Errorf("%s: headers\n%v, Node.js has\n%v", transport.name, got, theirs.Headers)
		}
		if got := flat(ours.Query, "t"); !maps.Equal(got, theirs.Query) {
			t.Errorf("%s: query %v, Node.js has %v", transport.name, got, theirs.Query)
		}
		path, _, _ := strings.Cut(theirs.URL, "?")
		if !strings.HasPrefix(ours.URL, path+"?") || ours.CrossDomain != theirs.XDomain || ours.Secure != theirs.Secure ||
			string(ours.Auth.JSON()) != string(theirs.Auth) || strings.TrimPrefix(theirs.Address, "::ffff:") != ours.Address {
			t.Errorf("%s: %+v, Node.js has %+v", transport.name, ours, theirs)
		}
		if apart := ours.Time.Sub(time.UnixMilli(theirs.Issued)).Abs(); apart > time.Minute {
			t.Errorf("%s: the times are %s apart", transport.name, apart)
		}
	}
}
