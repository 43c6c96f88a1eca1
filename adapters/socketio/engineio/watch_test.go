package engineio

import (
	"bytes"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// What holds of connections in memory, and of the clock that synctest has for them,
// holds over TCP too, where WebSockets are read and written in another way.
func TestOverTCP(t *testing.T) {
	for name, test := range map[string]func(*testing.T){
		"Upgraded":                         TestUpgraded,
		"ConnContext":                      TestConnContext,
		"WebSocketBothWays":                TestWebSocketBothWays,
		"WebSocketLargeMessages":           TestWebSocketLargeMessages,
		"WebSocketCloses":                  TestWebSocketCloses,
		"ClientVanishes":                   TestClientVanishes,
		"CloseSendsWhatIsQueued":           TestCloseSendsWhatIsQueued,
		"BlockedReceiverHoldsUpItsOwn":     TestBlockedReceiverHoldsUpItsOwnClientAlone,
		"EarlyFrames":                      TestEarlyFrames,
		"ClientsThatReadLate":              TestClientsThatReadLate,
		"WorkHoldsNothingUp":               TestWorkHoldsNothingUp,
		"DeflatedBothWays":                 TestDeflatedBothWays,
		"DeflateRefuses":                   TestDeflateRefuses,
		"RefusedWebSocketHandshake":        TestRefusedWebSocketHandshake,
		"EmptyWaitsForLastWords":           TestEmptyWaitsForLastWords,
		"StopAcceptingAndClose":            TestStopAcceptingAndClose,
		"CloseAmidTraffic":                 TestCloseAmidTraffic,
		"Stats":                            TestStats,
		"Traffic":                          TestTraffic,
		"Upgrade":                          TestUpgrade,
		"UpgradeThatFails":                 TestUpgradeThatFails,
		"CloseDuringUpgrade":               TestCloseDuringUpgrade,
		"FailureDuringUpgrade":             TestFailureDuringUpgrade,
		"UpgradeLosesNothing":              TestUpgradeLosesNothing,
		"PollDuringUpgrade":                TestPollDuringUpgrade,
		"QueueOverflow":                    TestQueueOverflow,
		"PollingBothWays":                  TestPollingBothWays,
		"ClientClosesDuringItsPoll":        TestClientClosesWhileItsPollIsUnderWay,
		"HandshakesTakeTurns":              TestHandshakesTakeTurns,
		"MessagesArriveInWhateverPieces":   testPieces,
		"TheEndIsSeenBehindAMessage":       testEndBehindAMessage,
		"TheEndIsSeenBehindAnAnsweredOne":  testEndBehindAnAnsweredMessage,
		"TheEndIsSeenBehindPartOfAMessage": testEndBehindPartOfAMessage,
	} {
		t.Run(name, test)
	}
}

// testPieces sends messages of all lengths, whole and in fragments, in pieces that end anywhere, and waits for the echo of
// each now and then. They come once and in order.
func testPieces(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	client, _ := newHost(t, Config{}, &recorder{onMessage: echo}).openWebSocket()
	for range 300 {
		var stream []byte
		var want []string
		for range 1 + random.IntN(5) {
			length := random.IntN(20)
			if random.IntN(4) == 0 {
				length = random.IntN(600)
			}
			text := "4" + strings.Repeat(string(rune('a'+random.IntN(26))), length)
			want = append(want, text)
			if cut := random.IntN(2 * len(text)); cut < len(text) {
				stream = append(stream, clientFrame(ws.OpText, false, text[:cut])...)
				if random.IntN(10) == 0 { // more would be a flood
					stream = append(stream, clientFrame(ws.OpPong, true, "")...)
				}
				stream = append(stream, clientFrame(ws.OpContinuation, true, text[cut:])...)
			} else {
				stream = append(stream, clientFrame(ws.OpText, true, text)...)
			}
		}
		for len(stream) > 0 {
			n := min(len(stream), 1+random.IntN(300))
			client.send(stream[:n])
			stream = stream[n:]
		}
		for _, text := range want {
			client.expect(ws.OpText, text)
		}
	}
}

// endBehind has a client send something and end the connection before the server looks: the system says once that there is
// something to read. The server has to see both.
func endBehind(t *testing.T, sent []byte, onMessage func(*Conn, []byte, bool)) (messages int) {
	r := &recorder{events: make(chan event, 10), onMessage: onMessage}
	server, err := NewServer(r, Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	h := &host{recorder: r, t: t}
	c, err := server.register(httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	if err != nil {
		t.Fatal(err)
	}
	near, far := tcpPipe(t)
	if _, err := near.Write(sent); err != nil {
		t.Fatal(err)
	}
	if err := near.Close(); err != nil {
		t.Fatal(err)
	}
	lookAtNetwork(t)
	raw := rawConn(far)
	if raw == nil {
		t.Fatal("TCP is not read by its descriptor")
	}
	c.mu.Lock()
	c.attach(&socket{conn: far, raw: raw, reader: newFrameReader(far, nil, 1<<20)})
	c.mu.Unlock()
	c.start()
	h.expect("open")
	c.startReader()
	for {
		switch e := h.next(); e.kind {
		case "message":
			messages++
		case "close":
			if e.reason != ReasonTransportClose {
				t.Errorf("the reason is %q", e.reason)
			}
			return messages
		}
	}
}

// lookAtNetwork has Go's network poller take note of all that has come so far: it has to, for a read that waits.
func lookAtNetwork(t *testing.T) {
	near, far := tcpPipe(t)
	defer near.Close()
	defer far.Close()
	go func() { _, _ = near.Write([]byte{0}) }()
	if _, err := far.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
}

func testEndBehindAMessage(t *testing.T) {
	for i := range 20 {
		n := 1 + i%3
		if got := endBehind(t, bytes.Repeat(clientFrame(ws.OpText, true, "4bye"), n), nil); got != n {
			t.Errorf("%d messages of %d have come", got, n)
		}
	}
}

func testEndBehindAnAnsweredMessage(t *testing.T) {
	if got := endBehind(t, clientFrame(ws.OpText, true, "4bye"), echo); got != 1 {
		t.Errorf("%d messages have come", got)
	}
}

func testEndBehindPartOfAMessage(t *testing.T) {
	frame := clientFrame(ws.OpText, true, "4bye")
	if got := endBehind(t, append(frame, frame[:5]...), nil); got != 1 {
		t.Errorf("%d messages have come", got)
	}
}

// sourceless fails the test when it is read.
type sourceless struct {
	net.Conn
	t *testing.T
}

func (s sourceless) Read([]byte) (int, error) {
	s.t.Helper()
	s.t.Fatal("the source was read for what is said to be whole")
	return 0, nil
}

// FuzzWhole checks that what whole says yes to is handled without another read, which would wait for ever.
func FuzzWhole(f *testing.F) {
	f.Add(clientFrame(ws.OpText, true, "4hello"), false)
	f.Add(frames(clientFrame(ws.OpPing, true, "p"), clientFrame(ws.OpBinary, true, strings.Repeat("x", 200))), true)
	f.Add(frames(clientFrame(ws.OpText, false, "a"), clientFrame(ws.OpContinuation, true, "b")), false)
	f.Add(deflatedFrame(ws.OpText, true, deflatedText("4hello")), true)
	f.Add([]byte("\x82\xfe\x00\x05\x01\x02\x03\x04"), false)
	f.Add([]byte("\x82\xff\x00\x00\x00\x00\x00\x00\x00\x00\x01\x02\x03\x04"), false)
	f.Fuzz(func(t *testing.T, in []byte, deflate bool) {
		r := newFrameReader(sourceless{t: t}, in, 1_000)
		r.deflate = deflate
		if !r.whole() {
			return
		}
		for r.more() {
			if _, _, err := r.next(); err != nil {
				return
			}
		}
		if r.op != 0 {
			t.Error("a message has begun that is not whole")
		}
	})
}

func TestWhole(t *testing.T) {
	for name, test := range map[string]struct {
		in   []byte
		want bool
	}{
		"a message":                  {clientFrame(ws.OpText, true, "4hello"), true},
		"an empty one":               {clientFrame(ws.OpText, true, ""), true},
		"two":                        {frames(clientFrame(ws.OpText, true, "4a"), clientFrame(ws.OpPing, true, "")), true},
		"one of 125 bytes":           {clientFrame(ws.OpText, true, strings.Repeat("4", 125)), true},
		"one of 126 bytes":           {clientFrame(ws.OpText, true, strings.Repeat("4", 126)), true},
		"one of 240 bytes":           {clientFrame(ws.OpText, true, strings.Repeat("4", 240)), true},
		"half a header":              {clientFrame(ws.OpText, true, "4hello")[:1], false},
		"half a long header":         {clientFrame(ws.OpText, true, strings.Repeat("4", 126))[:3], false},
		"no payload":                 {clientFrame(ws.OpText, true, "4hello")[:6], false},
		"all but a byte":             {clientFrame(ws.OpText, true, "4hello")[:11], false},
		"a message and a byte":       {append(clientFrame(ws.OpText, true, "4hello"), 0x81), false},
		"a fragment":                 {clientFrame(ws.OpText, false, "4hel"), false},
		"one of 65,536 bytes, begun": {clientFrame(ws.OpText, true, strings.Repeat("4", 1<<16))[:200], false},
		"without a mask":             {[]byte("\x81\x014"), false},
	} {
		if got := newFrameReader(nil, test.in, 1_000).whole(); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

// stepper is a Handler and the Worker of its connections. The work that message "a" leaves, and the receipt of message
// "b", wait until the test lets them go on.
type stepper struct {
	*recorder
	leaves, received, goOn chan struct{}
}

func (s *stepper) Open(c *Conn) Receiver {
	s.events <- event{conn: c, kind: "open"}
	return s
}

func (s *stepper) Message([]byte, bool) {}

func (s *stepper) Close(reason Reason, err error) {
	s.events <- event{kind: "close", reason: reason, err: err}
}

func (s *stepper) Receive(data []byte, _ bool) func() {
	name := string(data[:1])
	if name == "b" {
		close(s.received)
		<-s.goOn
	}
	s.events <- event{kind: "message", data: name}
	if name == "a" {
		return func() { <-s.leaves }
	}
	return nil
}

// Who has handled a message does not take the end of the connection for seen while others are at work with what came
// before it.
func TestTheEndComesBehindAllMessages(t *testing.T) {
	s := &stepper{&recorder{events: make(chan event, 10)}, make(chan struct{}), make(chan struct{}), make(chan struct{})}
	server, err := NewServer(s, Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	h := &host{recorder: s.recorder, t: t}
	c, err := server.register(httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	if err != nil {
		t.Fatal(err)
	}
	near, far := tcpPipe(t)
	c.mu.Lock()
	c.attach(&socket{conn: far, raw: rawConn(far), reader: newFrameReader(far, nil, 1<<20)})
	c.mu.Unlock()
	c.start()
	h.expect("open")
	c.startReader()
	if _, err := near.Write(clientFrame(ws.OpText, true, "4a")); err != nil {
		t.Fatal(err)
	}
	h.expectMessage("a", false)
	rest := frames(clientFrame(ws.OpText, true, "4b"+strings.Repeat("x", 300)), clientFrame(ws.OpText, true, "4c"))
	if _, err := near.Write(rest); err != nil {
		t.Fatal(err)
	}
	if err := near.Close(); err != nil {
		t.Fatal(err)
	}
	<-s.received
	close(s.leaves)
	eventually(t, "who has handled the first message is done", func() bool {
		server.crew.mu.Lock()
		defer server.crew.mu.Unlock()
		return len(server.crew.idle) == 1
	})
	close(s.goOn)
	h.expectMessage("b", false)
	h.expectMessage("c", false)
	h.expectClose(ReasonTransportClose)
}
