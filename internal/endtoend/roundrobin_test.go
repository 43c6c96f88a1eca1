package endtoend

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/roombus/roombus/internal/testkit/nginx"
	"github.com/roombus/roombus/internal/testkit/nodejs"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

const (
	// wanderers are the clients behind the balancer: as many over each transport.
	wanderers = 36
	// everybody is the room of all.
	everybody = "everybody"
)

// documented is the configuration of nginx in docs/operations.md, for the given nodes.
func documented(t *testing.T, addrs []string) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```nginx\n(.*?)```").FindSubmatch(page)
	if block == nil {
		t.Fatal("docs/operations.md has no configuration of nginx any more")
	}
	servers, listens := regexp.MustCompile(`(?m)^ *server 10\..*\n`), regexp.MustCompile(`listen \d+;`)
	config := string(block[1])
	if len(servers.FindAllString(config, -1)) < 2 || !listens.MatchString(config) {
		t.Fatalf("the configuration of nginx in docs/operations.md has another form:\n%s", config)
	}
	for _, sticky := range []string{"ip_hash", "hash ", "sticky", "random", "least_conn"} {
		if strings.Contains(config, sticky) {
			t.Fatalf("the configuration of nginx in docs/operations.md does not go round robin: it has %q", sticky)
		}
	}
	ours := "server " + strings.Join(addrs, ";\nserver ") + ";\n"
	first := servers.FindStringIndex(config)
	config = config[:first[0]] + ours + servers.ReplaceAllString(config[first[1]:], "")
	return listens.ReplaceAllString(config, "listen "+nginx.Listen+";")
}

// chatter is what the clients say to each other, and hear.
type chatter struct {
	t       *testing.T
	clients []*nodejs.Client
	said    int
}

// round has each client say something to all, some of them binary, and waits until all have heard all of it, in one
// order, once. Texts are numbered over all rounds.
func (c *chatter) round() {
	c.t.Helper()
	var speaking sync.WaitGroup
	for i, client := range c.clients {
		var body any = fmt.Sprint("text – ", c.said+i)
		if i%4 == 3 {
			body = nodejs.Binary(fmt.Sprint("bytes \x00\xff ", c.said+i))
		}
		speaking.Go(func() {
			answer, err := client.EmitWithAck(patience, "message", map[string]any{"room": everybody, "body": body})
			var receipt struct{ Offset string }
			if err == nil {
				err = answer.Decode(&receipt)
			}
			if err != nil || receipt.Offset == "" {
				c.t.Errorf("%s was not acknowledged: %v, %s", client.Name(), err, answer)
			}
		})
	}
	speaking.Wait()
	c.said += len(c.clients)
	var first []string
	for i, client := range c.clients {
		heard := make([]string, 0, len(c.clients))
		for range c.clients {
			heard = append(heard, client.Wait(nodejs.Named("message")).Args.String())
		}
		switch {
		case i == 0:
			first = heard
			if distinct := slices.Compact(slices.Sorted(slices.Values(heard))); len(distinct) != len(heard) {
				c.t.Errorf("%s has heard something twice:\n%s", client.Name(), strings.Join(heard, "\n"))
			}
		case !slices.Equal(heard, first):
			c.t.Errorf("%s has heard\n%s\nand %s\n%s", client.Name(), strings.Join(heard, "\n"), c.clients[0].Name(), strings.Join(first, "\n"))
		}
	}
	if total := len(c.clients[0].Events(nodejs.Named("message"))); total != c.said {
		c.t.Errorf("%s has heard %d messages, want %d", c.clients[0].Name(), total, c.said)
	}
}

