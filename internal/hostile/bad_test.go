package hostile

import (
	"bytes"
	"cmp"
	"compress/flate"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/adapters/socketio/engineio"
	"github.com/roombus/roombus/adapters/socketio/parser"
)

// patience is how long anybody here waits for what must come.
const patience = 20 * time.Second

// eachKind is how many connections misbehave in one way at the same time.
const eachKind = 21

// A client whose connection has ended comes again after a while; one that comes and goes, sooner.
const (
	again = slower * time.Second
	soon  = slower * 100 * time.Millisecond
)

// way is one way to misbehave, on a connection or more. It returns nil when the server has ended it.
type way struct {
	name string
	do   func(v *visit) error
	// counted is what the server counts it under; nil for what is not the server's to count.
	counted *counter
	// pause is how long it stays away when it has been ended. Default: again.
	pause time.Duration
}

// counter is one of the server's.
type counter struct {
	name string
	of   func(socketio.Stats) uint64
}

// caused counts the connections that were closed for a cause.
func caused(cause error) *counter {
	return &counter{cause.Error(), func(s socketio.Stats) uint64 { return s.Causes[cause] + s.Engine.Causes[cause] }}
}

var (
	pingTimeouts   = &counter{"ping timeouts", func(s socketio.Stats) uint64 { return s.Engine.Closed[engineio.ReasonPingTimeout] }}
	upgradesFailed = &counter{"upgrades that failed", func(s socketio.Stats) uint64 { return s.Engine.UpgradesFailed }}
	malformed      = caused(parser.ErrMalformed)
	brokenFrames   = caused(engineio.ErrWebSocket)
	tooLarge       = caused(engineio.ErrTooLarge)
	rateLimited    = caused(socketio.ErrRateLimited)
)

var ways = []way{
	{name: "headers that never end", do: headersWithoutEnd},
	{name: "a handshake, and no CONNECT", do: opened(nothing), counted: caused(socketio.ErrConnectTimeout)},
	{name: "packets before CONNECT", do: opened(says(`42["e"]`)), counted: caused(socketio.ErrNotJoined)},
	{name: "frames that are none", do: opened(sends("\x93\xfe\xff\xff and so on")), counted: brokenFrames},
	{name: "frames without a mask", do: opened(sends("\x81\x0240")), counted: brokenFrames},
	{name: "control frames in fragments", do: opened(sends("\x09\x80\x00\x00\x00\x00")), counted: brokenFrames},
	{name: "text that is not UTF-8", do: joined(says("42[\"e\",\"\xff\xfe\"]")), counted: caused(engineio.ErrBadUTF8)},
	{name: "a payload beyond the limit", do: opened(sends(string(header(ws.OpText, 2*maxPayload)))), counted: tooLarge},
	{name: "a small frame that inflates to a large one", do: opened(sends(string(bomb()))), counted: tooLarge},
	{name: "a payload that never comes", do: joined(payloadWithoutEnd), counted: pingTimeouts},
	{name: "pings that are not answered", do: joined(nothing), counted: pingTimeouts},
	{name: "too many attachments", do: joined(says(`45999-["e"]`)), counted: caused(parser.ErrAttachments)},
	{name: "JSON that is too deep", do: joined(says(`42["e",` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `]`)), counted: malformed},
	{name: "a forged placeholder", do: joined(says(`42["e",{"_placeholder":true,"num":9}]`)), counted: malformed},
	{name: "a flood of pings", do: opened(floods(masked(ws.OpPing, ""))), counted: caused(engineio.ErrFlood)},
	{name: "a flood of events", do: joined(floods(masked(ws.OpText, `42["slow","`+strings.Repeat("x", 100)+`"]`))), counted: rateLimited},
	{name: "a flood of joining and leaving rooms", do: joined(floods(masked(ws.OpText, `42["move","r"]`))), counted: rateLimited},
	{
		name: "a flood of CONNECT", counted: caused(socketio.ErrConnectFlood),
		do: opened(floods(masked(ws.OpText, "40/nowhere,"))),
	},
	{name: "a thousand namespaces", do: opened(manyNamespaces), counted: caused(socketio.ErrTooManySockets)},
	{name: "a reader that does not read", do: joined(doesNotRead), counted: caused(engineio.ErrOverflow)},
	{name: "two polls at once", do: polls(twoPolls), counted: caused(engineio.ErrPollOverlap)},
	{name: "a POST of the wrong type", do: polls(wrongPost), counted: caused(engineio.ErrBinaryPost)},
	{name: "upgrades that never finish", do: polls(upgradeWithoutEnd), counted: upgradesFailed},
	{name: "connections that come and go", do: comesAndGoes, pause: soon},
}

// attack is the bad clients of one window.
type attack struct {
	address string
	ctx     context.Context
	stop    context.CancelFunc
	running sync.WaitGroup
	// ends counts, for each way, the connections that the server has ended.
	ends []atomic.Int64
}

