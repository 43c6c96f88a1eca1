package socketio

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roombus/roombus/domain"
)

// elsewhereNode is a node as far as newForwarder looks: it knows others after a while.
type elsewhereNode struct {
	node
	since   time.Time
	members map[domain.NodeID]time.Time
}

const selfID domain.NodeID = "00000000000000aa"

func (n *elsewhereNode) ID() domain.NodeID { return selfID }

func (n *elsewhereNode) Member(_ string, id domain.NodeID) (domain.Member, bool) {
	if id == selfID {
		return domain.Member{Info: domain.NodeInfo{Address: "127.0.0.1:1", StartedAt: n.since}}, true
	}
	known, ok := n.members[id]
	if !ok || time.Now().Before(known) {
		return domain.Member{}, false
	}
	return domain.Member{Info: domain.NodeInfo{Address: "10.0.0.1:1"}}, true
}

func testForwarder(t testing.TB, n node) *forwarder {
	t.Helper()
	f, err := newForwarder(n, &Forward{Secret: strings.Repeat("s", minSecret)}, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestForwardPatience: how long a request waits for a node that is not known.
func TestForwardPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &elsewhereNode{since: time.Now(), members: map[domain.NodeID]time.Time{
			"0000000000000001": time.Now(), "0000000000000002": time.Now().Add(time.Second), "0000000000000003": time.Now().Add(time.Hour),
		}}
		f := testForwarder(t, n)
		for _, test := range []struct {
			id     domain.NodeID
			found  bool
			within time.Duration
		}{
			{"0000000000000001", true, 0},
			{"0000000000000002", true, time.Second + ownerLook}, // this node has just started
			{"0000000000000003", false, time.Second},            // two seconds after its start
			{"0000000000000003", false, ownerPatience},          // and later
			{"0000000000000004", false, ownerPatience},          // nobody
		} {
			began := time.Now()
			_, found := f.find(t.Context(), test.id)
			if took := time.Since(began); found != test.found || took > test.within {
				t.Errorf("%s: found %v after %s, want %v within %s", test.id, found, took, test.found, test.within)
			}
		}
	})
}

// TestForwardPatienceHasRoom: not everybody who makes up an id of a node may wait for it.
func TestForwardPatienceHasRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := testForwarder(t, &elsewhereNode{since: time.Now().Add(-time.Hour)})
		for range maxWaiting {
			go f.find(t.Context(), "0000000000000001")
		}
		synctest.Wait()
		began := time.Now()
		if _, found := f.find(t.Context(), "0000000000000001"); found || time.Since(began) != 0 {
			t.Errorf("found %v after %s, want nothing at once", found, time.Since(began))
		}
		time.Sleep(ownerPatience)
		synctest.Wait()
		if got := f.waiting.Load(); got != 0 {
			t.Errorf("%d wait, want nobody", got)
		}
	})
}

// TestForwardBrake: a report a second, and how many were held back.
func TestForwardBrake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b brake
		var told []string
		say := func(times int) {
			for range times {
				b.tell(func(more string) { told = append(told, more) })
			}
		}
		say(5)
		time.Sleep(time.Second)
		say(2)
		time.Sleep(time.Hour)
		say(1)
		if got := strings.Join(told, "|"); got != "| (and 4 more that were not told)| (and 1 more that were not told)" {
			t.Errorf("told: %q", got)
		}
	})
}

// TestTunnelEndsWhenOneSideStandsStill: nobody takes what the client sends.
func TestTunnelEndsWhenOneSideStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, near := net.Pipe()
		owner, far := net.Pipe()
		var ts tunnels
		tunnel := &tunnel{client: near, owner: owner}
		if !ts.add(tunnel) {
			t.Fatal("the tunnel was not taken")
		}
		ts.run(tunnel)
		began := time.Now()
		if _, err := client.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Read(make([]byte, 1)); !errors.Is(err, io.EOF) { // until the tunnel closes
			t.Errorf("the client reads %v", err)
		}
		if took := time.Since(began); took != tunnelStall {
			t.Errorf("the tunnel ended after %s, want %s", took, tunnelStall)
		}
		ts.close()
		if ts.count() != 0 || ts.add(tunnel) {
			t.Error("a tunnel is open, or may be opened, after close")
		}
		_ = far.Close()
	})
}

