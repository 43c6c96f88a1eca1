package redisstream

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
)

const xinfoAnswer = "%1\r\n$6\r\nlength\r\n:1\r\n"

// throughTap sends a command through a tap to a server that answers in pieces of a size, and returns what go-redis would
// read, and what was kept.
func throughTap(t *testing.T, command, answer string, piece int) (read, kept string) {
	t.Helper()
	near, far := net.Pipe()
	defer near.Close()
	server := make(chan error, 1)
	go func() {
		defer far.Close()
		if _, err := io.ReadFull(far, make([]byte, len(command))); err != nil {
			server <- err
			return
		}
		for rest := answer; rest != ""; {
			n := min(piece, len(rest))
			if _, err := io.WriteString(far, rest[:n]); err != nil {
				server <- err
				return
			}
			rest = rest[n:]
		}
		server <- nil
	}()
	c := &tap{Conn: near, cargo: &cargo{}}
	if _, err := io.WriteString(c, command); err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(bufio.NewReaderSize(c, 16))
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	if err := <-server; err != nil {
		t.Fatalf("server: %v", err)
	}
	return string(all), string(c.buffer[:c.kept])
}

func TestTapKeepsEntriesAlone(t *testing.T) {
	const xread = tapped + "…"
	entries := answerOf(true, []string{"1-1", "data", strings.Repeat("x", 40_000)}, []string{"1-2", "a", "\r\n$9\r\n"})
	for _, c := range []struct{ title, command, answer, kept, read string }{
		{"entries", xread, entries, entries, "+OK\r\n"},
		{"entries, and what else was asked", xread, entries + xinfoAnswer, entries, "+OK\r\n" + xinfoAnswer},
		{"as RESP2 has it", xread, answerOf(false, []string{"1-1", "a", "b"}),
			answerOf(false, []string{"1-1", "a", "b"}), "+OK\r\n"},
		{"nothing came", xread, "*-1\r\n", "*-1\r\n", "+OK\r\n"},
		{"nothing came, as RESP3 has it", xread, "_\r\n", "_\r\n", "+OK\r\n"},
		{"an error", xread, "-NOPERM no\r\n" + xinfoAnswer, "", "-NOPERM no\r\n" + xinfoAnswer},
		{"a long error", xread, "!9\r\nNOPERM no\r\n", "", "!9\r\nNOPERM no\r\n"},
		{"another command", "*1\r\n$4\r\nping\r\n", "+PONG\r\n", "", "+PONG\r\n"},
	} {
		for _, piece := range []int{1, 7, 1 << 20} {
			if piece == 1 && len(c.answer) > 1000 {
				continue // the same as with seven, and slower
			}
			read, kept := throughTap(t, c.command, c.answer, piece)
			if read != c.read || kept != c.kept {
				t.Errorf("%s, in pieces of %d: go-redis reads %.80q, want %.80q; kept %.80q, want %.80q",
					c.title, piece, read, c.read, kept, c.kept)
			}
		}
	}
}

// TestTapCarriesCargo: what a publisher sends goes in the place of a short command, and its answers stay with the tap.
func TestTapCarriesCargo(t *testing.T) {
	const request, answers = "*1\r\n$5\r\nmulti\r\n*1\r\n$4\r\nexec\r\n", "-ERR no\r\n*1\r\n$3\r\n1-1\r\n"
	for _, piece := range []int{1, 7, 1 << 20} {
		near, far := net.Pipe()
		served := make(chan error, 1)
		go func() {
			defer far.Close()
			got := make([]byte, len(request))
			if _, err := io.ReadFull(far, got); err != nil || string(got) != request {
				served <- fmt.Errorf("the server read %q: %w", got, err)
				return
			}
			for rest := answers; rest != ""; {
				n := min(piece, len(rest))
				if _, err := io.WriteString(far, rest[:n]); err != nil {
					served <- err
					return
				}
				rest = rest[n:]
			}
			served <- nil
		}()
		c := &tap{Conn: near, cargo: &cargo{[]byte(request), 2}}
		if n, err := io.WriteString(c, carried); err != nil || n != len(carried) {
			t.Fatalf("wrote %d bytes: %v", n, err)
		}
		read, err := io.ReadAll(c)
		if err != nil || string(read) != "+OK\r\n" {
			t.Errorf("in pieces of %d: go-redis reads %q, %v", piece, read, err)
		}
		if got := string(c.buffer[:c.kept]); got != answers {
			t.Errorf("in pieces of %d: kept %q, want %q", piece, got, answers)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
		near.Close()
	}
}

func TestTapGoesOnWithTheNextAnswer(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	c := &tap{Conn: near, cargo: &cargo{}}
	served := make(chan error, 1)
	go func() {
		defer far.Close()
		for _, answer := range []string{answerOf(true, []string{"1-1", "long", "entry"}), "_\r\n"} {
			if _, err := io.ReadFull(far, make([]byte, len(tapped))); err != nil {
				served <- err
				return
			}
			if _, err := io.WriteString(far, answer); err != nil {
				served <- err
				return
			}
		}
		served <- nil
	}()
	for _, want := range []int{1, 0} {
		if _, err := io.WriteString(c, tapped); err != nil {
			t.Fatal(err)
		}
		ok := make([]byte, len("+OK\r\n"))
		if _, err := io.ReadFull(c, ok); err != nil || string(ok) != "+OK\r\n" {
			t.Fatalf("go-redis reads %q, %v", ok, err)
		}
		var b batch
		if err := b.read(c.buffer[:c.kept]); err != nil || len(b.ids) != want {
			t.Errorf("kept %q: %v with %d entries, want %d", c.buffer[:c.kept], err, len(b.ids), want)
		}
	}
	if err := <-served; err != nil {
		t.Fatal(err)
	}
}

func TestTapRefusesWhatIsNoAnswer(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	c := &tap{Conn: near, cargo: &cargo{}}
	served := make(chan error, 1)
	go func() {
		_, err := io.ReadFull(far, make([]byte, len(tapped)))
		if err == nil {
			_, err = io.WriteString(far, "HTTP/1.1 400 Bad Request\r\n")
		}
		served <- err
	}()
	if _, err := io.WriteString(c, tapped); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 100)); !errors.Is(err, errReply) {
		t.Errorf("read with %v, want %v", err, errReply)
	}
	if err := <-served; err != nil {
		t.Fatal(err)
	}
}
