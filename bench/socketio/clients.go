package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/roombus/roombus/bench/lab"
)

// connect is the clients' process. It answers "connect n" when so many clients are
// connected to the default namespace, "received k" when k events have come in;
// after "watch" it notes how long events took, which "times" asks for;
// "admin" connects an Admin UI; "handshakes n", "echo n" and "say n" are answered by the µs that they took.
func connect(address string) error {
	c := crowd{address: address, changed: make(chan struct{}, 1)}
	return lab.Obey("ready", c.answer)
}

// crowd is the clients.
type crowd struct {
	address  string
	received atomic.Int64
	// changed tells that received has passed another hundred.
	changed chan struct{}

	watching atomic.Bool
	mu       sync.Mutex
	times    []int64 // µs
}

func (c *crowd) answer(question string) (string, error) {
	var n int
	switch {
	case lab.Matches(question, "connect %d", &n):
		return "ok", atOnce(n, func() error {
			conn, r, err := c.dial()
			if err == nil {
				go c.count(conn, r) // ends with the process
			}
			return err
		})
	case lab.Matches(question, "received %d", &n):
		for c.received.Load() < int64(n) {
			<-c.changed
		}
		return "ok", nil
	case question == "admin":
		conn, r, err := c.dial()
		if err == nil {
			err = wsutil.WriteClientText(conn, []byte("40/admin,"))
			go c.count(conn, r) // ends with the process
		}
		return "ok", err
	case question == "watch":
		c.watching.Store(true)
		return "ok", nil
	case question == "times":
		c.mu.Lock()
		defer c.mu.Unlock()
		slices.Sort(c.times)
		return fmt.Sprint(c.times[len(c.times)/2], c.times[len(c.times)*99/100]), nil
	case lab.Matches(question, "handshakes %d", &n):
		return taken(func() error { return atOnce(n, c.shake) })
	case lab.Matches(question, "echo %d", &n):
		return c.echo(n)
	case lab.Matches(question, "say %d", &n):
		return c.say(n)
	default:
		return "", fmt.Errorf("unknown question %q", question)
	}
}

// taken returns how long f takes, in µs.
func taken(f func() error) (string, error) {
	began := time.Now()
	err := f()
	return strconv.FormatInt(time.Since(began).Microseconds(), 10), err
}

// atOnce does something n times, 50 at a time.
func atOnce(n int, do func() error) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	slots := make(chan struct{}, 50)
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			errs[i] = do()
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// browser is what a browser says of itself besides what a WebSocket needs.
var browser = http.Header{
	"Origin":          {"http://localhost:3000"},
	"Pragma":          {"no-cache"},
	"Cache-Control":   {"no-cache"},
	"Accept-Encoding": {"gzip, deflate, br, zstd"},
	"Accept-Language": {"en-US,en;q=0.9"},
	"User-Agent":      {"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"},
}

// dial connects one client and waits until it is in the namespace.
func (c *crowd) dial() (net.Conn, *bufio.Reader, error) {
	dialer := ws.Dialer{Header: ws.HandshakeHeaderHTTP(browser)}
	conn, r, _, err := dialer.Dial(context.Background(), "ws://"+c.address+"/socket.io/?EIO=4&transport=websocket")
	if err != nil {
		return nil, nil, err
	}
	if r == nil {
		r = bufio.NewReaderSize(conn, 4096)
	}
	if err := wsutil.WriteClientText(conn, []byte("40")); err != nil {
		return nil, nil, err
	}
	for range 2 { // the open packet, and the answer to CONNECT
		if err := skip(r); err != nil {
			return nil, nil, err
		}
	}
	return conn, r, nil
}

// skip reads over one frame.
func skip(r *bufio.Reader) error {
	h, err := ws.ReadHeader(r)
	if err != nil {
		return err
	}
	_, err = r.Discard(int(h.Length))
	return err
}

// shake connects a client and closes the connection.
func (c *crowd) shake() error {
	conn, _, err := c.dial()
	if err != nil {
		return err
	}
	return conn.Close()
}

// echoClients is how many clients send events that are acknowledged.
const echoClients = 100