// TestRoundRobinWithoutStickySessions has three nodes behind nginx, which asks them in turn, as docs/operations.md sets it
// up. 36 official clients, over long-polling, over WebSocket, and from the one to the other, talk to each other in a
// room across the nodes; then a node is killed, and all go on and miss nothing; then one is stopped in order.
func TestRoundRobinWithoutStickySessions(t *testing.T) {
	redis := realredis.Start(t)
	var log journal
	var nodes []*node
	var addrs []string
	for i := range 3 {
		n := serve(t, fmt.Sprint("node ", i+1), redis.URL(), &log,
			"--advertise", "127.0.0.1:0", "--forward-secret", "a secret for this test with some length")
		nodes, addrs = append(nodes, n), append(addrs, n.addr)
	}
	balancer := nginx.Start(t, documented(t, addrs))
	process := nodejs.StartClients(t)
	c := &chatter{t: t}
	ways := [][]string{{"polling"}, nil, {"websocket"}}
	for i := range wanderers {
		client := process.Connect(fmt.Sprint("client ", i), balancer.URL(), nodejs.ConnectOptions{Transports: ways[i%len(ways)]})
		if _, err := client.EmitWithAck(patience, "join", everybody); err != nil {
			t.Fatalf("%s joins: %v", client.Name(), err)
		}
		if ways[i%len(ways)] == nil {
			client.Wait(nodejs.OfKind(nodejs.Upgrade))
		}
		c.clients = append(c.clients, client)
	}
	c.round()
	c.round()
	c.presence(3)
	spread := c.spread(balancer)
	t.Logf("%d of the clients' sessions have been asked for at several nodes", spread)
	if spread < wanderers/3 {
		t.Errorf("%d sessions were asked for at several nodes; the balancer is sticky", spread)
	}

	nodes[0].Kill()
	c.settled()
	c.round()
	c.presence(2)
	nodes[1].stop(t)
	c.settled()
	c.round()
	c.presence(1)
	for _, client := range c.clients {
		for _, e := range client.Events(nodejs.OfKind(nodejs.Connect))[1:] {
			if !e.Recovered {
				t.Errorf("%s came back as somebody new: %s", client.Name(), e)
			}
		}
	}
	process.Stop()
	nodes[2].stop(t)

	out, in := 0, 0
	for _, l := range log.passedOn() {
		out, in = out+l.Out, in+l.In
		t.Logf("%s has passed on %d requests, and got %d from others; %d could not be passed on", l.Node, l.Out, l.In, l.Failed)
	}
	if out < wanderers || in < wanderers {
		t.Errorf("%d requests were passed on by the nodes that were not killed, and %d reached them; want some for each client", out, in)
	}
}

// TestRoundRobinNeedsForwarding is what the test above would see if nothing were passed on: what Node.js does.
func TestRoundRobinNeedsForwarding(t *testing.T) {
	redis := realredis.Start(t)
	var log journal
	a, b := serve(t, "a", redis.URL(), &log), serve(t, "b", redis.URL(), &log)
	balancer := nginx.Start(t, documented(t, []string{a.addr, b.addr}))
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	get := func(query string) (int, string) {
		t.Helper()
		response, err := (&http.Client{Transport: transport}).Get(balancer.URL() + "/socket.io/?EIO=4&transport=polling" + query)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(text)
	}
	status, open := get("")
	sid := openPacket.FindStringSubmatch(open)
	if status != http.StatusOK || sid == nil {
		t.Fatalf("the handshake was answered %d %s", status, open)
	}
	if status, text := get("&sid=" + sid[1]); status != http.StatusBadRequest || text != `{"code":1,"message":"Session ID unknown"}` {
		t.Errorf("the poll at the other node was answered %d %s, want 400 and code 1", status, text)
	}
	a.stop(t)
	b.stop(t)
	if lines := log.passedOn(); len(lines) > 0 {
		t.Errorf("requests were passed on: %+v", lines)
	}
}

// presence asks each client who is there.
func (c *chatter) presence(nodes int) {
	c.t.Helper()
	for _, client := range []*nodejs.Client{c.clients[0], c.clients[1], c.clients[2]} {
		until(c.t, fmt.Sprintf("%s sees all clients on %d nodes", client.Name(), nodes), func() bool {
			var p struct {
				Count   int
				Nodes   []any
				Partial string
			}
			answer, err := client.EmitWithAck(patience, "who", everybody)
			return err == nil && answer.Decode(&p) == nil && p.Count == len(c.clients) && len(p.Nodes) == nodes && p.Partial == ""
		})
	}
}

// settled waits until all clients are connected.
func (c *chatter) settled() {
	c.t.Helper()
	for _, client := range c.clients {
		until(c.t, client.Name()+" is connected", func() bool {
			_, err := client.EmitWithAck(patience/3, "who", "")
			return err == nil
		})
	}
}

// spread counts the sessions that were asked for at several nodes.
func (c *chatter) spread(balancer *nginx.Server) int {
	at := make(map[string]map[string]bool)
	for _, r := range balancer.Requests() {
		if r.Session == "" {
			continue
		}
		if at[r.Session] == nil {
			at[r.Session] = make(map[string]bool)
		}
		for _, server := range r.Servers {
			at[r.Session][server] = true
		}
	}
	count := 0
	for _, servers := range at {
		if len(servers) > 1 {
			count++
		}
	}
	return count
}
