package interop_test

import (
	"testing"

	"github.com/roombus/roombus/adapters/redisstream"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/diagnostics"
	"github.com/roombus/roombus/internal/testkit/nodejs"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

// curious is a Go node with diagnostics and nothing else.
type curious struct {
	node    *app.Node
	service *diagnostics.Service
}

func startCurious(t *testing.T, redisURL string, config redisstream.Config) curious {
	t.Helper()
	transport, err := redisstream.Connect(t.Context(), redisURL, config)
	if err != nil {
		t.Fatal(err)
	}
	recorder := diagnostics.NewRecorder(diagnostics.Config{})
	node, err := app.NewNode(recorder.Log(transport.Log()), transport.Channel(), nil, app.Config{Observer: recorder.Observer(nil)})
	if err != nil {
		t.Fatal(err)
	}
	service, err := diagnostics.NewService(node, recorder, diagnostics.Sources{})
	if err != nil {
		t.Fatal(err)
	}
	no(t, "open", node.Open(t.Context(), "/"))
	no(t, "run", node.Run(t.Context()))
	t.Cleanup(func() {
		_ = service.Close()
		if err := node.Close(); err != nil {
			t.Errorf("close the node: %v", err)
		}
		if err := transport.Close(); err != nil {
			t.Errorf("close the transport: %v", err)
		}
	})
	return curious{node, service}
}

// Go nodes ask each other while Node.js servers of both lines are in the cluster: these are not asked, count nobody who
// is not there, and go on reading.
func TestDiagnosticsPassNodejsServersBy(t *testing.T) {
	for name, test := range map[string]struct {
		adapter nodejs.Adapter
		config  redisstream.Config
	}{
		"0.2":        {nodejs.Adapter02, redisstream.Config{}},
		"0.3, plain": {nodejs.Adapter03, redisstream.Config{PubSub: redisstream.PubSubPlain}},
	} {
		t.Run(name, func(t *testing.T) {
			redis := realredis.Start(t)
			js := nodejs.StartServer(t, nodejs.ServerConfig{Adapter: test.adapter, RedisURL: redis.URL()})
			js.OnServerSide("/", "note")
			a, b := startCurious(t, redis.URL(), test.config), startCurious(t, redis.URL(), test.config)
			counts := func() bool {
				return js.ServerCount("/") == 3 && a.node.NodeCount("/") == 3 && b.node.NodeCount("/") == 3
			}
			waitFor(t, "all count three", counts)
			for range 20 {
				reply, err := a.service.Ask(t.Context(), diagnostics.Question{
					Status: &diagnostics.StatusQuestion{}, Events: &diagnostics.Since{}, Samples: &diagnostics.Since{},
				})
				if err != nil || reply.Err != nil || len(reply.Answers) != 2 {
					t.Fatalf("%d answers, %v, %v; want those of two nodes", len(reply.Answers), err, reply.Err)
				}
			}
			if !counts() {
				t.Errorf("after the questions the Node.js server counts %d servers, want 3", js.ServerCount("/"))
			}
			for _, n := range a.service.AskSelf(diagnostics.Question{Status: &diagnostics.StatusQuestion{}}).Status.Namespaces {
				if n.Name == diagnostics.Namespace && n.Nodes != 2 {
					t.Errorf("the namespace of the diagnostics has %d nodes, want 2", n.Nodes)
				}
			}
			io := startGo(t, redis.URL(), test.config)
			no(t, "emit", io.io.ServerSideEmit(t.Context(), "note", "still there?"))
			js.Wait(nodejs.OfKind(nodejs.ServerSide), nodejs.Named("note"))
		})
	}
}
