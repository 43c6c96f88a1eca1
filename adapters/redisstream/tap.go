package redisstream

import (
	"bytes"
	"context"
	"net"
	"slices"
	"syscall"
)

// tap is a socket that keeps the answer to XREAD, and hands go-redis a plain OK in its place. Everything else passes:
// other commands, errors, deadlines. So connections, rights and time-outs stay go-redis' affair, while the entries,
// which are nearly all that is ever read, are taken out of one buffer that is used again and again: go-redis would
// make a map of each entry, with two allocations a field, or one growing buffer for each answer.
type tap struct {
	net.Conn
	// armed says that XREAD was sent and its answer is still to come.
	armed bool
	// buffer holds what was read since XREAD was sent, its first kept bytes the answer. What stands between given and
	// its end go-redis has still to get, after what is left of instead.
	buffer      []byte
	kept, given int
	instead     string
}

const (
	// tapped is how go-redis writes the beginning of a reader's XREAD.
	tapped = "*8\r\n$5\r\nxread\r\n"
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
		t := &tap{Conn: socket}
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

// answer is what came in answer to the last XREAD. It is the connection's again with the next one.
func (c *connection) answer() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tap.buffer[:c.tap.kept]
}

// Write arms the tap when it sends XREAD.
func (t *tap) Write(p []byte) (int, error) {
	if bytes.HasPrefix(p, []byte(tapped)) {
		if cap(t.buffer) > maxTapBuffer {
			t.buffer = nil
		}
		t.armed, t.buffer, t.kept, t.given, t.instead = true, t.buffer[:0], 0, 0, ""
	}
	return t.Conn.Write(p)
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

// keep reads until the whole answer is there. An error is not kept: it is for go-redis.
func (t *tap) keep() error {
	scan := frame{left: 1}
	for {
		if len(t.buffer) > 0 && (t.buffer[0] == '-' || t.buffer[0] == '!') {
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
