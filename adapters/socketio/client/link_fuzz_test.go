package client

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/roombus/roombus/adapters/socketio/parser"
	"github.com/roombus/roombus/internal/handlers"
)

// recorded is a network connection over which a server has sent something and then closed.
type recorded struct{ *bytes.Reader }

func (recorded) Write(b []byte) (int, error)      { return len(b), nil }
func (recorded) Close() error                     { return nil }
func (recorded) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (recorded) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (recorded) SetDeadline(time.Time) error      { return nil }
func (recorded) SetReadDeadline(time.Time) error  { return nil }
func (recorded) SetWriteDeadline(time.Time) error { return nil }

// FuzzServer lets a server send anything at all: the client ends with a reason, and takes no packet that is larger than it
// allows.
func FuzzServer(f *testing.F) {
	const limit = 1000
	frames := func(texts ...string) []byte {
		var all []byte
		for _, text := range texts {
			op := ws.OpText
			if text[0] == 0 {
				op = ws.OpBinary
			}
			all = append(all, ws.MustCompileFrame(ws.NewFrame(op, true, []byte(text)))...)
		}
		return all
	}
	open := `0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":100}`
	f.Add(frames(open, `40{"sid":"y","pid":"z"}`, "2", `42["e",1]`, `430["answer"]`, "41"))
	f.Add(frames(open, `451-["e",{"_placeholder":true,"num":0}]`, "\x00\x01\x02", "1"))
	f.Add(frames(open, `44{"message":"no"}`, "6", "9"))
	f.Add(append(frames(open), ws.MustCompileFrame(ws.NewPingFrame([]byte("ping")))...))
	f.Add(append(frames(open), ws.MustCompileFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusGoingAway, "bye")))...))
	f.Add(append(frames(open), 0x81, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff))
	f.Add([]byte{0x01, 0x01, '0', 0x80, 0x00})
	f.Fuzz(func(t *testing.T, sent []byte) {
		l := &link{conn: recorded{bytes.NewReader(sent)}, limit: handlers.Bounds{Jobs: 10, Bytes: 1000}}
		l.reader = newFrameReader(l.conn, nil, limit, l.control)
		l.decoder, _ = parser.NewDecoder(parser.Config{}) // the zero Config is a good one
		defer l.end(false)
		if l.open(t.Context()) != nil {
			return
		}
		reason, _ := l.read(func(p parser.Packet) {
			if n := len(p.Payload.JSON()); n > limit {
				t.Errorf("a payload of %d bytes", n)
			}
		})
		if reason == "" {
			t.Error("it ended without a reason")
		}
		if rest, _ := io.ReadAll(l.conn); reason == ReasonPingTimeout {
			t.Errorf("a ping timeout with %d bytes left", len(rest))
		}
	})
}
