package realredis

import (
	"context"
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

func set(t *testing.T, s *Server, key, value string) {
	t.Helper()
	if err := s.Client().Set(t.Context(), key, value, 0).Err(); err != nil {
		t.Fatalf("set %s: %v", key, err)
	}
}

func want(t *testing.T, s *Server, key, value string) {
	t.Helper()
	got, err := s.Client().Get(t.Context(), key).Result()
	if errors.Is(err, redis.Nil) {
		got, err = "", nil
	}
	if err != nil || got != value {
		t.Fatalf("%s is %q (%v), want %q", key, got, err, value)
	}
}

// fresh makes the client dial anew: go-redis hands out a dead connection of its
// pool once before it notices.
func fresh(t *testing.T, s *Server) {
	t.Helper()
	for range 20 {
		if s.Client().Ping(t.Context()).Err() == nil {
			return
		}
	}
	t.Fatal("the server does not answer after its restart")
}

func TestDataIsKept(t *testing.T) {
	for _, c := range []struct {
		title string
		opts  []Option
		end   func(*Server)
		kept  string
	}{
		{"stopped", nil, (*Server).Stop, "1"},
		{"killed", nil, (*Server).Kill, "1"},
		{"killed, fsync always", []Option{WithFsyncAlways()}, (*Server).Kill, "1"},
		{"stopped, without persistence", []Option{WithoutPersistence()}, (*Server).Stop, ""},
	} {
		t.Run(c.title, func(t *testing.T) {
			s := Start(t, c.opts...)
			port, pid := s.Port(), s.Pid()
			set(t, s, "k", "1")
			c.end(s)
			if err := s.Client().Ping(t.Context()).Err(); err == nil {
				t.Fatal("a server that was ended answers")
			}
			s.Start()
			if s.Port() != port || s.Pid() == pid {
				t.Fatalf("port %d then %d, process %d then %d; want the same port, another process", port, s.Port(), pid, s.Pid())
			}
			fresh(t, s)
			want(t, s, "k", c.kept)
		})
	}
}

func TestRestart(t *testing.T) {
	s := Start(t)
	set(t, s, "k", "1")
	s.Restart()
	fresh(t, s)
	want(t, s, "k", "1")
}

func TestPausedServerIsSilent(t *testing.T) {
	s := Start(t)
	set(t, s, "k", "1")
	s.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	var netErr net.Error
	if err := s.Client().Get(ctx, "k").Err(); !errors.As(err, &netErr) && !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a paused server answered %v, want a time-out", err)
	}
	s.Resume()
	fresh(t, s)
	want(t, s, "k", "1")
}

func TestKilledWhilePaused(t *testing.T) {
	s := Start(t)
	s.Pause()
	s.Kill()
	s.Start()
	fresh(t, s)
}

func TestUsersAndPasswords(t *testing.T) {
	s := Start(t, WithPassword("s3cret"), WithUser("reader", "on", ">p@ss/word", "~*", "&*", "+@read", "+@connection"))
	for _, c := range []struct{ title, url, want string }{
		{"no password", "redis://" + s.Addr(), "NOAUTH"},
		{"wrong password", s.URLFor("reader", "no"), "WRONGPASS"},
		{"no right to write", s.URLFor("reader", "p@ss/word"), "NOPERM"},
		{"default user", s.URL(), ""},
	} {
		t.Run(c.title, func(t *testing.T) {
			opts, err := redis.ParseURL(c.url)
			if err != nil {
				t.Fatal(err)
			}
			client := redis.NewClient(opts)
			defer func() { _ = client.Close() }()
			err = client.Set(t.Context(), "k", "v", 0).Err()
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Fatalf("SET answered %v, want %q", err, c.want)
			}
		})
	}
}

func TestConfigLinesWin(t *testing.T) {
	s := Start(t, WithConfig("maxmemory 77mb", "appendonly no"))
	for name, value := range map[string]string{"maxmemory": "80740352", "appendonly": "no"} {
		got, err := s.Client().ConfigGet(t.Context(), name).Result()
		if err != nil || got[name] != value {
			t.Errorf("%s is %q (%v), want %q", name, got[name], err, value)
		}
	}
}

func TestTwoServersAreApart(t *testing.T) {
	a, b := Start(t), Start(t)
	set(t, a, "k", "1")
	want(t, b, "k", "")
}

func TestTakenPortIsNoticed(t *testing.T) {
	a, b := Start(t), Start(t)
	b.Stop()
	b.port = a.port
	if err := b.start(); !errors.Is(err, errPortTaken) {
		t.Fatalf("start on a taken port: %v, want %v", err, errPortTaken)
	}
}

func TestBadConfigIsNamed(t *testing.T) {
	s := Start(t)
	s.Stop()
	s.lines = []string{"no-such-directive 1"}
	if err := s.start(); err == nil || !strings.Contains(err.Error(), "no-such-directive") {
		t.Fatalf("start with a bad line: %v, want an error that shows it", err)
	}
}

func TestServerEndsWithTheTest(t *testing.T) {
	var pid int
	t.Run("inner", func(t *testing.T) {
		s := Start(t)
		s.Pause()
		pid = s.Pid()
	})
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Fatalf("process %d: %v, want that it has ended", pid, err)
	}
}
