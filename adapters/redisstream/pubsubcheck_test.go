package redisstream

import (
	"slices"
	"strings"
	"testing"

	"github.com/roombus/roombus/internal/testkit/realredis"
)

// laneRights is what the package comment adds for the lane, in each mode.
var laneRights = map[PubSubMode][]string{
	PubSubPlain:   {"&socket.io#*", "+publish", "+subscribe", "+unsubscribe", "+pubsub|numsub"},
	PubSubSharded: {"&socket.io#*", "+spublish", "+ssubscribe", "+sunsubscribe", "+pubsub|shardnumsub"},
}

func TestMinimalRightsOfTheLane(t *testing.T) {
	for mode, rights := range laneRights {
		t.Run(string(mode), func(t *testing.T) {
			server := realredis.Start(t, realredis.WithUser("app", slices.Concat(minimal, rights)...))
			transport := open(t, "app:secret@"+server.Addr(), Config{PubSub: mode})
			h := listenAs(t, transport, "a")
			if err := server.Client().ClientKillByFilter(t.Context(), "TYPE", "pubsub").Err(); err != nil {
				t.Fatal(err)
			}
			awaitListening(t, transport, h)
			if named, others := census(t, transport, "a"); len(named) != 1 || others != 0 {
				t.Errorf("counted %v and %d others", named, others)
			}
		})
	}
}

func TestEachMissingRightOfTheLaneIsNamed(t *testing.T) {
	for mode, rights := range laneRights {
		server := realredis.Start(t, realredis.WithUser("app", slices.Concat(minimal, rights)...))
		for _, right := range rights {
			name := strings.TrimPrefix(right, "+")
			if strings.Contains(name, "unsubscribe") {
				continue // closing a connection unsubscribes as well
			}
			revoke, restore := []any{"acl", "setuser", "app", "-" + name}, []any{"acl", "setuser", "app", right}
			if right[0] == '&' {
				revoke, name = []any{"acl", "setuser", "app", "resetchannels"}, right
			}
			if err := server.Client().Do(t.Context(), revoke...).Err(); err != nil {
				t.Fatal(err)
			}
			transport, err := Connect(t.Context(), server.URLFor("app", "secret"), Config{PubSub: mode})
			want := strings.ToUpper(strings.ReplaceAll(name, "|", " "))
			if right[0] == '&' {
				want = right
			}
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s without %s: %v", mode, name, err)
			}
			if err == nil {
				transport.Close()
			}
			if err := server.Client().Do(t.Context(), restore...).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
}
