package engineio

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"
)

func TestPollingBothWays(t *testing.T) {
	h := newHost(t, Config{}, &recorder{onMessage: echo})
	query, c := h.openPolling()
	h.post(query, "4hello\x1ebAQID\x1e4\x1ebAQ==\x1ebAQ\x1e4é\x1e6")
	for _, want := range []event{{data: "hello"}, {data: "\x01\x02\x03", binary: true}, {data: ""}, {data: "\x01", binary: true}, {data: "\x01", binary: true}, {data: "é"}} {
		h.expectMessage(want.data, want.binary)
	}
	h.poll(query, "4hello\x1ebAQID\x1e4\x1ebAQ==\x1ebAQ==\x1e4é")
	if err := c.Send(NewFrame([]byte("51-"), []byte{1, 2})); err != nil {
		t.Fatalf("Send: %v", err)
	}
	h.poll(query, "451-\x1ebAQI=")
}

func TestPollWaits(t *testing.T) {
	h := newHost(t, Config{}, nil)
	query, c := h.openPolling()
	answer := h.request("GET", query, "")
	h.waiting(c)
	if !c.SendVolatile(NewFrame([]byte("now"))) {
		t.Error("volatile frame dropped although a poll waits")
	}
	if got := <-answer; got != "200 4now" {
		t.Errorf("answer is %q", got)
	}
	if c.SendVolatile(NewFrame([]byte("nobody waits"))) {
		t.Error("volatile frame accepted although no poll waits")
	}
}

func TestOpenSendsWithTheHandshake(t *testing.T) {
	h := newHost(t, Config{}, &recorder{onOpen: func(c *Conn) { _ = c.Send(NewFrame([]byte("welcome"))) }})
	_, body, _ := h.do("GET", "EIO=4&transport=polling", "")
	if !strings.HasPrefix(body, "0{") || !strings.HasSuffix(body, "}\x1e4welcome") {
		t.Errorf("handshake is %q", body)
	}
	h.expect("open")
}

func TestCloseInsideOpen(t *testing.T) {
	h := newHost(t, Config{}, &recorder{onOpen: func(c *Conn) {
		_ = c.Send(NewFrame([]byte("bye")))
		c.Close(ReasonForcedClose)
	}})
	_, body, _ := h.do("GET", "EIO=4&transport=polling", "")
	if !strings.HasSuffix(body, "}\x1e4bye") {
		t.Errorf("handshake is %q", body)
	}
	h.expect("open")
	h.expectClose(ReasonForcedClose)
	// The close packet comes behind, in an answer to itself.
	_, id, _ := strings.Cut(body, `"sid":"`)
	id, _, _ = strings.Cut(id, `"`)
	h.poll("EIO=4&transport=polling&sid="+id, "1")
}

// TestBadPosts has every way in which a POST closes its connection.
func TestBadPosts(t *testing.T) {
	tests := []struct {
		name, body, contentType string
		status                  int
		reason                  Reason
		poll                    string
	}{
		{"unknown packet", "abc", "", 400, ReasonParseError, "1"},
		{"unknown packet among good ones", "4a\x1ex\x1e4b", "", 400, ReasonParseError, "1"},
		{"empty", "", "", 400, ReasonParseError, "1"},
		{"empty packet", "4a\x1e", "", 400, ReasonParseError, "1"},
		{"not base64", "b!!", "", 400, ReasonParseError, "1"},
		{"not UTF-8", "4\xff", "", 400, ReasonParseError, "1"},
		{"a ping from the client", "2", "", 400, ReasonTransportError, "1"},
		{"the client closes", "1", "", 200, ReasonTransportClose, "6"},
		{"binary content", "4a", "application/octet-stream", 400, ReasonTransportError, "1"},
		{"too large", "4" + strings.Repeat("a", 100), "", 413, ReasonTransportError, "1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := newHost(t, Config{MaxPayload: 100}, nil)
			query, c := h.openPolling()
			answer := h.request("GET", query, "")
			h.waiting(c)
			status, body, _ := h.do("POST", query, test.body, "Content-Type", test.contentType)
			if status != test.status {
				t.Errorf("answer is %d %q, want %d", status, body, test.status)
			}
			e := h.next()
			if e.kind == "message" && e.data == "a" { // what came before the bad packet counts
				e = h.next()
			}
			if e.kind != "close" || e.reason != test.reason {
				t.Errorf("got %+v, want a close with %q", e, test.reason)
			}
			if got := <-answer; got != "200 "+test.poll {
				t.Errorf("the waiting poll got %q, want %q", got, test.poll)
			}
			if status, body, _ := h.do("GET", query, ""); status != 400 || !strings.Contains(body, `"code":1`) {
				t.Errorf("a later poll got %d %q, want 400 with code 1", status, body)
			}
		})
	}
}