// beBad is the process of the bad clients. It answers "begin", "ends" by how many of each way the server has ended, and "end"
// by the same when none is left.
func beBad(address string) error {
	if err := yieldToOthers(); err != nil {
		return err
	}
	var a *attack
	return obey(func(order string) (any, error) {
		switch order {
		case "begin":
			a = begin(address)
		case "end":
			a.stop()
			a.running.Wait()
		case "ends":
		default:
			return nil, fmt.Errorf("unknown order %q", order)
		}
		ends := make(map[string]int64, len(ways))
		for i, w := range ways {
			ends[w.name] = a.ends[i].Load()
		}
		return ends, nil
	})
}

func begin(address string) *attack {
	a := &attack{address: address, ends: make([]atomic.Int64, len(ways))}
	a.ctx, a.stop = context.WithCancel(context.Background())
	for i, w := range ways {
		for n := range eachKind {
			// They do not all come at the same moment.
			a.running.Go(func() { a.misbehave(i, w, again*time.Duration(n*len(ways)+i)/time.Duration(eachKind*len(ways))) })
		}
	}
	return a
}

// misbehave comes again and again, for the first time after a while.
func (a *attack) misbehave(i int, w way, first time.Duration) {
	for pause := first; a.stays(pause); pause = cmp.Or(w.pause, again) {
		v := &visit{attack: a}
		if err := w.do(v); err == nil && a.ctx.Err() == nil {
			a.ends[i].Add(1)
		}
		v.leave()
	}
}

// stays waits, and reports false when the attack is over.
func (a *attack) stays(pause time.Duration) bool {
	select {
	case <-time.After(pause):
		return true
	case <-a.ctx.Done():
		return false
	}
}

// visit is one connection, or several, of a bad client.
type visit struct {
	attack *attack
	conn   net.Conn
	r      io.Reader
	closes []func()
}

func (v *visit) leave() {
	for _, end := range v.closes {
		end()
	}
}

// owns has a connection closed with the visit, or when the attack is over.
func (v *visit) owns(conn net.Conn) {
	undo := context.AfterFunc(v.attack.ctx, func() { _ = conn.Close() })
	v.closes = append(v.closes, func() {
		undo()
		_ = conn.Close()
	})
}

func (v *visit) dial() error {
	conn, err := new(net.Dialer).DialContext(v.attack.ctx, "tcp", v.attack.address)
	if err != nil {
		return err
	}
	v.owns(conn)
	v.conn, v.r = conn, conn
	return conn.SetDeadline(time.Now().Add(patience))
}

// open makes a WebSocket.
func (v *visit) open() error {
	if err := v.dial(); err != nil {
		return err
	}
	request := "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
		"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
	return v.handshake(request)
}

// handshake sends a request and reads the head of its answer, byte by byte: what follows is for others.
func (v *visit) handshake(request string) error {
	if err := v.write([]byte(request)); err != nil {
		return err
	}
	var head []byte
	for b := make([]byte, 1); !bytes.HasSuffix(head, []byte("\r\n\r\n")); head = append(head, b[0]) {
		if _, err := v.conn.Read(b); err != nil {
			return err
		}
	}
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 101")) {
		return fmt.Errorf("the answer is %.30q", head)
	}
	return nil
}

func (v *visit) write(data []byte) error {
	_, err := v.conn.Write(data)
	return err
}

// gone waits until the server has closed the connection: nil, or an error that says why it was somebody else.
func (v *visit) gone() error {
	_, err := io.Copy(io.Discard, v.r)
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return err
	}
	if v.attack.ctx.Err() != nil {
		return v.attack.ctx.Err()
	}
	return nil
}

// opened is a way over a WebSocket, after the handshake.
func opened(do func(*visit) error) func(*visit) error {
	return func(v *visit) error {
		if err := v.open(); err != nil {
			return err
		}
		_ = do(v) // the server may have closed the connection already
		return v.gone()
	}
}

// joined is a way in the default namespace.
func joined(do func(*visit) error) func(*visit) error {
	return opened(func(v *visit) error {
		if err := v.write(masked(ws.OpText, "40")); err != nil {
			return err
		}
		var got []byte
		for b := make([]byte, 512); !bytes.Contains(got, []byte(`40{"sid"`)); {
			n, err := v.conn.Read(b)
			if err != nil {
				return err
			}
			got = append(got, b[:n]...)
		}
		return do(v)
	})
}

func nothing(*visit) error { return nil }

func sends(data string) func(*visit) error {
	return func(v *visit) error { return v.write([]byte(data)) }
}

// says sends a message.
func says(text string) func(*visit) error { return sends(string(masked(ws.OpText, text))) }

// floods sends the same again and again, and reads nothing.
func floods(data []byte) func(*visit) error {
	data = bytes.Repeat(data, 20)
	return func(v *visit) error {
		for {
			if err := v.write(data); err != nil {
				return err
			}
		}
	}
}

// header is the header of a client's frame.
func header(op ws.OpCode, length int) []byte {
	h := []byte{0x80 | byte(op), 0x80 | 127}
	return append(binary.BigEndian.AppendUint64(h, uint64(length)), 0, 0, 0, 0)
}

// trickle is how often those send a byte who never come to an end.
const trickle = 100 * time.Millisecond

