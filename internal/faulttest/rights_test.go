package faulttest

import (
	"os"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/roombus/roombus/adapters/redisstream"
	"github.com/roombus/roombus/internal/testkit/faultproxy"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

// documentedRule is the rule of the ACL user in the package comment of redisstream.
func documentedRule(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../../adapters/redisstream/doc.go")
	no(t, "read the documentation", err)
	const begin = "ACL SETUSER roombus "
	_, rest, found := strings.Cut(string(text), begin)
	if !found {
		t.Fatalf("the package comment has no rule that begins with %q", begin)
	}
	var rule []string
	for line := range strings.Lines("//\t" + rest) {
		line, ok := strings.CutPrefix(line, "//\t")
		if !ok {
			break
		}
		rule = append(rule, strings.Fields(line)...)
	}
	return rule
}

// TestTLSWithTheDocumentedRights cuts connections under load too: what a retry needs is among the rights.
func TestTLSWithTheDocumentedRights(t *testing.T) {
	secure, option := realredis.WithTLS(t)
	server := realredis.Start(t, option, realredis.WithUser("roombus", documentedRule(t)...))
	proxy := faultproxy.Start(t, secure.Addr())
	chance := seeded(t)
	c := start(t, func(int) *redisstream.Transport {
		client := redis.NewClient(&redis.Options{
			Addr: proxy.Addr(), TLSConfig: secure.Config(), Username: "roombus", Password: "password",
		})
		t.Cleanup(func() { _ = client.Close() })
		transport, err := redisstream.New(client, config())
		no(t, "make a transport", err)
		closeWith(t, transport)
		warnings, err := transport.Check(t.Context())
		if err != nil || len(warnings) > 0 {
			t.Fatalf("check: %q, %v; want that the rights suffice", warnings, err)
		}
		return transport
	})
	l := c.publish(chance)
	for range 5 {
		l.more(rate / 8)
		await(t, "a cut", proxy.CutAfter(faultproxy.Answers, chance.IntN(1000)))
		l.more(rate / 8)
		await(t, "a cut", proxy.CutAfter(faultproxy.Requests, chance.IntN(1000)))
	}
	l.more(rate / 4)
	l.stop()
	c.wantNoErrors()
	c.wantAll()
	if user := server.Client().Do(t.Context(), "acl", "log").String(); strings.Contains(user, "roombus") {
		t.Errorf("something was tried without a right: %s", user)
	}
}

// TestAServerThatIsNotTrusted: the authority of the server's certificate is unknown here.
func TestAServerThatIsNotTrusted(t *testing.T) {
	secure, option := realredis.WithTLS(t)
	realredis.Start(t, option)
	transport, err := redisstream.Connect(t.Context(), "rediss://:secret@"+secure.Addr(), redisstream.Config{})
	if err == nil {
		_ = transport.Close()
		t.Fatal("connected")
	}
	if text := err.Error(); !strings.Contains(text, "certificate") || strings.Contains(text, "secret") {
		t.Errorf("the error is %q, want it to name the certificate, and no password", text)
	}
}
