package hostile

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gobwas/ws"
)

const (
	goodClients = 50
	// thinkTime is from an answer to a client's next question.
	thinkTime = 20 * time.Millisecond
)

// window is how long the latencies are put together of which one p99 is taken: a hiccup of the machine spoils one or two.
const window = 250 * time.Millisecond

// report is how the good clients fared since the report before.
type report struct {
	Answers int
	// Fewest is how many answers the client got that got the fewest.
	Fewest int
	// P50 and P99 are how long answers took, in microseconds: the medians of those of each window. Plain is the p99 of the
	// plain server's.
	P50, P99, Plain float64
	// Lost is how many clients have lost their connection.
	Lost int
}

// good is a client that asks and waits for the answer, again and again.
type good struct {
	mu      sync.Mutex
	answers []answer
	lost    error
}

// answer is when one came and how long it took.
type answer struct {
	at   time.Time
	took time.Duration
}

// beGood is the process of the good clients: it answers "report". As many ask the plain server, for comparison.
func beGood(address, plain string) error {
	clients, others := make([]*good, goodClients), make([]*good, goodClients)
	for i := range clients {
		c, err := dial(address)
		if err != nil {
			return err
		}
		if err := c.join(); err != nil {
			return err
		}
		conn, err := new(net.Dialer).DialContext(context.Background(), "tcp", plain)
		if err != nil {
			return err
		}
		clients[i], others[i] = &good{}, &good{}
		go clients[i].live(c.ask) // these end with the process
		go others[i].live(askPlainly(conn))
	}
	return obey(func(order string) (any, error) {
		if order != "report" {
			return nil, fmt.Errorf("unknown order %q", order)
		}
		r := sum(clients)
		r.Plain = sum(others).P99
		return r, nil
	})
}

// live asks and waits until the connection is lost.
func (g *good) live(ask func() error) {
	for {
		asked := time.Now()
		err := ask()
		g.mu.Lock()
		g.lost = err
		g.answers = append(g.answers, answer{time.Now(), time.Since(asked)})
		g.mu.Unlock()
		if err != nil {
			return
		}
		pass(thinkTime)
	}
}

var question = masked(ws.OpText, `420["echo","how are you?"]`)

// client is the least that speaks Engine.IO over a WebSocket.
type client struct {
	conn net.Conn
	r    *bufio.Reader
}

// ask sends an event and waits for its acknowledgement.
func (c *client) ask() error {
	_, err := c.conn.Write(question)
	for text := ""; err == nil && !strings.HasPrefix(text, "43"); {
		if text, err = c.read(); text == "2" {
			_, err = c.conn.Write(masked(ws.OpText, "3"))
		}
	}
	return err
}

// askPlainly asks the plain server.
func askPlainly(conn net.Conn) func() error {
	back := make([]byte, len(question))
	return func() error {
		if _, err := conn.Write(question); err != nil {
			return err
		}
		_, err := io.ReadFull(conn, back)
		return err
	}
}

// bePlain is the process of a server that sends back what it gets, and does nothing else. How much longer its answers take while the
// bad clients are about is what the machine has to do with it: they, and what they make the server do, take processors.
// It answers "address".
func bePlain() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() { // ends with the process
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(struct{ io.Writer }{conn}, struct{ io.Reader }{conn}) }()
		}
	}()
	return obey(func(string) (any, error) { return listener.Addr().String(), nil })
}

func sum(all []*good) report {
	r := report{Fewest: math.MaxInt}
	windows := make(map[int64][]float64)
	for _, g := range all {
		g.mu.Lock()
		for _, a := range g.answers {
			of := a.at.UnixNano() / int64(window)
			windows[of] = append(windows[of], float64(a.took.Microseconds()))
		}
		r.Answers += len(g.answers)
		r.Fewest = min(r.Fewest, len(g.answers))
		g.answers = nil
		if g.lost != nil {
			r.Lost++
		}
		g.mu.Unlock()
	}
	var p50s, p99s []float64
	for _, times := range windows {
		slices.Sort(times)
		p50s, p99s = append(p50s, times[len(times)/2]), append(p99s, times[len(times)*99/100])
	}
	r.P50, r.P99 = median(p50s), median(p99s)
	return r
}

// median of nothing is 0.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// dial makes a WebSocket.
func dial(address string) (*client, error) {
	dialer := ws.Dialer{Timeout: patience}
	conn, r, _, err := dialer.Dial(context.Background(), "ws://"+address+"/socket.io/?EIO=4&transport=websocket")
	if err != nil {
		return nil, err
	}
	if r == nil {
		r = bufio.NewReader(conn)
	}
	return &client{conn, r}, nil
}

// join connects to the default namespace.
func (c *client) join() error {
	if _, err := c.conn.Write(masked(ws.OpText, "40")); err != nil {
		return err
	}
	for text := ""; !strings.HasPrefix(text, "40"); {
		var err error
		if text, err = c.read(); err != nil {
			return fmt.Errorf("join: %w", err)
		}
	}
	return nil
}

// read returns the next message.
func (c *client) read() (string, error) {
	h, err := ws.ReadHeader(c.r)
	if err != nil {
		return "", err
	}
	text := make([]byte, h.Length)
	if _, err := io.ReadFull(c.r, text); err != nil {
		return "", err
	}
	if h.OpCode == ws.OpClose {
		return "", net.ErrClosed
	}
	return string(text), nil
}

// masked is a client's frame.
func masked(op ws.OpCode, payload string) []byte {
	return ws.MustCompileFrame(ws.MaskFrame(ws.NewFrame(op, true, []byte(payload))))
}
