package conformance

import (
	"time"

	"github.com/roombus/roombus/domain"
)

// Sample is a message with a name that says what is special about it.
type Sample struct {
	Name    string
	Message *domain.Message
}

// The names that samples use.
const (
	SampleNode    domain.NodeID    = "0123456789abcdef"
	SampleRequest domain.RequestID = "fedcba9876543210"
)

// SampleMessages returns messages of all thirteen kinds, with every field of every body in use in one and unset in
// another: Unicode, binary attachments, no value against null, an id of zero against none, each flag. Times are whole
// milliseconds. They are made anew with each call. None has the publisher's numbers or After, which belong to
// transports, nor the flag Local, which is never published.
func SampleMessages() []Sample {
	var samples []Sample
	add := func(name string, body domain.Body) {
		samples = append(samples, Sample{
			Name:    body.Kind().String() + "/" + name,
			Message: &domain.Message{Node: SampleNode, Namespace: "/", Body: body},
		})
	}
	addHeartbeats(add)
	addBroadcasts(add)
	addRoomOperations(add)
	addRequests(add)
	addAcks(add)
	add("plain", &domain.Goodbye{})
	return append(samples, envelopes()...)
}

// envelopes vary what is around the body.
func envelopes() []Sample {
	plain := func() domain.Body { return &domain.Broadcast{Packet: Packet(`["hello"]`)} }
	headers := domain.Headers{
		"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		"tracestate":  "vendor=opaque,other=1",
		"baggage":     "tenant=zo%C3%AB,plan=gold",
	}
	return []Sample{
		{"envelope/namespace", &domain.Message{Node: SampleNode, Namespace: "/admin", Body: plain()}},
		{"envelope/unicode namespace", &domain.Message{Node: SampleNode, Namespace: "/räume-部屋-🚪", Body: plain()}},
		{"envelope/emitter", &domain.Message{Node: domain.EmitterID, Namespace: "/", Body: plain()}},
		{"envelope/headers", &domain.Message{Node: SampleNode, Namespace: "/", Headers: headers, Body: plain()}},
		{"envelope/headers without data", &domain.Message{
			Node: SampleNode, Namespace: "/", Headers: headers, Body: &domain.Goodbye{},
		}},
	}
}

func addHeartbeats(add func(string, domain.Body)) {
	full := domain.Heartbeat{
		Node: domain.NodeInfo{
			Name:         "chat-7 “östlich”",
			Version:      "1.2.3",
			Address:      "10.0.0.7:4000",
			StartedAt:    sampleTime(),
			Capabilities: []string{"forward", "direct"},
		},
		Draining: true,
		Cursor:   "1526919030474-55",
	}
	add("as Node.js sends it", &domain.InitialHeartbeat{})
	add("full", &domain.InitialHeartbeat{Heartbeat: full})
	add("as Node.js sends it", &domain.Heartbeat{})
	add("full", &full)
	add("draining", &domain.Heartbeat{Draining: true})
}

