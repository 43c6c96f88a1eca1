package redisstream

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

// injection is an entry that was made by hand. Node.js readers of the 0.2 and the 0.3 line did with it what the
// fixtures of the same name say; ours either hands it over or reports it, and goes on.
type injection struct {
	name   string
	fields []string
	bad    bool
}

const (
	anybody = `"opts":{"rooms":[],"except":[],"flags":{}}`
	hello   = `{"packet":{"type":2,"data":["x",1]},` + anybody + `}`
)

func entry(kind, data string) []string {
	return []string{"uid", "aaaaaaaaaaaaaaaa", "nsp", "/", "type", kind, "data", data}
}

// packed is a broadcast in msgpack, the raw bytes of whose argument are given.
func packed(argument ...byte) []byte {
	text := func(dst []byte, s string) []byte { return append(append(dst, 0xa0|byte(len(s))), s...) }
	b := text([]byte{0x82}, "packet")
	b = append(text(append(b, 0x82), "type"), 2)
	b = text(append(text(b, "data"), 0x92), "x")
	b = append(b, argument...)
	b = append(text(append(text(b, "opts"), 0x83), "rooms"), 0x90)
	b = append(text(b, "except"), 0x90)
	return append(text(b, "flags"), 0x80)
}

func base64Of(data []byte) string { return base64.StdEncoding.EncodeToString(data) }

func fromHex(text string) []byte {
	data, err := hex.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return data
}

// withOpts is the usual broadcast with other opts.
func withOpts(opts string) []string {
	return entry("3", `{"packet":{"type":2,"data":["x",1]},"opts":`+opts+`}`)
}

func withPacket(packet string) []string { return entry("3", `{"packet":`+packet+`,`+anybody+`}`) }

func withRequest(request string) []string {
	return entry("3", `{"packet":{"type":2,"data":["x",1]},"requestId":`+request+`,`+anybody+`}`)
}

func without(fields []string, name string) []string {
	i := slices.Index(fields, name)
	return slices.Delete(slices.Clone(fields), i, i+2)
}

func replaced(fields []string, name, value string) []string {
	fields = slices.Clone(fields)
	fields[slices.Index(fields, name)+1] = value
	return fields
}

func injections() []injection {
	usual := entry("3", hello)
	elevenBinaries := packed(append([]byte{0x9b}, bytes.Repeat([]byte{0xc4, 1, 7}, 11)...)...)
	nilRequest := bytes.Replace(packed(1), []byte("\x82\xa6packet"), []byte("\x83\xa9requestId\xc0\xa6packet"), 1)
	reversed := []string{"data", hello, "type", "3", "nsp", "/", "uid", "aaaaaaaaaaaaaaaa"}
	return append([]injection{
		{"valid json", usual, false},
		{"valid msgpack without any binary", entry("3", base64Of(packed(1))), false},
		{"field order data,type,nsp,uid", reversed, false},
		{"extra unknown field", append(slices.Clone(usual), "foo", "bar"), false},
		{"base64url alphabet", entry("3", base64.URLEncoding.EncodeToString(packed(fromHex("adc3bfc3be3e3e3e3f3f3f7e7e7e")...))), false},
		{"base64 without padding", entry("3", base64.RawStdEncoding.EncodeToString(packed(0xa2, 'a', 'b'))), false},
		{"json with leading space", entry("3", " "+hello), true},
		{`json html-escaped (\u003c)`, withPacket(`{"type":2,"data":["\u003c&\u003e"]}`), false},
		{"opts without flags", withOpts(`{"rooms":[],"except":[]}`), false},
		{"opts without except", withOpts(`{"rooms":[],"flags":{}}`), false},
		{"opts rooms null", withOpts(`{"rooms":null,"except":[],"flags":{}}`), false},
		{"opts except null", withOpts(`{"rooms":[],"except":null,"flags":{}}`), false},
		{"opts flags null", withOpts(`{"rooms":[],"except":[],"flags":null}`), false},
		{"no opts at all", entry("3", `{"packet":{"type":2,"data":["x",1]}}`), true},
		{"flags.volatile=false", withOpts(`{"rooms":[],"except":[],"flags":{"volatile":false}}`), false},
		{"flags.volatile=null", withOpts(`{"rooms":[],"except":[],"flags":{"volatile":null}}`), false},
		{"flags.local=true", withOpts(`{"rooms":[],"except":[],"flags":{"local":true}}`), false},
		{"requestId null", withRequest("null"), false},
		{"requestId empty string", withRequest(`""`), false},
		{"requestId on stream", withRequest(`"0123456789abcdef"`), false},
		{"requestId msgpack nil", entry("3", base64Of(nilRequest)), false},
		{"packet.id null", withPacket(`{"type":2,"data":["x",1],"id":null}`), false},
		{"packet.id 7", withPacket(`{"type":2,"data":["x",1],"id":7}`), false},
		{"packet.nsp wrong", withPacket(`{"type":2,"data":["x",1],"nsp":"/other"}`), false},
		{"packet.type 3 (ACK)", withPacket(`{"type":3,"data":["x"]}`), true},
		{"packet.data not an array", withPacket(`{"type":2,"data":"x"}`), true},
		{"packet missing", entry("3", `{`+anybody+`}`), true},
		{"type '03'", entry("03", hello), false},
		{"type '3 '", entry("3 ", hello), false},
		{"type '99'", entry("99", hello), true},
		{"type 'abc'", entry("abc", hello), true},
		{"type missing", without(usual, "type"), true},
		{"uid missing", without(usual, "uid"), false},
		{"uid empty", replaced(usual, "uid", ""), false},
		{"uid 'emitter'", replaced(usual, "uid", "emitter"), false},
		{"uid = own uid of the receiver", replaced(usual, "uid", "bbbbbbbbbbbbbbbb"), false}, // the node skips it
		{"nsp missing", without(usual, "nsp"), true},
		{"nsp unknown", replaced(usual, "nsp", "/unknown"), false}, // the node skips it
	}, moreInjections(usual, elevenBinaries)...)
}

