package logview_test

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/roombus/roombus/cmd/roombus/internal/logview"
	"github.com/roombus/roombus/cmd/roombus/internal/text"
	"github.com/roombus/roombus/domain"
)

func packet(t testing.TB, args string, attachments ...[]byte) domain.Packet {
	t.Helper()
	p, err := domain.NewPacket([]byte(args), attachments...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

// entry is an entry with a body, of a node whose name is known as north.
func entry(b domain.Body) *logview.Item {
	at := domain.Offset("1700000000123-4")
	return &logview.Item{Stream: "socket.io", Entry: &domain.Entry{
		Stream: "socket.io", Offset: at, Time: logview.TimeOf(at),
		Message: domain.Message{
			Node: "00000000000000aa", Namespace: "/chat", Body: b, Publisher: "p", Sequence: 7,
			Headers: domain.Headers{"traceparent": traceparent},
		},
	}}
}

func TestLines(t *testing.T) {
	id := uint64(3)
	binary := packet(t, `["photo",{"_placeholder":true,"num":0},"`+strings.Repeat("x", 100)+`"]`, make([]byte, 2048))
	rest := "  trace 4bf92f3577b34da6a3ce929d0e0e4736"
	for _, test := range []struct {
		item *logview.Item
		want string
	}{
		{entry(&domain.Broadcast{Packet: packet(t, `["a"]`)}), "broadcast  north    /chat  to all  a" + rest},
		{
			entry(&domain.Broadcast{
				Target: domain.Target{Rooms: []string{"r", "s"}, Except: []string{"x"}, Flags: domain.Flags{Volatile: true, Compress: domain.CompressOff, Timeout: time.Second}},
				Packet: packet(t, `["a",1,{"b":2}]`), Request: "r1",
			}),
			"broadcast  north    /chat  to r,s except x  volatile  no-compress  timeout=1s  a  1 {\"b\":2}  wants acks  request r1" + rest,
		},
		{entry(&domain.Broadcast{Packet: packet(t, `["a"]`), AckID: &id, Target: domain.Target{Flags: domain.Flags{ExpectSingleResponse: true, Compress: domain.CompressOn}}}), "broadcast  north    /chat  to all  compress  single-response  a  wants acks" + rest},
		{entry(&domain.Broadcast{Packet: binary}), `broadcast  north    /chat  to all  photo  {"_placeholder":true,"num":0} "` + strings.Repeat("x", 48) + "…  + 1 binary, 2.0 KiB" + rest},
		{entry(&domain.Join{Rooms: []string{"a"}}), "join       north    /chat  to all  join a" + rest},
		{entry(&domain.Leave{Rooms: []string{"a", "b"}}), "leave      north    /chat  to all  leave a,b" + rest},
		{entry(&domain.Leave{Rooms: strings.Split(strings.Repeat("a", 13), "")}), "leave      north    /chat  to all  leave a,a,a,a,a,a,a,a,a,a and 3 more" + rest},
		{entry(&domain.Disconnect{}), "disconnect  north    /chat  to all  disconnect from the namespace" + rest},
		{entry(&domain.Disconnect{Superseded: "3"}), "disconnect  north    /chat  to all  superseded: the client is back elsewhere" + rest},
		{entry(&domain.FetchSocketsReply{Request: "r", Sockets: make([]domain.SocketDetails, 1)}), "fetch-sockets-reply  north    /chat  1 socket  request r" + rest},
		{entry(&domain.ServerSideEmitReply{Request: "r"}), "server-side-emit-reply  north    /chat  no value  request r" + rest},
		{entry(&domain.Ack{Request: "r", Value: domain.TextValue("\x1b[31m")}), `ack        north    /chat  "\u001b[31m"  request r` + rest},
		{entry(&domain.Heartbeat{}), "heartbeat  north    /chat" + rest},
		{
			entry(&domain.InitialHeartbeat{Heartbeat: domain.Heartbeat{Node: domain.NodeInfo{Name: "n", Version: "v 1"}, Draining: true, Cursor: "5-0"}}),
			`initial-heartbeat  north    /chat  version "v 1"  has read up to 5-0  draining` + rest,
		},
		{entry(&domain.Goodbye{}), "goodbye    north    /chat" + rest},
	} {
		lines := logview.Lines{Payload: logview.PayloadShort, Location: time.UTC}
		want := "22:13:20.123  1700000000123-4  " + test.want
		if got := lines.Line(test.item, "north"); got != want {
			t.Errorf("it is shown as\n%s\nwant\n%s", got, want)
		}
	}
}

func TestNotices(t *testing.T) {
	for want, notice := range map[string]domain.Notice{
		"22:13:20.123  1700000000123-0  GAP: 5 entries are missing here: they were trimmed before this reader came to them; it goes on at 1700000000123-0":                 &domain.Gap{After: "1-0", Next: "1700000000123-0", Lost: 5},
		"22:13:20.123  1700000000123-0  GAP: entries are missing here, it is not known how many: they were trimmed before this reader came to them; it goes on at the end": &domain.Gap{After: "1700000000123-0"},
		"22:13:20.123  1700000000123-0  GAP: 1 entry is missing here: the publisher p\\u001b has numbered 3 to 3, and they are not in the log":                             &domain.Gap{Next: "1700000000123-0", Lost: 1, Publisher: "p\x1b", First: 3, Last: 3},
		"22:13:20.123  1700000000123-0  RESET: this is not the log of before: it was emptied; it goes on after 1700000000123-0":                                            &domain.Reset{Cursor: "1700000000123-0", Reason: "it was emptied"},
		"22:13:20.123  1700000000123-0  BAD ENTRY: nodes skip it: \\u001b[2J":                                                                                              &domain.BadEntry{Offset: "1700000000123-0", Err: errors.New("\x1b[2J")},
		"                CANNOT READ: no rights":                                                &domain.BadEntry{Err: errors.New("no rights")},
		"                CANNOT READ: nothing was read since 22:13:20, it is tried again: gone": &domain.TransportLost{Since: time.UnixMilli(1700000000123).UTC(), Err: errors.New("gone")},
		"                READS AGAIN: after 1.2s":                                               &domain.TransportFound{Away: 1234 * time.Millisecond},
	} {
		lines := logview.Lines{Location: time.UTC}
		if got := lines.Line(&logview.Item{Stream: "s", Notice: notice}, ""); got != want {
			t.Errorf("it is shown as\n%q\nwant\n%q", got, want)
		}
	}
}

func TestJSON(t *testing.T) {
	it := entry(&domain.Broadcast{
		Target: domain.Target{Rooms: []string{"r\x1b"}, Flags: domain.Flags{Compress: domain.CompressOff}},
		Packet: packet(t, `["a",{"_placeholder":true,"num":0},2]`, []byte{1, 2}),
	})
	line, err := logview.JSON(it, "north", logview.PayloadFull)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"type":"entry","stream":"socket.io","offset":"1700000000123-4","time":"2023-11-14T22:13:20.123Z","kind":"broadcast",` +
		`"node":"00000000000000aa","name":"north","namespace":"/chat","rooms":["r\u001b"],"except":[],"flags":{"compress":false},"event":"a",` +
		`"args":[{"_placeholder":true,"num":0},2],"binary":["AQI="],"publisher":"p","sequence":7,` +
		`"trace":"4bf92f3577b34da6a3ce929d0e0e4736","traceparent":"` + traceparent + `"}`
	if string(line) != want {
		t.Errorf("it is\n%s\nwant\n%s", line, want)
	}
	if line, err = logview.JSON(it, "", logview.PayloadNone); err != nil || strings.Contains(string(line), "args") {
		t.Errorf("without payload: %s, %v", line, err)
	}
	gap := &logview.Item{Stream: "s", Notice: &domain.Gap{After: "1-0", Next: "9-0", Lost: 7}}
	if line, err = logview.JSON(gap, "", ""); err != nil || !strings.Contains(string(line), `"type":"gap"`) || !strings.Contains(string(line), `"lost":7`) {
		t.Errorf("a gap is %s, %v", line, err)
	}
}

func TestTraceID(t *testing.T) {
	for header, want := range map[string]string{
		traceparent: "4bf92f3577b34da6a3ce929d0e0e4736", traceparent + "-more": "4bf92f3577b34da6a3ce929d0e0e4736",
		"": "", "00-1-2-3": "", strings.ToUpper(traceparent): "",
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01": "",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-\x1b[31mb902b7-01":   "",
	} {
		m := &domain.Message{Headers: domain.Headers{"traceparent": header}}
		if got := logview.TraceID(m); got != want {
			t.Errorf("the trace of %q is %q, want %q", header, got, want)
		}
	}
}

func TestOffsets(t *testing.T) {
	for o, want := range map[domain.Offset]domain.Offset{
		"5-7": "5-6", "5-0": "4-18446744073709551615", "0-0": "0-0", "nonsense": "0-0",
	} {
		if got := logview.Before(o); got != want {
			t.Errorf("before %s is %s, want %s", o, got, want)
		}
	}
	if got := logview.After(domain.Offset("4-18446744073709551615")); got != "5-0" {
		t.Errorf("after the last of a millisecond is %s", got)
	}
	if got := logview.Earlier("5000-3", 2*time.Second); got != "3000-0" {
		t.Errorf("2 s earlier is %s", got)
	}
	if got := logview.Earlier("5-3", time.Hour); got != "0-0" {
		t.Errorf("before the beginning of time is %s", got)
	}
	if logview.Compare("9-0", "10-0") >= 0 || logview.Compare("9-10", "9-9") <= 0 || logview.Compare("", "0-1") >= 0 {
		t.Error("offsets are compared as text")
	}
	if !logview.TimeOf("nonsense").IsZero() || logview.TimeOf(domain.Offset("1700000000123-4")).UnixMilli() != 1700000000123 {
		t.Error("the time of an offset is wrong")
	}
	if !logview.TimeOf("18446744073709551615-0").After(time.UnixMilli(math.MaxInt32)) {
		t.Error("the time of a huge offset is not late")
	}
}

// Whatever stands in the log, a line is one line of visible characters.
func FuzzLine(f *testing.F) {
	f.Add("room", "/nsp", "node", "event", "error")
	f.Add("\x1b[2J", "/\u009b", "\u202e", "\x00\xff", "a\nb\rc")
	f.Fuzz(func(t *testing.T, room, namespace, node, event, failure string) {
		name := domain.AppendQuoted([]byte{'['}, event)
		p, err := domain.NewPacket(append(name, ']'))
		if err != nil {
			p = packet(t, `["x"]`)
		}
		items := []*logview.Item{
			entry(&domain.Broadcast{Target: domain.Target{Rooms: []string{room}, Except: []string{room}}, Packet: p, Request: domain.RequestID(room)}),
			entry(&domain.Heartbeat{Node: domain.NodeInfo{Name: node, Version: failure, StartedAt: time.Now()}, Cursor: domain.Offset(room)}),
			{Stream: room, Notice: &domain.BadEntry{Offset: domain.Offset(node), Err: errors.New(failure)}},
			{Stream: room, Notice: &domain.Gap{After: domain.Offset(node), Publisher: domain.PublisherID(event)}},
		}
		for _, it := range items {
			if it.Entry != nil {
				it.Entry.Message.Namespace, it.Entry.Message.Node = namespace, domain.NodeID(node)
				it.Entry.Message.Headers = domain.Headers{"traceparent": failure}
			}
			for _, payload := range []logview.Payload{logview.PayloadNone, logview.PayloadShort, logview.PayloadFull} {
				lines := logview.Lines{Palette: text.Palette{}, Payload: payload, Streams: true}
				wantVisible(t, lines.Line(it, node))
			}
			line, err := logview.JSON(it, node, logview.PayloadFull)
			if err != nil || !json.Valid(line) {
				t.Fatalf("%v: %q", err, line)
			}
			wantVisible(t, string(line))
		}
	})
}

func wantVisible(t *testing.T, line string) {
	t.Helper()
	for _, r := range line {
		if !unicode.IsPrint(r) {
			t.Fatalf("%U is in %q", r, line)
		}
	}
}