func (v *visit) trickle(b byte) error {
	for {
		if err := v.write([]byte{b}); err != nil {
			return err
		}
		if !v.attack.stays(trickle) {
			return v.attack.ctx.Err()
		}
	}
}

func headersWithoutEnd(v *visit) error {
	if err := v.dial(); err != nil {
		return err
	}
	if err := v.write([]byte("GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nX: ")); err != nil {
		return err
	}
	_ = v.trickle('x') // ends when the server has closed the connection
	return v.gone()
}

func payloadWithoutEnd(v *visit) error {
	if err := v.write(header(ws.OpText, maxPayload)); err != nil {
		return err
	}
	return v.trickle('x')
}

// doesNotRead has the server send a lot, until it has had enough of it.
func doesNotRead(v *visit) error {
	if err := v.conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		return err
	}
	if err := v.write(masked(ws.OpText, `42["move","busy"]`)); err != nil {
		return err
	}
	for { // a write says that the connection is gone, which a read would say only after all that was sent
		if !v.attack.stays(trickle) {
			return v.attack.ctx.Err()
		}
		if err := v.write(masked(ws.OpText, "3")); err != nil {
			return err
		}
	}
}

func manyNamespaces(v *visit) error {
	for i := range 1000 {
		if err := v.write(masked(ws.OpText, fmt.Sprintf("40/many-%d,", i))); err != nil {
			return err
		}
	}
	return nil
}

// comesAndGoes is no misbehaviour in the eyes of the server: it has nothing to end.
func comesAndGoes(v *visit) error {
	if err := v.open(); err != nil {
		return err
	}
	return v.write(masked(ws.OpText, "40"))
}

// polls is a way over polling, after the handshake, with the URL of the session.
func polls(do func(v *visit, url string) error) func(*visit) error {
	return func(v *visit) error {
		if err := v.dial(); err != nil {
			return err
		}
		request := "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
		if err := v.write([]byte(request)); err != nil {
			return err
		}
		answer, err := io.ReadAll(v.conn)
		if err != nil {
			return err
		}
		_, sid, found := bytes.Cut(answer, []byte(`"sid":"`))
		if !found || len(sid) < 20 {
			return fmt.Errorf("the answer is %.30q", answer)
		}
		return do(v, "/socket.io/?EIO=4&transport=polling&sid="+string(sid[:20]))
	}
}

// request sends a request over a connection of its own, which is there already.
func (v *visit) request(method, url, contentType, body string) error {
	return v.write(fmt.Appendf(nil,
		"%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
		method, url, contentType, len(body), body))
}

var errAnswered = errors.New("the server has answered")

// refused reads the answer to a request: nil if it was refused as a bad one, errAnswered if it was not refused.
func (v *visit) refused() error {
	answer, err := io.ReadAll(v.conn)
	switch {
	case err != nil:
		return err
	case bytes.HasPrefix(answer, []byte("HTTP/1.1 200")):
		return errAnswered
	case !bytes.Contains(answer, []byte(`"code":3`)):
		return fmt.Errorf("the answer is %.30q", answer)
	default:
		return nil
	}
}

func upgradeWithoutEnd(v *visit, url string) error {
	if err := v.dial(); err != nil {
		return err
	}
	err := v.handshake("GET " + strings.Replace(url, "polling", "websocket", 1) + " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n" +
		"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	if err != nil {
		return err
	}
	if err := v.write(masked(ws.OpText, "2probe")); err != nil {
		return err
	}
	return v.gone()
}

// bomb is a small frame that inflates to ten times what the server takes.
func bomb() []byte {
	var small bytes.Buffer
	w, _ := flate.NewWriter(&small, flate.BestCompression) // the level is one that there is
	_, _ = w.Write(append([]byte("4"), make([]byte, 10*maxPayload)...))
	_ = w.Flush()
	frame := ws.NewFrame(ws.OpText, true, bytes.TrimSuffix(small.Bytes(), []byte{0, 0, 0xff, 0xff}))
	frame.Header.Rsv = ws.Rsv(true, false, false)
	return ws.MustCompileFrame(ws.MaskFrame(frame))
}

// twoPolls polls twice at once, until there is nothing any more for which the server could answer the first before it has the
// second.
func twoPolls(v *visit, url string) error {
	for {
		other := &visit{attack: v.attack}
		v.closes = append(v.closes, other.leave)
		for _, poll := range []*visit{v, other} {
			if err := poll.dial(); err != nil {
				return err
			}
		}
		for _, poll := range []*visit{v, other} {
			if err := poll.request(http.MethodGet, url, "", ""); err != nil {
				return err
			}
		}
		one, two := v.refused(), other.refused()
		if one == nil || two == nil {
			return nil // whichever came second was the one too many
		}
		if !errors.Is(one, errAnswered) || !errors.Is(two, errAnswered) {
			return errors.Join(one, two)
		}
	}
}

func wrongPost(v *visit, url string) error {
	if err := v.dial(); err != nil {
		return err
	}
	if err := v.request(http.MethodPost, url, "application/octet-stream", "4"); err != nil {
		return err
	}
	return v.refused()
}
