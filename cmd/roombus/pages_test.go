package main

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/roombus/roombus/internal/testkit/need"
	"github.com/roombus/roombus/internal/testkit/nodejs"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

var update = flag.Bool("update", false, "write what the commands of the pages print into the pages")

// The pages are played: their commands run in one shell, in order, and each must print what the page says that it does.
//
// A page is read for blocks of commands (```sh), what they print (```text right behind, normalized before it is
// compared), and remarks that browsers do not show: `client NAME PORT ROOM` is somebody who opens the page of that node
// and joins a room, `received NAME: BODY, BODY` what he has got so far, and `again` says that the next block waits for
// something, and may be run until it prints what it should.
func TestThePagesSayWhatHappens(t *testing.T) {
	for _, page := range []string{"where-did-my-message-go.md", "tools.md"} {
		t.Run(page, func(t *testing.T) { play(t, filepath.Join("..", "..", "docs", page)) })
	}
}

// player plays a page.
type player struct {
	t       *testing.T
	shell   *shell
	clients *nodejs.Clients
	people  map[string]*nodejs.Client
	replace *strings.Replacer // what the page says, for what there is
	restore *strings.Replacer // and back
	ports   map[string]int
}

func play(t *testing.T, file string) {
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	redis := realredis.Start(t)
	p := &player{t: t, clients: nodejs.StartClients(t), people: make(map[string]*nodejs.Client), ports: make(map[string]int)}
	there := []string{"localhost:6379", redis.Addr()}
	for _, port := range []string{"3001", "3002"} {
		p.ports[port] = freePort(t)
		there = append(there, ":"+port, ":"+strconv.Itoa(p.ports[port]))
	}
	p.replace = strings.NewReplacer(there...)
	slices.Reverse(there)
	p.restore = strings.NewReplacer(there...)
	p.shell = startShell(t)
	played := p.play(string(source))
	if *update {
		if err := os.WriteFile(file, []byte(played), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// part is a block of a page, or a remark.
var part = regexp.MustCompile("(?s)<!-- (.*?) -->|```sh\n(.*?)```(?:\n\n```text\n(.*?)```)?")

// play plays the page and returns it with what was printed now.
func (p *player) play(source string) string {
	var out strings.Builder
	again, done, blocks := false, 0, 0
	for _, m := range part.FindAllStringSubmatchIndex(source, -1) {
		text := func(group int) string {
			if m[2*group] < 0 {
				return ""
			}
			return source[m[2*group]:m[2*group+1]]
		}
		switch remark := text(1); {
		case remark == "again":
			again = true
			continue
		case remark != "":
			p.remark(remark)
			continue
		}
		blocks++
		printed := p.block(text(2), text(3), again, m[6] >= 0)
		again = false
		if m[6] >= 0 {
			out.WriteString(source[done:m[6]] + printed)
			done = m[7]
		}
	}
	if blocks < 5 {
		p.t.Fatalf("the page has %d blocks of commands; how are they written now?", blocks)
	}
	return out.String() + source[done:]
}

// block runs commands and compares what they print.
func (p *player) block(commands, want string, again, compare bool) (printed string) {
	p.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		printed = p.restore.Replace(p.shell.run(p.replace.Replace(commands)))
		switch settled := time.Until(deadline) < patience-3*time.Second; {
		case !compare, *update && (!again || settled), !*update && standard(printed) == standard(want):
			return printed
		case !again || time.Now().After(deadline):
			p.t.Fatalf("%s\nprints\n%s\nand the page says\n%s", commands, standard(printed), standard(want))
		}
	}
}

// remark does what a person does whom the page tells of.
func (p *player) remark(remark string) {
	p.t.Helper()
	words := strings.Fields(remark)
	switch words[0] {
	case "client":
		port := p.ports[words[2]]
		waitListens(p.t, port)
		c := p.clients.Connect(words[1], "http://127.0.0.1:"+strconv.Itoa(port), nodejs.ConnectOptions{})
		join(p.t, c, words[3])
		p.people[words[1]] = c
	case "received":
		name, bodies, _ := strings.Cut(strings.TrimPrefix(remark, "received "), ":")
		want := strings.Split(strings.TrimSpace(bodies), ", ")
		var got []string
		for range want {
			got = append(got, received(p.t, p.people[name]).Body)
		}
		if !slices.Equal(got, want) {
			p.t.Errorf("%s has received %q, and the page says %q", name, got, want)
		}
	}
}

// standard is an output without what is different in every run.
func standard(output string) string {
	for _, n := range slices.Concat([]replacement{{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`), "TIME"}}, normal, []replacement{
		{regexp.MustCompile(`[█|]|\+?[\d.]+(ms|s)\b|\+\d+ms`), ""}, // how long it took, and how that is drawn
		{regexp.MustCompile(`\b\d+m\d\ds\b|\b\d+s( ago)?\b`), ""},
		{regexp.MustCompile(`\d\d:\d\d:\d\d`), "TIME"},
		{regexp.MustCompile(`\(devel\)( \w+)?|\bv\d+\.\S+`), "VERSION"},
		{regexp.MustCompile(`\d+ older entries`), "N older entries"},
		{regexp.MustCompile(`pid=\d+|lost=\d+|^\d+ messages were|\d+ messages were|One message was`), "N"},
		{regexp.MustCompile(`(?m)^\d+$`), "N"},
	}) {
		output = n.pattern.ReplaceAllString(output, n.with)
	}
	lines := strings.Split(strings.TrimSpace(output), "\n")
	spans := make([]string, 0, len(lines)) // of nodes that read at the same time
	for i, line := range lines {
		lines[i] = strings.Join(strings.Fields(line), " ")
		if strings.HasPrefix(lines[i], "process ") {
			spans = append(spans, lines[i])
		}
	}
	slices.Sort(spans)
	for i, line := range lines {
		if strings.HasPrefix(line, "process ") {
			lines[i], spans = spans[0], spans[1:]
		}
	}
	return strings.Join(lines, "\n")
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func waitListens(t *testing.T, port int) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		conn, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("nobody listens on port %d: %v", port, err)
		}
	}
}

// shell is a bash that runs one block after the other.
type shell struct {
	t   *testing.T
	in  io.Writer
	out *bufio.Reader
	n   int
}

func startShell(t *testing.T) *shell {
	t.Helper()
	if _, err := exec.LookPath("redis-cli"); err != nil {
		need.Missing(t, "redis-cli is not there, which the pages use; it comes with redis-server (Debian: redis-tools)")
	}
	cmd := exec.Command("bash", "--norc", "--noprofile")
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(program)+":"+os.Getenv("PATH"), "NO_COLOR=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // the nodes that it has started with it
		_ = cmd.Wait()                                      // it was killed
	})
	return &shell{t: t, in: in, out: bufio.NewReader(out)}
}

// run runs a block of commands and returns what they have printed.
func (s *shell) run(commands string) string {
	s.t.Helper()
	s.n++
	end := fmt.Sprintf("end of block %d", s.n)
	if _, err := fmt.Fprintf(s.in, "%s\necho '%s'\n", commands, end); err != nil {
		s.t.Fatal(err)
	}
	type result struct {
		text string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		var text bytes.Buffer
		for {
			line, err := s.out.ReadString('\n')
			if err != nil || strings.TrimSpace(line) == end {
				done <- result{text.String(), err}
				return
			}
			text.WriteString(line)
		}
	}()
	select {
	case r := <-done:
		if r.err != nil {
			s.t.Fatalf("the shell has ended: %v: %s", r.err, r.text)
		}
		return r.text
	case <-time.After(2 * patience):
		s.t.Fatalf("this has not ended:\n%s", commands)
		return ""
	}
}