// echo has 100 clients send n events together, each the next one when the last was acknowledged. They are as cheap as can be, the
// frame made and its answer's length known before: what they use of the machine the server does not get.
func (c *crowd) echo(n int) (string, error) {
	question := ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte(`420["echo","how are you?"]`))))
	answer := len(ws.MustCompileFrame(ws.NewTextFrame([]byte(`430["how are you?"]`))))
	return c.together(func(_ int, conn net.Conn, _ *bufio.Reader) (func() error, error) {
		return func() error { return ask(conn, question, answer, n/echoClients) }, nil
	})
}

// roomClients is how many of them are in a room together.
const roomClients = 10

// say has them send n messages together, each to the others of a room, and each the next one when the last was
// acknowledged.
func (c *crowd) say(n int) (string, error) {
	return c.together(func(i int, conn net.Conn, r *bufio.Reader) (func() error, error) {
		room := fmt.Sprint("room-", i/roomClients)
		if err := until(conn, r, fmt.Sprintf(`420["sit",%q]`, room), "430"); err != nil {
			return nil, err
		}
		message := fmt.Sprintf(`420["say",{"room":%q,"text":"how are you?"}]`, room)
		return func() error {
			for range n / echoClients {
				if err := until(conn, r, message, "430"); err != nil {
					return err
				}
			}
			// The others' messages still come: a reader that has gone would be one that is slow.
			go func() {
				for skip(r) == nil {
				}
			}()
			return nil
		}, nil
	})
}

// until sends a message, and reads until one comes that begins with the given text.
func until(conn net.Conn, r *bufio.Reader, message, begin string) error {
	if err := wsutil.WriteClientText(conn, []byte(message)); err != nil {
		return err
	}
	for {
		h, err := ws.ReadHeader(r)
		if err != nil {
			return err
		}
		head, err := r.Peek(min(len(begin), int(h.Length)))
		if err != nil {
			return err
		}
		found := string(head) == begin
		if _, err := r.Discard(int(h.Length)); err != nil || found {
			return err
		}
	}
}

// together connects 100 clients, prepares each, and returns how long it takes in µs to do what they then do at the same
// time.
func (c *crowd) together(prepare func(i int, conn net.Conn, r *bufio.Reader) (func() error, error)) (string, error) {
	all := make([]net.Conn, echoClients)
	defer func() {
		for _, conn := range all {
			if conn != nil {
				_ = conn.Close() // it has done its work
			}
		}
	}()
	do := make([]func() error, len(all))
	for i := range all {
		conn, r, err := c.dial()
		if err != nil {
			return "", err
		}
		all[i] = conn
		if do[i], err = prepare(i, conn, r); err != nil {
			return "", err
		}
	}
	return taken(func() error {
		errs := make(chan error, len(all))
		for _, do := range do {
			go func() { errs <- do() }()
		}
		for range all {
			if err := <-errs; err != nil {
				return err
			}
		}
		return nil
	})
}

// ask asks n times. Nothing else comes over the connection.
func ask(conn net.Conn, question []byte, answer, n int) error {
	back := make([]byte, answer)
	for range n {
		if _, err := conn.Write(question); err != nil {
			return err
		}
		if _, err := io.ReadFull(conn, back); err != nil {
			return err
		}
	}
	return nil
}

// count counts events, and reads over everything else.
func (c *crowd) count(conn net.Conn, r *bufio.Reader) {
	defer conn.Close()
	var event [eventLength]byte
	for {
		h, err := ws.ReadHeader(r)
		if err != nil {
			return
		}
		if h.Length != eventLength {
			if _, err := r.Discard(int(h.Length)); err != nil {
				return
			}
			continue
		}
		if _, err := io.ReadFull(r, event[:]); err != nil {
			return
		}
		if c.watching.Load() {
			c.note(event[stampAt : stampAt+stampLength])
		}
		if c.received.Add(1)%100 == 0 {
			select {
			case c.changed <- struct{}{}:
			default:
			}
		}
	}
}

// note notes how long an event took that was emitted at a time.
func (c *crowd) note(stamp []byte) {
	nowMicro := time.Now().UnixMicro()
	at, err := strconv.ParseInt(string(stamp), 10, 64)
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.times = append(c.times, nowMicro-at)
}
