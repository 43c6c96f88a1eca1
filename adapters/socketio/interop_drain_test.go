package socketio_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/internal/testkit/nodejs"
)

// balancer is a load balancer with sticky sessions: new clients go to the nodes in turn, whatever they answer.
type balancer struct {
	nodes []*url.URL

	mu       sync.Mutex
	next     int
	sessions map[string]*url.URL
	refused  int
}

var sessionID = regexp.MustCompile(`"sid":"([^"]+)"`)

// balance starts a balancer before nodes and returns it with its URL.
func balance(t *testing.T, nodes ...string) (*balancer, string) {
	t.Helper()
	b := &balancer{sessions: make(map[string]*url.URL)}
	for _, address := range nodes {
		node, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		b.nodes = append(b.nodes, node)
	}
	transport := &http.Transport{}
	front := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(b.choose(r.In.URL.Query().Get("sid"))) },
		ModifyResponse: b.learn,
		ErrorHandler:   func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
		Transport:      transport,
	})
	t.Cleanup(func() {
		front.Close()
		transport.CloseIdleConnections()
	})
	return b, front.URL
}

func (b *balancer) choose(session string) *url.URL {
	b.mu.Lock()
	defer b.mu.Unlock()
	if node, ok := b.sessions[session]; ok {
		return node
	}
	b.next++
	return b.nodes[(b.next-1)%len(b.nodes)]
}

// learn notes which node has begun a session over long-polling.
func (b *balancer) learn(r *http.Response) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.StatusCode == http.StatusServiceUnavailable {
		b.refused++
	}
	query := r.Request.URL.Query()
	if r.StatusCode != http.StatusOK || query.Get("sid") != "" || query.Get("transport") != "polling" {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	if id := sessionID.FindSubmatch(body); id != nil {
		b.sessions[string(id[1])] = &url.URL{Scheme: r.Request.URL.Scheme, Host: r.Request.URL.Host}
	}
	return err
}

// Case 23 of docs/guarantees.md: the connection is closed, not the socket, so the official client comes back by itself,
// and the node that drains sends it on.
func TestCase23_TheOfficialClientComesBackElsewhere(t *testing.T) {
	eachClient(t, func(t *testing.T, version nodejs.ClientVersion) {
		for _, transport := range transports {
			t.Run(transport.name, func(t *testing.T) {
				cluster := startCluster(t, 2, socketio.Config{})
				leaves, stays := cluster[0], cluster[1]
				b, front := balance(t, leaves.url, stays.url)
				alice := version.Start(t).Connect("alice", front, nodejs.ConnectOptions{Transports: transport.use})
				if len(leaves.Sockets()) != 1 {
					t.Fatal("the client is not on the first node")
				}
				b.mu.Lock()
				b.next = 0 // it finds the node that drains first
				b.mu.Unlock()
				if err := leaves.Drain(t.Context()); err != nil {
					t.Fatal(err)
				}
				if e := alice.Wait(nodejs.OfKind(nodejs.Disconnect)); e.Reason != "transport close" {
					t.Errorf("the reason is %q: an official client stays away after any other", e.Reason)
				}
				alice.Wait(nodejs.OfKind(nodejs.Connect))
				if len(stays.Sockets()) != 1 {
					t.Error("the client is not on the other node")
				}
				b.mu.Lock()
				defer b.mu.Unlock()
				if b.refused == 0 {
					t.Error("the node that drains has turned nobody away")
				}
			})
		}
	})
}

// Case 23 again, with recovery on: what is logged while a node drains reaches all its clients, each once and in order.
func TestCase23_ADrainLosesNothingThatIsLogged(t *testing.T) {
	nodes := stations(t, 2, inmemory.Config{MaxLength: -1})
	leaves, stays := nodes[0], nodes[1]
	clients := nodejs.StartClients(t)
	defer clients.Stop() // so that no poll holds the balancer up
	b, front := balance(t, leaves.http.URL, stays.http.URL)
	b.nodes = b.nodes[:1] // they all begin on the node that will leave
	var all []*nodejs.Client
	for i := range 12 {
		transport := transports[i%len(transports)]
		c := clients.Connect(fmt.Sprint(transport.name, i), front, nodejs.ConnectOptions{Transports: transport.use})
		if _, err := c.EmitWithAck(patience, "join", "red"); err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	b.mu.Lock()
	b.nodes = b.nodes[:2]
	b.mu.Unlock()

	stop, sent := make(chan struct{}), 0
	var emitting sync.WaitGroup
	emitting.Go(func() {
		often := time.NewTicker(2 * time.Millisecond)
		defer often.Stop()
		for {
			select {
			case <-stop:
				return
			case <-often.C:
			}
			if _, err := stays.To("red").Emit(t.Context(), "n", sent); err != nil {
				t.Errorf("emit %d: %v", sent, err)
				return
			}
			sent++
		}
	})
	for _, c := range all {
		c.Wait(nodejs.Named("n"))
	}
	if err := leaves.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	if err := leaves.node.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	for _, c := range all {
		if e := c.Wait(nodejs.OfKind(nodejs.Connect)); !e.Recovered {
			t.Errorf("%s was not recovered", c.Name())
		}
	}
	close(stop)
	emitting.Wait()
	stays.emit(t, stays.To("red"), "last")
	for _, c := range all {
		c.Wait(nodejs.Named("last"))
		got := c.Events(nodejs.Named("n"))
		for i, e := range got {
			var n int
			if err := e.Args.Decode(&n); err != nil || n != i {
				t.Errorf("%s: event %d has the number %s (%v)", c.Name(), i, e.Args, err)
				break
			}
		}
		if len(got) != sent {
			t.Errorf("%s has %d events, want %d", c.Name(), len(got), sent)
		}
	}
}

// Clients of all ages talk to a server with recovery; those that know of it get their session again, the others a new
// one. To all of them offsets are but a last argument.
func TestInteropRecovery(t *testing.T) {
	eachClient(t, func(t *testing.T, version nodejs.ClientVersion) {
		for _, transport := range transports {
			t.Run(transport.name, func(t *testing.T) {
				node := stations(t, 1, inmemory.Config{MaxLength: -1})[0]
				alice := version.Start(t).Connect("alice", node.http.URL, nodejs.ConnectOptions{Transports: transport.use})
				if transport.use == nil {
					alice.Wait(nodejs.OfKind(nodejs.Upgrade))
				}
				if _, err := alice.EmitWithAck(patience, "join", "red"); err != nil {
					t.Fatal(err)
				}
				node.emit(t, node.To("red"), "before", 1)
				if got := alice.Wait(nodejs.Named("before")).Args; len(got) != 2 || string(got[0]) != "1" {
					t.Errorf("the client got %s, want 1 and an offset", got)
				}
				before := alice.ID()
				alice.Break()
				alice.Wait(nodejs.OfKind(nodejs.Disconnect))
				node.emit(t, node.To("red"), "meanwhile")
				again := alice.Wait(nodejs.OfKind(nodejs.Connect))
				knows := version == nodejs.Client48
				if again.Recovered != knows || (again.Socket == before) != knows {
					t.Errorf("recovered is %v, the id %s and before %s", again.Recovered, again.Socket, before)
				}
				if _, err := node.Emit(t.Context(), "after"); err != nil {
					t.Fatal(err)
				}
				alice.Wait(nodejs.Named("after"))
				if missed := alice.Events(nodejs.Named("meanwhile")); (len(missed) == 1) != knows {
					t.Errorf("of what was sent meanwhile the client got %v", missed)
				}
			})
		}
	})
}