// halfOpen is one side of a pipe whose end can be told without closing it.
type halfOpen struct {
	net.Conn
	ended chan struct{}
}

func (h *halfOpen) CloseWrite() error {
	close(h.ended)
	return nil
}

// TestTunnelLetsTheOtherSideFinish: the client has said its last, the owner has not yet.
func TestTunnelLetsTheOtherSideFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, near := net.Pipe()
		owner, far := net.Pipe()
		var ts tunnels
		side := &halfOpen{Conn: owner, ended: make(chan struct{})}
		tunnel := &tunnel{client: &readEnds{Conn: near}, owner: side}
		if !ts.add(tunnel) {
			t.Fatal("the tunnel was not taken")
		}
		ts.run(tunnel)
		<-side.ended
		go func() { _, _ = far.Write([]byte("the rest")) }()
		rest := make([]byte, 8)
		if _, err := io.ReadFull(client, rest); err != nil || string(rest) != "the rest" {
			t.Errorf("the client got %q (%v)", rest, err)
		}
		began := time.Now()
		_, err := far.Read(rest) // until the tunnel has had enough
		if took := time.Since(began); !errors.Is(err, io.EOF) || took > tunnelClosing {
			t.Errorf("the owner's side ended with %v after %s, want at most %s", err, took, tunnelClosing)
		}
		ts.close()
	})
}

// readEnds is a connection whose other side has nothing more to say, and still reads.
type readEnds struct{ net.Conn }

func (*readEnds) Read([]byte) (int, error) { return 0, io.EOF }

// FuzzForwardMark reads marks that strangers have written. None is signed, unless the forwarder has signed it.
func FuzzForwardMark(f *testing.F) {
	forward := testForwarder(f, &elsewhereNode{})
	now := time.UnixMilli(1_790_000_000_000)
	good := forward.sign(http.MethodGet, "/socket.io/?sid=x", "192.0.2.1:7", now)
	for _, seed := range []string{good, "", "1...", "1.0.AA.AA", "1.-1.AA.AA", good + "\n", "2" + good[1:]} {
		f.Add(seed, http.MethodGet, "/socket.io/?sid=x")
	}
	f.Fuzz(func(t *testing.T, mark, method, target string) {
		client, err := forward.verify([]string{mark}, method, target, now)
		own := method == http.MethodGet && target == "/socket.io/?sid=x" && mark == good
		if own != (err == nil) || own && client != "192.0.2.1:7" {
			t.Errorf("the mark %q of %s %s: %v, from %q", mark, method, target, err, client)
		}
		// What is signed is taken, whoever the client says that it is.
		again, err := forward.verify([]string{forward.sign(method, target, mark, now)}, method, target, now)
		if err != nil || again != mark && again != "" {
			t.Errorf("its own mark was refused (%v), or names %q instead of %q", err, again, mark)
		}
	})
}

// FuzzOwnerOf reads ids of connections that strangers have written.
func FuzzOwnerOf(f *testing.F) {
	for _, seed := range []string{"", "0123456789012345678901234567890", "01234567890123456789ASNFZ4mrze8", "01234567890123456789ASNFZ4mrz\n8"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, sid string) {
		owner, ok := ownerOf(sid)
		if !ok {
			return
		}
		if suffix, err := idSuffix(owner); err != nil || sid[20:] != suffix {
			t.Errorf("%q names %q, whose connections end with %q (%v)", sid, owner, suffix, err)
		}
	})
}

// FuzzCheckAddress: what is taken for an address means one host and port, and nothing else, in a URL.
func FuzzCheckAddress(f *testing.F) {
	for _, seed := range []string{"host:80", "10.0.0.1:3000", "[::1]:80", "a@b:80", "a/b:80", "a?b:1", "[fe80::1%25eth0]:80", ":80", "x:0", "[0]:10"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, address string) {
		if checkAddress(address) != nil {
			return
		}
		u, err := url.Parse("http://" + address + "/path?query")
		if err != nil || u.Host != address || u.User != nil || u.Path != "/path" || u.RawQuery != "query" || u.Port() == "" {
			t.Errorf("%q was taken, and is %+v in a URL (%v)", address, u, err)
		}
	})
}