func TestBodyWithoutLengthIsLimited(t *testing.T) {
	h := newHost(t, Config{MaxPayload: 100}, nil)
	query, _ := h.openPolling()
	// A reader that net/http does not know the length of.
	body := io.MultiReader(strings.NewReader("4"), strings.NewReader(strings.Repeat("a", 100)))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://host/?"+query, body)
	if err != nil {
		t.Fatal(err)
	}
	res, err := h.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("status is %d, want 413", res.StatusCode)
	}
	if e := h.expectClose(ReasonTransportError); !errors.Is(e.err, ErrTooLarge) {
		t.Errorf("error is %v", e.err)
	}
}

func TestTwoPolls(t *testing.T) {
	h := newHost(t, Config{}, nil)
	query, c := h.openPolling()
	answer := h.request("GET", query, "")
	h.waiting(c)
	if status, _, _ := h.do("GET", query, ""); status != 400 {
		t.Errorf("the second poll got %d, want 400", status)
	}
	if got := <-answer; got != "200 1" {
		t.Errorf("the first poll got %q, want a close packet", got)
	}
	h.expectClose(ReasonTransportError)
}

func TestTwoPosts(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	h := newHost(t, Config{}, &recorder{onMessage: func(*Conn, []byte, bool) { close(entered); <-leave }})
	query, _ := h.openPolling()
	first := h.request("POST", query, "4a\x1e4never")
	<-entered
	if status, _, _ := h.do("POST", query, "4b"); status != 400 {
		t.Errorf("the second POST got %d, want 400", status)
	}
	close(leave)
	if got := <-first; !strings.HasPrefix(got, "400 ") {
		t.Errorf("the first POST got %q, want 400", got)
	}
	h.expectMessage("a", false)
	h.expectClose(ReasonTransportError)
}

func TestClientLeavesItsPoll(t *testing.T) {
	h := newHost(t, Config{}, nil)
	query, c := h.openPolling()
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, _, _, err := h.try(ctx, "GET", query, "")
		left <- err
	}()
	h.waiting(c)
	cancel()
	if err := <-left; err == nil {
		t.Error("the cancelled poll got an answer")
	}
	if e := h.expectClose(ReasonTransportError); !errors.Is(e.err, ErrPollLeft) {
		t.Errorf("error is %v", e.err)
	}
}

func TestCloseAnswersTheWaitingPoll(t *testing.T) {
	h := newHost(t, Config{}, nil)
	query, c := h.openPolling()
	answer := h.request("GET", query, "")
	h.waiting(c)
	c.Close(ReasonForcedServerClose)
	c.Close(ReasonTransportError) // the first reason counts
	if got := <-answer; got != "200 1" {
		t.Errorf("the poll got %q, want a close packet", got)
	}
	h.expectClose(ReasonForcedServerClose)
	if err := c.Send(NewFrame(nil)); !errors.Is(err, ErrClosed) {
		t.Errorf("Send on a closed connection: %v, want ErrClosed", err)
	}
	if c.SendVolatile(NewFrame(nil)) {
		t.Error("SendVolatile on a closed connection returned true")
	}
}

func TestCloseWaitsForTheNextPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, Config{CloseTimeout: 3 * time.Second}, nil)
		query, c := h.openPolling()
		if err := c.Send(NewFrame([]byte("last words"))); err != nil {
			t.Fatalf("Send: %v", err)
		}
		c.Close(ReasonForcedClose)
		h.expectClose(ReasonForcedClose) // at once
		if n := h.server.Len(); n != 0 {
			t.Errorf("%d connections are open", n)
		}
		advance(2 * time.Second)
		h.post(query, "4too late")
		h.poll(query, "4last words")
		h.poll(query, "1")
		if status, _, _ := h.do("GET", query, ""); status != 400 {
			t.Errorf("a poll after the last got %d, want 400", status)
		}

		// A client that closes as well does not come for the rest.
		query, c = h.openPolling()
		c.Close(ReasonForcedClose)
		h.expectClose(ReasonForcedClose)
		h.post(query, "1")
		synctest.Wait()
		if status, _, _ := h.do("GET", query, ""); status != 400 {
			t.Errorf("a poll after the client has closed got %d, want 400", status)
		}

		query, c = h.openPolling()
		c.Close(ReasonForcedClose)
		h.expectClose(ReasonForcedClose)
		advance(3*time.Second + time.Millisecond)
		if status, _, _ := h.do("GET", query, ""); status != 400 {
			t.Errorf("a poll after CloseTimeout got %d, want 400", status)
		}
	})
}

