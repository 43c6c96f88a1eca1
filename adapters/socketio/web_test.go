package socketio_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/adapters/socketio/engineio"
	"github.com/roombus/roombus/internal/testkit/nodejs"
)

// userKey is the key of the user in a request's context.
type userKey struct{}

// A chi router has the server at two paths, behind middleware that wraps responses and knows the user; handlers know the
// user too.
func TestInteropChi(t *testing.T) {
	node := startCluster(t, 1, socketio.Config{Engine: engineio.Config{ConnContext: (*http.Request).Context}})[0]
	user := func(ctx context.Context) string {
		if name, ok := ctx.Value(userKey{}).(string); ok {
			return name
		}
		return "nobody"
	}
	seen := make(chan string, 10)
	node.Use(func(ctx context.Context, _ *socketio.Socket) error {
		seen <- "middleware " + user(ctx)
		return ctx.Err()
	})
	node.OnConnect(func(ctx context.Context, _ *socketio.Socket) error { seen <- "connect " + user(ctx); return ctx.Err() })
	node.OnDisconnect(func(ctx context.Context, _ *socketio.Socket, _ socketio.Reason) { seen <- "disconnect " + user(ctx) })
	socketio.OnAck0(node, "who am i", func(ctx context.Context, _ *socketio.Socket) (string, error) { return user(ctx), ctx.Err() })

	router := chi.NewRouter()
	router.Use(middleware.RequestID, middleware.Recoverer, middleware.Timeout(time.Hour), func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-User") == "" {
				http.Error(w, "who are you", http.StatusUnauthorized)
				return
			}
			ctx := context.WithValue(r.Context(), userKey{}, r.Header.Get("X-User"))
			next.ServeHTTP(middleware.NewWrapResponseWriter(w, r.ProtoMajor), r.WithContext(ctx))
		})
	})
	router.Handle("/socket.io/", node)
	router.Route("/api/{version}", func(r chi.Router) { r.Mount("/socket.io", node) })
	web := httptest.NewServer(router)
	t.Cleanup(web.Close)

	clients := nodejs.StartClients(t)
	for _, path := range []string{"/socket.io", "/api/v1/socket.io"} {
		for _, transport := range transports {
			name := transport.name + path
			options := nodejs.ConnectOptions{
				Path: path, Transports: transport.use, Extra: map[string]any{"extraHeaders": map[string]string{"x-user": name}},
			}
			c := clients.Connect(name, web.URL, options)
			if transport.use == nil {
				c.Wait(nodejs.OfKind(nodejs.Upgrade))
			}
			got, err := c.EmitWithAck(patience, "who am i")
			wantArgs(t, name, got, err, `["`+name+`"]`)
			c.Disconnect()
			for _, want := range []string{"middleware ", "connect ", "disconnect "} {
				if got := receive(t, want, seen); got != want+name {
					t.Errorf("the handlers saw %q, want %q", got, want+name)
				}
			}
		}
	}
	stranger := clients.Dial("stranger", web.URL, nodejs.ConnectOptions{NoReconnection: true})
	if e := stranger.Wait(nodejs.OfKind(nodejs.ConnectError)); e.Reason != "xhr poll error" || e.Details != "401" {
		t.Errorf("a stranger: %q, %s", e.Reason, e.Details)
	}
}

// Over TLS the requests of polling may come by HTTP/2, and the WebSocket beside them by HTTP/1.1.
func TestHTTP2(t *testing.T) {
	protocols := make(chan string, 100)
	node := startCluster(t, 1, socketio.Config{Engine: engineio.Config{
		Headers: func(_ http.Header, r *http.Request) { protocols <- r.Proto },
	}})[0]
	web := httptest.NewUnstartedServer(node)
	web.EnableHTTP2 = true
	web.StartTLS()
	t.Cleanup(web.Close)
	client := web.Client()
	send := func(method, query, body string) string {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), method, web.URL+"/socket.io/?EIO=4&transport=polling"+query, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(request)
		p := &poller{t: t}
		return p.do(response, err)
	}
	open := send(http.MethodGet, "", "")
	sid := "&sid=" + sessionID.FindStringSubmatch(open)[1]
	if got := send(http.MethodPost, sid, "40"); got != "ok" {
		t.Errorf("the POST got %q", got)
	}
	if got := send(http.MethodGet, sid, ""); !strings.HasPrefix(got, `40{"sid":`) {
		t.Errorf("the poll got %q", got)
	}
	if s := node.Sockets(); len(s) != 1 || !s[0].Handshake().Secure {
		t.Errorf("sockets %v, want a secure one", s)
	}
	if got := send(http.MethodPost, sid, `420["echo",1,2]`); got != "ok" {
		t.Errorf("the POST got %q", got)
	}
	if got := send(http.MethodGet, sid, ""); got != `430[[1,2]]` {
		t.Errorf("the poll got %q", got)
	}
	for range 5 {
		if got := receive(t, "a request", protocols); got != "HTTP/2.0" {
			t.Errorf("a request by %s", got)
		}
	}
	if got := send(http.MethodPost, sid, "1"); got != "ok" {
		t.Errorf("the POST got %q", got)
	}
}