func addBroadcasts(add func(string, domain.Body)) {
	broadcast := func(name string, t domain.Target, p domain.Packet) {
		add(name, &domain.Broadcast{Target: t, Packet: p})
	}
	all := domain.Target{}
	broadcast("event alone", all, Packet(`["hello"]`))
	broadcast("arguments", all, Packet(`["hello",1,-2.5,1e21,true,false,null,"text",[],{},{"a":{"b":[1,[2]]}}]`))
	broadcast("number as event", all, Packet(`[42,"answer"]`))
	broadcast("unicode", all, Packet(`["grüße","日本語","🏳️‍🌈","\u2028\u0000\"\\/","é"]`))
	broadcast("key order", all, Packet(`["order",{"z":1,"a":2,"m":{"y":1,"b":2}}]`))
	broadcast("like an offset", all, Packet(`["text","1526919030474-55"]`))
	broadcast("binary", all, Packet(`["file",{"_placeholder":true,"num":0}]`, []byte{0, 1, 0xfe, 0xff}))
	broadcast("binaries inside", all, Packet(
		`["files",{"first":{"_placeholder":true,"num":0},"list":[1,{"_placeholder":true,"num":1}],"text":"ü"},null]`,
		[]byte("one"), []byte{}))
	broadcast("ten binaries", all, manyBinaries())
	broadcast("rooms", domain.Target{Rooms: []string{"lobby", "räume/部屋", "", "with,comma"}}, Packet(`["hello"]`))
	broadcast("except", domain.Target{Except: []string{"abcdefghijklmnopqrst"}}, Packet(`["hello"]`))
	broadcast("rooms and except", domain.Target{
		Rooms: []string{"a", "b"}, Except: []string{"c"},
	}, Packet(`["hello"]`))
	broadcast("empty lists", domain.Target{Rooms: []string{}, Except: []string{}}, Packet(`["hello"]`))
	broadcastFlags := func(name string, flags domain.Flags) {
		broadcast("flags: "+name, domain.Target{Flags: flags}, Packet(`["hello"]`))
	}
	broadcastFlags("volatile", domain.Flags{Volatile: true})
	broadcastFlags("compress", domain.Flags{Compress: domain.CompressOn})
	broadcastFlags("not compress", domain.Flags{Compress: domain.CompressOff})
	broadcastFlags("timeout", domain.Flags{Timeout: 1500 * time.Millisecond})
	broadcastFlags("single", domain.Flags{ExpectSingleResponse: true})
	broadcastFlags("all", domain.Flags{
		Volatile: true, Compress: domain.CompressOff, Timeout: time.Millisecond, ExpectSingleResponse: true,
	})
	add("acked", &domain.Broadcast{
		Target:  domain.Target{Rooms: []string{"a"}, Flags: domain.Flags{Timeout: 2500 * time.Millisecond}},
		Packet:  Packet(`["question",{"n":1}]`),
		Request: SampleRequest,
	})
	add("acked with binary", &domain.Broadcast{
		Packet:  Packet(`["question",{"_placeholder":true,"num":0}]`, []byte("?")),
		Request: SampleRequest,
	})
	zero, seven := uint64(0), uint64(7)
	add("direct with ack id 0", &domain.Broadcast{Packet: Packet(`["direct"]`), AckID: &zero})
	add("direct with ack id 7", &domain.Broadcast{Packet: Packet(`["direct"]`), AckID: &seven})
}

func addRoomOperations(add func(string, domain.Body)) {
	full := func() domain.Target {
		return domain.Target{
			Rooms: []string{"a", "räume"}, Except: []string{"c"}, Flags: domain.Flags{ExpectSingleResponse: true},
		}
	}
	add("everybody", &domain.Join{Rooms: []string{"lobby"}})
	add("full", &domain.Join{Target: full(), Rooms: []string{"部屋", "b"}})
	add("everybody", &domain.Leave{Rooms: []string{"lobby"}})
	add("full", &domain.Leave{Target: full(), Rooms: []string{"部屋", "b"}})
	add("namespace", &domain.Disconnect{Target: full()})
	add("connection", &domain.Disconnect{Close: true})
	add("superseded", &domain.Disconnect{Target: domain.Target{Rooms: []string{"abcdefghijklmnopqrst"}}, Superseded: "0123456789abcdef"})
}

