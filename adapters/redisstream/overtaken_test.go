package redisstream

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/testkit/faultproxy"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

// overtaken is a reader behind a proxy, and a publisher that is not. The reader looks of itself once a minute only.
type overtaken struct {
	*events
	t      *testing.T
	server *realredis.Server
	proxy  *faultproxy.Proxy
	direct *Transport
}

// newOvertaken makes a reader that has read so many messages, one at a time, and waits for more.
func newOvertaken(t *testing.T, read int) *overtaken {
	t.Helper()
	server := realredis.Start(t)
	o := &overtaken{
		events: &events{got: make(chan any, 100)}, t: t,
		server: server, proxy: faultproxy.Start(t, server.Addr()), direct: open(t, server.Addr(), Config{}),
	}
	follow(t, open(t, o.proxy.Addr(), Config{Block: time.Minute}), o.events)
	for i := range read {
		o.append(strconv.Itoa(i))
		o.want(strconv.Itoa(i))
	}
	o.awaitRead()
	return o
}

// awaitRead returns when the reader's next read waits in Redis.
func (o *overtaken) awaitRead() {
	o.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		info, err := o.server.Client().Info(o.t.Context(), "clients").Result()
		if err != nil {
			o.t.Fatal(err)
		}
		if strings.Contains(info, "blocked_clients:1\r\n") {
			return
		}
		if time.Now().After(deadline) {
			o.t.Fatalf("no read waits in Redis: %s", info)
		}
	}
}

func (o *overtaken) append(text string) domain.Offset {
	o.t.Helper()
	return mustAppend(o.t, o.direct, text)
}

func (o *overtaken) want(text string) {
	o.t.Helper()
	if got := o.next(o.t); got != text {
		o.t.Fatalf("got %+v, want %s", got, text)
	}
}

func (o *overtaken) wantGap(after, next domain.Offset) {
	o.t.Helper()
	want := domain.Gap{Stream: DefaultStream, After: after, Next: next, Lost: 1}
	got := o.next(o.t)
	if gap, ok := got.(*domain.Gap); !ok || *gap != want {
		o.t.Fatalf("got %+v, want %+v", got, want)
	}
}

// trim removes all that there is.
func (o *overtaken) trim() {
	o.t.Helper()
	if err := o.server.Client().XTrimMaxLen(o.t.Context(), DefaultStream, 0).Err(); err != nil {
		o.t.Fatal(err)
	}
}

// release lets go of what was held for at least as long as a reader goes without a look.
func (o *overtaken) release(d faultproxy.Direction) {
	timer := time.NewTimer(2 * maxAway)
	<-timer.C
	o.proxy.Release(d)
}

// A reader is overtaken while the answer to its read waits for it, as when its process is stopped for a moment, or
// while its next read is on its way. It makes a difference whether the reads before were quick.
var overtakenAfter = map[string]int{"one read": 1, "many quick reads": 5 * quickReads}

func TestCase06_AGapWhileTheAnswerWaitsIsToldInItsPlace(t *testing.T) {
	for name, read := range overtakenAfter {
		t.Run(name, func(t *testing.T) {
			o := newOvertaken(t, read)
			o.proxy.Hold(faultproxy.Answers)
			a := o.append("a") // Redis answers the read
			o.append("b")
			o.trim()
			c := o.append("c")
			o.release(faultproxy.Answers)
			o.want("a")
			o.wantGap(a, c)
			o.want("c")
		})
	}
}

func TestCase06_AGapWhileTheReadIsOnItsWayIsToldInItsPlace(t *testing.T) {
	for name, read := range overtakenAfter {
		t.Run(name, func(t *testing.T) {
			o := newOvertaken(t, read)
			held := o.proxy.Hold(faultproxy.Requests)
			a := o.append("a")
			o.want("a")
			<-held
			o.append("b")
			o.trim()
			c := o.append("c")
			o.release(faultproxy.Requests)
			o.wantGap(a, c)
			o.want("c")
		})
	}
}
