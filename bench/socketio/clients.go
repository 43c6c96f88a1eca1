package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// connect is the clients' process. It answers "connect n" when so many clients are
// connected to the default namespace, "received k" when k events have come in;
// after "watch" it notes how long events took, which "times" asks for;
// "admin" connects an Admin UI; "handshakes n" and "echo n" are answered by the µs that they took.
func connect(address string) error {
	c := crowd{address: address, changed: make(chan struct{}, 1)}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		answer, err := c.answer(in.Text())
		if err != nil {
			return err
		}
		fmt.Println(answer)
	}
	return in.Err()
}

func scans(line, format string, values ...any) bool {
	_, err := fmt.Sscanf(line, format, values...)
	return err == nil
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
	case scans(question, "connect %d", &n):
		return "ok", atOnce(n, func() error {
			conn, r, err := c.dial()
			if err == nil {
				go c.count(conn, r) // ends with the process
			}
			return err
		})
	case scans(question, "received %d", &n):
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
	case scans(question, "handshakes %d", &n):
		return taken(func() error { return atOnce(n, c.shake) })
	case scans(question, "echo %d", &n):
		return c.echo(n)
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
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
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

// echo has 100 clients send n events together, each the next one when the last was
// acknowledged.
func (c *crowd) echo(n int) (string, error) {
	const clients = 100
	type client struct {
		conn net.Conn
		r    *bufio.Reader
	}
	all := make([]client, clients)
	defer func() {
		for _, one := range all {
			if one.conn != nil {
				_ = one.conn.Close() // it has done its work
			}
		}
	}()
	for i := range all {
		var err error
		if all[i].conn, all[i].r, err = c.dial(); err != nil {
			return "", err
		}
	}
	return taken(func() error {
		errs := make(chan error, clients)
		for _, one := range all {
			go func() {
				for range n / clients {
					err := wsutil.WriteClientText(one.conn, []byte(`420["echo","how are you?"]`))
					if err == nil {
						err = skip(one.r)
					}
					if err != nil {
						errs <- err
						return
					}
				}
				errs <- nil
			}()
		}
		for range clients {
			if err := <-errs; err != nil {
				return err
			}
		}
		return nil
	})
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