func addRequests(add func(string, domain.Body)) {
	add("everybody", &domain.FetchSockets{Request: SampleRequest})
	add("target", &domain.FetchSockets{
		Target: domain.Target{Rooms: []string{"a"}, Except: []string{"b"}}, Request: SampleRequest,
	})
	add("none", &domain.FetchSocketsReply{Request: SampleRequest})
	add("two", &domain.FetchSocketsReply{Request: SampleRequest, Sockets: []domain.SocketDetails{
		sampleSocket("abcdefghijklmnopqrst", JSONValue(`{"user":{"name":"Zoë","age":33}}`)),
		{
			ID:        "ABCDEFGHIJKLMNOPQR-_",
			Handshake: domain.Handshake{Time: sampleTime()},
			Rooms:     []string{"ABCDEFGHIJKLMNOPQR-_"},
		},
	}})
	add("binary data", &domain.FetchSocketsReply{Request: SampleRequest, Sockets: []domain.SocketDetails{
		sampleSocket("abcdefghijklmnopqrst", JSONValue(`{"key":{"_placeholder":true,"num":0}}`, []byte{1, 2, 3})),
		sampleSocket("ABCDEFGHIJKLMNOPQR-_", JSONValue(`[{"_placeholder":true,"num":0}]`, []byte{4})),
	}})
	add("no answer wanted", &domain.ServerSideEmit{Packet: ServerPacket(`["refresh",{"all":true},"ü"]`)})
	add("answer wanted", &domain.ServerSideEmit{Packet: ServerPacket(`["count"]`), Request: SampleRequest})
	add("binary", &domain.ServerSideEmit{
		Packet: ServerPacket(`["blob",{"_placeholder":true,"num":0}]`, []byte{9}), Request: SampleRequest,
	})
	addValues(add, func(v domain.Value) domain.Body {
		return &domain.ServerSideEmitReply{Request: SampleRequest, Value: v}
	})
}

func addAcks(add func(string, domain.Body)) {
	add("none", &domain.AckClientCount{Request: SampleRequest})
	add("many", &domain.AckClientCount{Request: SampleRequest, Clients: 100_000})
	addValues(add, func(v domain.Value) domain.Body { return &domain.Ack{Request: SampleRequest, Value: v} })
}

func addValues(add func(string, domain.Body), body func(domain.Value) domain.Body) {
	add("no value", body(domain.Value{}))
	add("null", body(JSONValue(`null`)))
	add("text", body(JSONValue(`"grün \"quoted\""`)))
	add("number", body(JSONValue(`-12.75`)))
	add("object", body(JSONValue(`{"ok":true,"list":[1,"two",null]}`)))
	add("binary", body(JSONValue(`{"_placeholder":true,"num":0}`, []byte{0xca, 0xfe})))
}

func sampleSocket(id domain.SocketID, data domain.Value) domain.SocketDetails {
	return domain.SocketDetails{
		ID: id,
		Handshake: domain.Handshake{
			Headers:     map[string][]string{"user-agent": {"test/1.0"}, "x-tag": {"ü"}},
			Query:       map[string][]string{"EIO": {"4"}, "transport": {"websocket"}},
			Time:        sampleTime(),
			Address:     "192.0.2.7",
			URL:         "/socket.io/?EIO=4&transport=websocket",
			CrossDomain: true,
			Secure:      true,
			Auth:        JSONValue(`{"token":"Zoë"}`),
		},
		Rooms: []string{string(id), "räume"},
		Data:  data,
	}
}

func sampleTime() time.Time { return time.UnixMilli(1_795_338_738_822).UTC() }

func manyBinaries() domain.Packet {
	args := []byte(`["files"`)
	var attachments [][]byte
	for i := range domain.MaxAttachments {
		args = domain.AppendPlaceholder(append(args, ','), i)
		attachments = append(attachments, []byte{byte(i)})
	}
	return Packet(string(args)+`]`, attachments...)
}

// Packet is the packet of an event to clients, for tests. It panics where the text is none.
func Packet(args string, attachments ...[]byte) domain.Packet {
	return must(domain.NewPacket([]byte(args), attachments...))
}

// ServerPacket is the packet of a server-side emit, for tests. It panics where the text is none.
func ServerPacket(args string, attachments ...[]byte) domain.Packet {
	return must(domain.NewServerPacket([]byte(args), attachments...))
}

// JSONValue is a value, for tests. It panics where the text is none.
func JSONValue(text string, attachments ...[]byte) domain.Value {
	return must(domain.NewValue([]byte(text), attachments...))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