func moreInjections(usual []string, elevenBinaries []byte) []injection {
	noOpts := `{"rooms":["a"]}`
	request := `"requestId":"00ff00ff00ff00ff"`
	return []injection{
		{"bad json", entry("3", `{"packet":`), true},
		{"bad base64", entry("3", "!!!!"), true},
		{"truncated msgpack", entry("3", base64Of(packed(1)[:20])), true},
		{"msgpack with trailing bytes", entry("3", base64Of(append(packed(1), 0xc0))), true},
		{"empty data string", entry("3", ""), true},
		{"BROADCAST without data", without(usual, "data"), true},
		{"msgpack ext type 5", entry("3", base64Of(packed(0xd4, 5, 1))), false},
		{"msgpack uint64 2^60", entry("3", base64Of(packed(fromHex("cf1000000000000000")...))), false},
		{"msgpack float32 and float64 ints", entry("3", base64Of(packed(fromHex("ca40400000")...))), false},
		{"msgpack raw bin as str (invalid utf8)", entry("3", base64Of(packed(0xa2, 0xff, 0xfe))), true}, // no text
		{"msgpack int map key", entry("3", base64Of(packed(0x81, 1, 0xa1, 'a'))), false},
		{"11 binary attachments", entry("3", base64Of(elevenBinaries)), true}, // clients would disconnect
		{"json with __proto__ key", withPacket(`{"type":2,"data":["x",{"__proto__":{"a":1}}]}`), false},
		{"reserved event name connect", withPacket(`{"type":2,"data":["connect",1]}`), true}, // clients would disconnect
		{"event name number", withPacket(`{"type":2,"data":[42,1]}`), false},
		{"SOCKETS_JOIN without opts", entry("4", noOpts), true},
		{"SOCKETS_JOIN rooms string", entry("4", `{`+anybody+`,"rooms":"abc"}`), true},
		{"SOCKETS_LEAVE rooms string", entry("5", `{`+anybody+`,"rooms":"abc"}`), true},
		{"FETCH_SOCKETS without requestId", entry("7", `{`+anybody+`}`), true}, // nobody could take the answer
		{"FETCH_SOCKETS on stream", entry("7", `{`+anybody+`,`+request+`}`), false},
		{"SERVER_SIDE_EMIT with requestId null", entry("9", `{"requestId":null,"packet":["x"]}`), false},
		{"SERVER_SIDE_EMIT packet not array", entry("9", `{"packet":"x"}`), true},
		{"SERVER_SIDE_EMIT user handler throws", entry("9", `{"packet":["throws"]}`), true},
		{"FETCH_SOCKETS_RESPONSE unknown request", entry("8", `{`+request+`,"sockets":[]}`), false},
		{"BROADCAST_ACK without data", without(entry("12", ""), "data"), true},
		{"HEARTBEAT with data", entry("2", hello), false},
		{"INITIAL_HEARTBEAT", without(entry("1", ""), "data"), false},
		{"ADAPTER_CLOSE", without(entry("13", ""), "data"), false},
	}
}

// collector keeps what a tail hands over, as text.
type collector struct{ got chan string }

func (c *collector) HandleEntry(_ context.Context, e *domain.Entry) {
	if b, ok := e.Message.Body.(*domain.ServerSideEmit); ok && b.Packet.Event() == "throws" {
		panic("thrown by the application")
	}
	c.got <- "entry " + string(e.Offset)
}

func (c *collector) HandleNotice(_ context.Context, n domain.Notice) {
	if bad, ok := n.(*domain.BadEntry); ok {
		c.got <- "bad " + string(bad.Offset) + " " + bad.Err.Error()
	}
}

// TestInjectedEntries puts all of them into a stream that is being read. Ten of them keep a Node.js reader busy for
// ever.
func TestInjectedEntries(t *testing.T) {
	type line struct{ Case string }
	all := injections()
	for _, version := range []string{"v0.2", "v0.3"} {
		for _, l := range readLines[line](t, "testdata/wire/"+version+"/injected.jsonl") {
			if !slices.ContainsFunc(all, func(i injection) bool { return i.name == l.Case }) {
				t.Errorf("the case %q of the fixtures of %s is not tested", l.Case, version)
			}
		}
	}
	server := realredis.Start(t)
	transport, err := Connect(t.Context(), server.URL(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer transport.Close()
	c := &collector{got: make(chan string, 2*len(all))}
	tail, err := transport.Log().Tail(t.Context(), "", c)
	if err != nil {
		t.Fatal(err)
	}
	defer tail.Close()
	for i, in := range all {
		id := "1-" + strconv.Itoa(i+1)
		added := server.Client().XAdd(t.Context(), &redis.XAddArgs{Stream: DefaultStream, ID: id, Values: in.fields})
		if err := added.Err(); err != nil {
			t.Fatalf("%s: %v", in.name, err)
		}
		select {
		case got := <-c.got:
			want := "entry " + id
			if in.bad {
				want = "bad " + id + " "
			}
			if !strings.HasPrefix(got, want) {
				t.Errorf("%s: %s, want %s", in.name, got, want)
			}
			if strings.Contains(got, "aaaa") {
				t.Errorf("%s: the report quotes the content: %s", in.name, got)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: the reader has stopped", in.name)
		}
	}
}
