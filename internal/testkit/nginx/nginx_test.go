package nginx_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/roombus/roombus/internal/testkit/nginx"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestBalancer has two servers behind nginx asked in turn.
func TestBalancer(t *testing.T) {
	var servers []string
	for range 2 {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Host) }))
		t.Cleanup(server.Close)
		servers = append(servers, server.Listener.Addr().String())
	}
	balancer := nginx.Start(t, fmt.Sprintf(`
		upstream nodes { server %s; server %s; }
		server { listen LISTEN; location / { proxy_pass http://nodes; } }`, servers[0], servers[1]))
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport}
	const asked = 10
	for range asked {
		response, err := client.Get(balancer.URL() + "/?sid=x")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != http.StatusOK || string(body) != "nodes" {
			t.Errorf("got %s %q (%v)", response.Status, body, err)
		}
		_ = response.Body.Close()
	}
	requests := balancer.Requests()
	for deadline := time.Now().Add(10 * time.Second); len(requests) < asked; requests = balancer.Requests() {
		if time.Now().After(deadline) { // it writes a line when the answer is gone
			t.Fatalf("nginx has logged %d requests, want %d", len(requests), asked)
		}
	}
	counts := map[string]int{}
	for _, r := range requests {
		if r.Session != "x" || r.Status != http.StatusOK || len(r.Servers) != 1 {
			t.Errorf("the log has %+v", r)
		}
		counts[r.Servers[0]]++
	}
	if len(counts) != 2 || counts[servers[0]] != asked/2 {
		t.Errorf("the servers were asked %v, want each five times", counts)
	}
}
