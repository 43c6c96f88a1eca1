package redisstream

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/testkit/faultproxy"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

// minimal is the rule of the package comment.
var minimal = strings.Fields("on >secret resetchannels -@all ~socket.io ~{socket.io}:epoch ~{socket.io}:readers " +
	"~sio:session:* ~{sio:session:* " +
	"+ping +hello +auth +client|info +client|kill +info +xadd +xread +xrange +xinfo|stream " +
	"+multi +exec +eval +evalsha +get +set +del +exists +rename +renamenx +hset +hgetall +hdel +pexpire")

// TestMinimalRights does everything, retries included, as a user that has no more than the documented rights.
func TestMinimalRights(t *testing.T) {
	server := realredis.Start(t, realredis.WithUser("app", minimal...))
	proxy := faultproxy.Start(t, server.Addr())
	transport := open(t, "app:secret@"+proxy.Addr(), Config{})
	warnings, err := transport.Check(t.Context())
	if err != nil || len(warnings) != 0 {
		t.Errorf("check: %q, %v", warnings, err)
	}
	first := mustAppend(t, transport, "1")
	proxy.CutAfter(faultproxy.Answers, 0) // before anybody reads, so that it is the append's answer that is lost
	mustAppend(t, transport, "2")
	e := &events{got: make(chan any, 10)}
	tail, err := transport.Log().Tail(t.Context(), "0-0", e)
	if err != nil {
		t.Fatalf("tail: %v", err)
	}
	defer func() {
		if err := tail.Close(); err != nil {
			t.Errorf("close the tail: %v", err)
		}
	}()
	if a, b := e.next(t), e.next(t); a != "1" || b != "2" {
		t.Errorf("read %v and %v", a, b)
	}
	if _, err := transport.Log().Replay(t.Context(), "/", first, "", 0); err != nil {
		t.Errorf("replay: %v", err)
	}
	sessions := transport.Sessions()
	s := &domain.Session{ID: "p", Socket: "s", Owner: "a", Revision: 1, KeepFor: time.Minute}
	if err := errors.Join(sessions.Save(t.Context(), []*domain.Session{s})...); err != nil {
		t.Fatal(err)
	}
	if _, err := sessions.Claim(t.Context(), "p", "b"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(sessions.GiveBack(t.Context(), "p", "b"), sessions.Delete(t.Context(), "p", "a", time.Minute)); err != nil {
		t.Fatal(err)
	}
	if err := sessions.Renew(t.Context(), &domain.Lease{Node: "a", KeepFor: time.Minute}); err != nil {
		t.Fatal(err)
	}
	if _, err := sessions.Lease(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if held, err := transport.Log().Held(t.Context(), "/"); err != nil || held.Entries == 0 {
		t.Errorf("the stream holds %+v, %v", held, err)
	}
}

// TestEachMissingRightIsNamed takes the needed rights away, one after the other.
func TestEachMissingRightIsNamed(t *testing.T) {
	server := realredis.Start(t, realredis.WithUser("app", minimal...))
	for _, command := range []string{
		"xadd", "xread", "xrange", "xinfo", "multi", "eval", "evalsha", "get", "set", "del", "exists", "rename", "renamenx",
	} {
		for _, sign := range []string{"-", "+"} {
			if err := server.Client().Do(t.Context(), "acl", "setuser", "app", sign+command).Err(); err != nil {
				t.Fatal(err)
			}
			transport, err := Connect(t.Context(), server.URLFor("app", "secret"), Config{})
			switch {
			case sign == "-" && (err == nil || !strings.Contains(err.Error(), strings.ToUpper(command))):
				t.Errorf("without %s: %v", command, err)
			case sign == "+" && err != nil:
				t.Errorf("with %s again: %v", command, err)
			}
			if err == nil {
				transport.Close()
			}
		}
	}
}

// TestTheEpochsKeyIsNamed takes away the right to the key beside the stream alone.
func TestTheEpochsKeyIsNamed(t *testing.T) {
	without := slices.DeleteFunc(slices.Clone(minimal), func(rule string) bool { return rule == "~{socket.io}:epoch" })
	server := realredis.Start(t, realredis.WithUser("app", without...))
	_, err := Connect(t.Context(), server.URLFor("app", "secret"), Config{})
	if err == nil || !strings.Contains(err.Error(), "rights to the key {socket.io}:epoch: give it") ||
		!strings.Contains(err.Error(), "~{socket.io}:epoch ") {
		t.Errorf("without the key of the epoch: %v", err)
	}
}
