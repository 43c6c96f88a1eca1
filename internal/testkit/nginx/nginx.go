// Package nginx runs a real nginx for tests, as a balancer before servers.
//
//	balancer := nginx.Start(t, `
//		upstream nodes { server 127.0.0.1:20123; server 127.0.0.1:20124; }
//		server { listen LISTEN; location / { proxy_pass http://nodes; } }`)
//	http.Get(balancer.URL())
//
// Each is alone: on a port of its own on 127.0.0.1, in a directory of its own, in one process. It ends with the test, and
// when the test process dies in any way.
package nginx

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/roombus/roombus/internal/testkit/child"
	"github.com/roombus/roombus/internal/testkit/need"
	"github.com/roombus/roombus/internal/testkit/port"
)

// startTime is for starting.
const startTime = 20 * time.Second

// Listen stands in a configuration for the address to listen on.
const Listen = "LISTEN"

// Server is a running nginx.
type Server struct {
	t       testing.TB
	dir     string
	addr    string
	process *child.Process
}

// Request is a request that nginx has passed to a server, as its log has it.
type Request struct {
	// Session is the argument `sid` of the query; empty where there is none.
	Session string
	// Servers are those that were asked, one after the other where one did not answer.
	Servers []string
	// Status is what the client was answered.
	Status int
}

// Start starts nginx with the given contents of its http block, in which Listen stands for the address, and returns when
// it listens.
func Start(t testing.TB, config string) *Server {
	t.Helper()
	path := need.Nginx(t)
	if !strings.Contains(config, Listen) {
		t.Fatalf("start nginx: %s does not stand in its configuration:\n%s", Listen, config)
	}
	s := &Server{t: t, dir: t.TempDir()}
	for range port.Tries {
		s.addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port.Candidate()))
		err := s.start(path, config)
		if err == nil {
			return s
		}
		if !strings.Contains(s.process.Log(), "Address already in use") {
			t.Fatalf("start nginx: %v", err)
		}
	}
	t.Fatalf("start nginx: %d ports from %d to %d were all taken", port.Tries, port.First, port.Last)
	return nil
}

// start runs the process and waits until it listens: then it writes its number down.
func (s *Server) start(path, config string) error {
	file, pid := filepath.Join(s.dir, "nginx.conf"), filepath.Join(s.dir, "nginx.pid")
	var temporary strings.Builder
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&temporary, "%s_temp_path %s;\n", kind, s.dir)
	}
	// One process: nothing of it can stay when it is killed.
	text := "daemon off;\nmaster_process off;\nerror_log stderr;\npid " + pid + ";\n" +
		"events { worker_connections 4096; }\nhttp {\n" + temporary.String() +
		"log_format test '$arg_sid|$upstream_addr|$status';\naccess_log " + s.log() + " test;\n" +
		strings.ReplaceAll(config, Listen, s.addr) + "\n}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write its configuration: %w", err)
	}
	var err error
	s.process, err = child.Start(s.t, child.Config{Name: "nginx at " + s.addr, Path: path, Args: []string{"-p", s.dir, "-c", file}})
	if err != nil {
		return err
	}
	over := time.NewTimer(startTime)
	defer over.Stop()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case <-look.C:
			if number, err := os.ReadFile(pid); err == nil && strings.TrimSpace(string(number)) == strconv.Itoa(s.process.Pid()) {
				return nil
			}
		case <-s.process.Exited():
			return fmt.Errorf("it ended at once (%w); it has written:\n%s", s.process.Err(), s.process.Log())
		case <-over.C:
			return fmt.Errorf("it did not listen within %s; it has written:\n%s", startTime, s.process.Log())
		}
	}
}

// URL is where it listens, such as http://127.0.0.1:20125.
func (s *Server) URL() string { return "http://" + s.addr }

func (s *Server) log() string { return filepath.Join(s.dir, "access.log") }

// Requests are those that are over.
func (s *Server) Requests() []Request {
	s.t.Helper()
	text, err := os.ReadFile(s.log())
	if err != nil {
		s.t.Fatalf("read nginx's log: %v", err)
	}
	var all []Request
	for line := range strings.Lines(string(text)) {
		parts := strings.Split(strings.TrimSuffix(line, "\n"), "|")
		if len(parts) != 3 {
			continue // it is being written
		}
		r := Request{Servers: strings.Split(parts[1], ", ")}
		if parts[0] != "-" {
			r.Session = parts[0]
		}
		if r.Status, err = strconv.Atoi(parts[2]); err != nil {
			s.t.Fatalf("nginx's log has the line %q", line)
		}
		all = append(all, r)
	}
	return all
}
