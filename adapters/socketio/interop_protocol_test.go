package socketio_test

import (
	"context"
	"regexp"
	"strings"
	"testing"

	"github.com/gobwas/ws/wsutil"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/testkit/nodejs"
)

// TestSameAsNodeJS sends the same packets to socket.io of Node.js and to this server, and compares what comes back.
// Where this server differs on purpose, the case says why and what it answers.
func TestSameAsNodeJS(t *testing.T) {
	node := nodejs.StartServer(t, nodejs.ServerConfig{Namespaces: []string{"/", "/chat"}})
	h := serve(t, socketio.Config{})
	for _, nsp := range []string{"/", "/chat"} {
		for _, event := range []string{"fence", "e"} {
			node.Answer(nsp, event, "ok")
			socketio.OnAck(h.Of(nsp), event, func(context.Context, *socketio.Socket, domain.Packet) (string, error) {
				return "ok", nil
			})
		}
	}
	for _, test := range []struct {
		name string
		send []string
		ours string // if it is another
		why  string
	}{
		{"connect", []string{"40"}, "", ""},
		{"connect with auth", []string{`40{"token":1}`}, "", ""},
		{"connect to another namespace", []string{"40/chat,"}, "", ""},
		{"connect to both", []string{"40", "40/chat,"}, "", ""},
		{"unknown namespace", []string{"40/nowhere,"}, "", ""},
		{"namespace with a query", []string{"40/chat?a=b,"}, "", ""},
		{"connect twice", []string{"40", "40"}, "", ""},
		{"auth that is no object", []string{`40["x"]`}, "", ""},
		{"event before connect", []string{`42["e"]`}, "", ""},
		{"ack before connect", []string{"430[]"}, "", ""},
		{"disconnect before connect", []string{"41"}, "", ""},
		{"event in another namespace", []string{"40", `42/chat,["e"]`}, "", ""},
		{"event in an unknown namespace", []string{"40", `42/nowhere,["e"]`}, "", ""},
		{"event with ack", []string{"40", `427["e",1]`}, "", ""},
		{"event with ack in a namespace", []string{"40/chat,", `42/chat,7["e",1]`}, "", ""},
		{"event without ack", []string{"40", `42["e",1]`}, "", ""},
		{"binary event", []string{"40", `451-7["e",{"_placeholder":true,"num":0}]`, "\x00binary"}, "", ""},
		{"an ack that nobody waits for", []string{"40", "435[1]"}, "", ""},
		{"a connect error", []string{"40", `44{"message":"x"}`}, "", ""},
		{"leave", []string{"40", "41"}, "", ""},
		{"leave and come back", []string{"40", "41", "40"}, "", ""},
		{"leave twice", []string{"40", "41", "41"}, "", ""},
		{"event after leaving", []string{"40", "41", `42["e"]`}, "", ""},
		{"leave one of two", []string{"40", "40/chat,", "41/chat,"}, "", ""},
		{"unknown type", []string{"40", "47"}, "", ""},
		{"no JSON", []string{"40", "42[nope]"}, "", ""},
		{"event that is no array", []string{"40", `42{"a":1}`}, "", ""},
		{"event without a name", []string{"40", `42[]`}, "", ""},
		{"reserved event", []string{"40", `42["connect"]`}, "", ""},
		{"ack that is no array", []string{"40", `431{"a":1}`}, "", ""},
		{"placeholder out of range", []string{"40", `451-["e",{"_placeholder":true,"num":3}]`, "\x00binary"}, "", ""},
		{"text where a binary is due", []string{"40", `451-["e",{"_placeholder":true,"num":0}]`, `42["e"]`}, "", ""},
		{"binary that nobody awaits", []string{"40", "\x00binary"}, "", ""},
		{"11 attachments", []string{"40", `4511-["e"]`}, "", ""},
		{
			"placeholder without attachments", []string{"40", `427["e",{"_placeholder":true,"num":0}]`},
			"closed", "Node.js passes it on, and every recipient's parser throws: case 25 of docs/guarantees.md",
		},
		{
			"event that nobody handles", []string{"40", `427["what"]`},
			`437[{"error":"unknown event"}]`, "Node.js lets the client wait for ever",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			theirs := transcript(dial(t, node.URL()), test.send)
			ours := transcript(h.dial(), test.send)
			want := theirs
			if test.why != "" {
				want = test.ours
				if ours == theirs {
					t.Errorf("no difference any more: both answer %q", ours)
				}
			}
			if last := ours[strings.LastIndexByte(ours, '\n')+1:]; ours != want && (test.why == "" || last != want) {
				t.Errorf("sent %q\nNode.js: %q\nours:    %q\nwant:    %q", test.send, theirs, ours, want)
			}
		})
	}
}

var sid = regexp.MustCompile(`"sid":"[^"]{20}"`)

// transcript sends packets and returns what comes back until the server has handled them all. A packet that begins with
// a zero byte is a binary.
func transcript(c *client, packets []string) string {
	var lines []string
	open := true
	// until reads up to a line, which is not kept unless asked for.
	until := func(keep bool, last func(line string) bool) {
		for open {
			data, _, err := c.read()
			line := sid.ReplaceAllString(string(data), `"sid":"…"`)
			if err != nil || line == "1" {
				lines, open = append(lines, "closed"), false
				return
			}
			if !last(line) {
				lines = append(lines, line)
				continue
			}
			if keep {
				lines = append(lines, line)
			}
			return
		}
	}
	joined := map[string]bool{}
	for i, packet := range packets {
		if data, binary := strings.CutPrefix(packet, "\x00"); binary {
			c.sendBinary([]byte(data))
		} else {
			c.send(packet)
		}
		namespace := "/"
		if rest := strings.TrimLeft(packet, "0123456789"); strings.HasPrefix(rest, "/") {
			namespace, _, _ = strings.Cut(rest, ",")
		}
		switch {
		case strings.HasPrefix(packet, "45") && i < len(packets)-1:
			continue // its attachments follow
		case strings.HasPrefix(packet, "40"):
			until(true, func(line string) bool {
				if strings.HasPrefix(line, "40") {
					joined[namespace] = true
				}
				return true
			})
			continue
		case strings.HasPrefix(packet, "41"):
			delete(joined, namespace)
		}
		fence, answer := "40/fence,", `44/fence,{"message":"Invalid namespace"}`
		for namespace := range joined {
			fence, answer = "42"+head(namespace)+`99["fence"]`, "43"+head(namespace)+`99["ok"]`
		}
		if err := wsutil.WriteClientText(c.conn, []byte(fence)); err == nil { // else it is closed, which until finds
			until(false, func(line string) bool { return line == answer })
		}
	}
	return strings.Join(lines, "\n")
}