// TestPostThatNeverEnds has a client that announces a body and does not send
// it: the ping timeout ends the request.
func TestPostThatNeverEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, Config{}, nil)
		query, _ := h.openPolling()
		conn, err := h.listener.dial()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := fmt.Fprintf(conn, "POST /?%s HTTP/1.1\r\nHost: host\r\nContent-Length: 10\r\n\r\n4abc", query); err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = io.Copy(io.Discard, conn) }()
		begin := time.Now()
		select {
		case e := <-h.events:
			if e.kind != "close" || e.reason != ReasonPingTimeout {
				t.Errorf("got %+v", e)
			}
		case <-time.After(time.Minute):
			t.Fatal("not closed")
		}
		if took := time.Since(begin); took != 45*time.Second {
			t.Errorf("closed after %v, want 45s", took)
		}
	})
}

func TestQueueOverflow(t *testing.T) {
	h := newHost(t, Config{QueueBytes: 1000, QueuePackets: 5}, nil)
	_, c := h.openPolling()
	h.settled(c)
	for i := range 5 {
		if err := c.Send(NewFrame([]byte("a"))); err != nil {
			t.Fatalf("frame %d: %v", i, err)
		}
	}
	if err := c.Send(NewFrame([]byte("a"))); !errors.Is(err, ErrOverflow) {
		t.Errorf("the frame above QueuePackets: %v, want ErrOverflow", err)
	}
	if e := h.expectClose(ReasonTransportError); !errors.Is(e.err, ErrOverflow) {
		t.Errorf("closed with %v, want ErrOverflow", e.err)
	}

	_, c = h.openPolling()
	h.settled(c)
	if err := c.Send(NewFrame(make([]byte, 5000))); err != nil {
		t.Fatalf("one large frame alone: %v", err)
	}
	if err := c.Send(NewFrame(nil)); !errors.Is(err, ErrOverflow) {
		t.Errorf("a frame above QueueBytes: %v, want ErrOverflow", err)
	}
	h.expectClose(ReasonTransportError)
}

// deliveries is what a body delivers, said once more in other words.
func deliveries(body string) (want []event) {
	if !utf8.ValidString(body) {
		return nil
	}
	controls := 0
	for packet := range strings.SplitSeq(body, "\x1e") {
		if packet != "" && packet[0] != '4' && packet[0] != 'b' {
			controls++
			if controls > maxControls {
				return want
			}
		}
		switch {
		case packet == "":
			return want
		case packet[0] == '4':
			want = append(want, event{data: packet[1:]})
		case packet[0] == 'b':
			text := strings.TrimRight(packet[1:], "=")
			if strings.Contains(text, "=") {
				return want
			}
			text = strings.NewReplacer("\r", "", "\n", "").Replace(text) // as Node.js does
			text += strings.Repeat("=", (4-len(text)%4)%4)
			data, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				return want
			}
			want = append(want, event{data: string(data), binary: true})
		case strings.IndexByte("0356", packet[0]) < 0:
			return want
		}
	}
	return want
}

// FuzzPayload checks that no POST body makes the decoder panic, and that it
// delivers what the body says, up to the packet that closes the connection.
func FuzzPayload(f *testing.F) {
	for _, seed := range []string{"4hello", "4a\x1ebAQID\x1e4", "b", "bAQ", "2", "3probe", "\x1e", "1", "9", "4\xff", "b=", "bA=A=", "bAR", "b\r"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r := &recorder{events: make(chan event, len(body)+3)}
		server, err := NewServer(r, Config{})
		if err != nil {
			t.Fatal(err)
		}
		c, err := server.register(&http.Request{})
		if err != nil {
			t.Fatal(err)
		}
		c.start()
		want := deliveries(string(body))
		c.receivePayload(body)
		if err := server.Close(); err != nil {
			t.Fatal(err)
		}
		<-r.events // open
		for i, w := range want {
			if e := <-r.events; e.kind != "message" || e.data != w.data || e.binary != w.binary {
				t.Fatalf("delivery %d is %+v, want %+v", i, e, w)
			}
		}
		if e := <-r.events; e.kind != "close" {
			t.Fatalf("one event too many: %+v", e)
		}
	})
}

// TestPollDuringUpgrade has a client that polls and says that it has upgraded at
// once, which the official one never does.
func TestPollDuringUpgrade(t *testing.T) {
	h := newHost(t, Config{}, nil)
	query, c := h.openPolling()
	s := h.probe(query)
	answer := h.request("GET", query, "")
	h.waiting(c)
	s.text("5") // without a probe, as engine.io allows
	if got := <-answer; !strings.HasPrefix(got, "400 ") {
		t.Errorf("the poll got %q, want 400", got)
	}
	s.text("4hello")
	h.expectMessage("hello", false)
}

// TestClientClosesWhileItsPollIsUnderWay has the poll come in after the POST
// that closes.
func TestClientClosesWhileItsPollIsUnderWay(t *testing.T) {
	h := newHost(t, Config{}, nil)
	query, _ := h.openPolling()
	h.post(query, "1")
	h.expectClose(ReasonTransportClose)
	h.poll(query, "6")
	if status, _, _ := h.do("GET", query, ""); status != 400 {
		t.Errorf("one more poll got %d, want 400", status)
	}
}
