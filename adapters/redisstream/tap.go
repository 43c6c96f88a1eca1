package redisstream

import (
	"bytes"
	"context"
	"net"
	"slices"
	"syscall"

	"github.com/redis/go-redis/v9"
)

// tap is a socket that keeps the answer to XREAD, and hands go-redis a plain OK in its place. Everything else passes:
// other commands, errors, deadlines. So connections, rights and time-outs stay go-redis' affair, while the entries,
// which are nearly all that is ever read, are taken out of one buffer that is used again and again: go-redis would
// make a map of each entry, with two allocations a field, or one growing buffer for each answer.
//
// What a publisher writes goes the same way (see [connection.exchange]): go-redis sends a short command, and the tap
// what that stands for.
type tap struct {
	net.Conn
	cargo *cargo
	// armed says that what was sent has an answer to keep, which is still to come; left how many answers that is.
	armed bool
	left  int
	// refusable says that an error in the place of the answer is go-redis' to read.
	refusable bool
	// buffer holds what was read since XREAD was sent, its first kept bytes the answer. What stands between given and
	// its end go-redis has still to get, after what is left of instead.
	buffer      []byte
	kept, given int
	instead     string
}

const (
	// tapped is how go-redis writes the beginning of a reader's XREAD.
	tapped = "*8\r\n$5\r\nxread\r\n"
	// carried is the command that stands for a cargo, and how go-redis writes it. A server that ever saw it would
	// refuse it.
	carrier = "roombus:cargo"
	carried = "*1\r\n$13\r\nroombus:cargo\r\n"
	// minTapRead is how much a read asks the socket for, maxTapBuffer how much memory is kept from answer to answer.
	minTapRead, maxTapBuffer = 16 << 10, 4 << 20
)

type dialer = func(ctx context.Context, network, addr string) (net.Conn, error)

// tapping makes a dialer whose sockets have a tap; the answer of the last one is for the connection's reader.
func (c *connection) tapping(dial dialer) dialer {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		socket, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		t := &tap{Conn: socket, cargo: &c.cargo}
		c.mu.Lock()
		c.tap = t
		c.mu.Unlock()
		if system, ok := socket.(syscall.Conn); ok { // go-redis looks through it whether the socket is still good
			return systemTap{t, system}, nil
		}
		return t, nil
	}
}

type systemTap struct {
	*tap
	syscall.Conn
}

// cargo is what a connection sends past go-redis: whole commands, and how many.
type cargo struct {
	request []byte
	answers int
}

// exchange sends commands past go-redis, and returns the answers to them, errors included. They are the connection's
// again with the next exchange. An error is that of the connection: nothing of the answers is known then.
func (c *connection) exchange(ctx context.Context, request []byte, answers int) ([]byte, error) {
	c.cargo = cargo{request, answers}
	defer func() { c.cargo = cargo{} }()
	if err := c.client.Process(ctx, redis.NewStatusCmd(ctx, carrier)); err != nil {
		return nil, err
	}
	return c.answer(), nil
}

// answer is what came in answer to the last XREAD. It is the connection's again with the next one.
func (c *connection) answer() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tap.buffer[:c.tap.kept]
}

// Write arms the tap when it sends XREAD, or a cargo.
func (t *tap) Write(p []byte) (int, error) {
	switch {
	case bytes.HasPrefix(p, []byte(tapped)):
		t.arm(1, true)
	case string(p) == carried && t.cargo.answers > 0:
		t.arm(t.cargo.answers, false)
		if _, err := t.Conn.Write(t.cargo.request); err != nil {
			return 0, err
		}
		return len(p), nil
	}
	return t.Conn.Write(p)
}

func (t *tap) arm(answers int, refusable bool) {
	if cap(t.buffer) > maxTapBuffer {
		t.buffer = nil
	}
	t.armed, t.left, t.refusable = true, answers, refusable
	t.buffer, t.kept, t.given, t.instead = t.buffer[:0], 0, 0, ""
}

// Read keeps the answer that is waited for, and hands over the rest.
func (t *tap) Read(p []byte) (int, error) {
	if t.armed {
		if err := t.keep(); err != nil {
			return 0, err
		}
		t.armed = false
	}
	if n := copy(p, t.instead); n > 0 {
		t.instead = t.instead[n:]
		return n, nil
	}
	if n := copy(p, t.buffer[t.given:]); n > 0 {
		t.given += n
		return n, nil
	}
	return t.Conn.Read(p)
}

// keep reads until the whole answer is there. An error in its place is not kept: it is for go-redis.
func (t *tap) keep() error {
	scan := frame{left: t.left}
	for {
		if t.refusable && len(t.buffer) > 0 && (t.buffer[0] == '-' || t.buffer[0] == '!') {
			return nil
		}
		whole, err := scan.scan(t.buffer)
		if err != nil {
			return err
		}
		if whole {
			t.kept, t.given, t.instead = scan.at, scan.at, "+OK\r\n"
			return nil
		}
		t.buffer = slices.Grow(t.buffer, minTapRead)
		n, err := t.Conn.Read(t.buffer[len(t.buffer):cap(t.buffer)])
		t.buffer = t.buffer[:len(t.buffer)+n]
		if n == 0 && err != nil {
			return err
		}
	}
}

// frame finds the end of an answer while it comes in.
type frame struct {
	at   int // where the next line begins, or will
	left int // how many values have still to begin
}

// scan goes on where it stopped. It reports true when data holds the whole answer, which ends at at.
func (f *frame) scan(data []byte) (bool, error) {
	for f.left > 0 {
		if f.at >= len(data) {
			return false, nil
		}
		if n, at, ok := bulkHead(data[f.at:]); ok {
			f.at += at + n + 2
			f.left--
			continue
		}
		end := bytes.IndexByte(data[f.at:], '\n')
		if end < 0 {
			return false, nil
		}
		if err := f.line(data[f.at : f.at+end]); err != nil {
			return false, err
		}
	}
	return f.at <= len(data), nil
}

// line counts what a line announces; its line feed is cut off.
func (f *frame) line(line []byte) error {
	f.at += len(line) + 1
	f.left--
	if len(line) < 2 || line[len(line)-1] != '\r' {
		return errReply
	}
	kind, size := line[0], line[1:len(line)-1]
	switch kind {
	case '+', '-', ':', '_', ',', '#', '(':
		return nil
	case '$', '=', '!', '*', '~', '%':
	default:
		return errReply
	}
	if string(size) == "-1" {
		return nil
	}
	n, err := length(size)
	if err != nil {
		return err
	}
	switch kind {
	case '*', '~':
		f.left += n
	case '%':
		f.left += 2 * n
	default:
		f.at += n + len("\r\n")
	}
	return nil
}
