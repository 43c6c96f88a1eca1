package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"

	"golang.org/x/crypto/bcrypt"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/adapters/socketio/admin"
)

// adminSettings are the flags of the Admin UI.
type adminSettings struct {
	user, password, mode, dir string
	readOnly                  bool
}

// adminPath is where the front end is served.
const adminPath = "/admin-ui/"

func (s *adminSettings) flags(f *flag.FlagSet) {
	f.StringVar(&s.user, "admin-user", "", "the `name` to log in with to the official Admin UI of Socket.IO, which connects to the namespace /admin; without it there is none")
	f.StringVar(&s.password, "admin-password", "", "the `password` of --admin-user, or its bcrypt hash; better given as a variable, because everybody on the machine can read the command line")
	f.StringVar(&s.mode, "admin-mode", string(admin.Production), "the `mode`, which is how much the Admin UI is told: production (how the nodes are) or development (every socket, room and event); the same on all nodes")
	f.BoolVar(&s.readOnly, "admin-read-only", false, "whether the Admin UI can look only, and cannot make sockets join, leave or go")
	f.StringVar(&s.dir, "admin-ui-dir", "", "the `folder` ui/dist of the npm package @socket.io/admin-ui, to serve the Admin UI at "+adminPath+" too")
}

// on reports whether there is an Admin UI.
func (s *adminSettings) on() bool { return s.user != "" }

// isHash reports whether a password is given as its hash.
func isHash(password string) bool {
	_, err := bcrypt.Cost([]byte(password))
	return err == nil && strings.HasPrefix(password, "$2") && len(password) == 60
}

// isLine reports whether a password is what htpasswd prints: the user, a colon, and the hash.
func isLine(user, password string) bool {
	hash, cut := strings.CutPrefix(password, user+":")
	return cut && isHash(hash)
}

func (s *adminSettings) check(socketPath string) error {
	wrong := func(format string, args ...any) error {
		return &usageError{"serve: " + fmt.Sprintf(format, args...)}
	}
	switch {
	case s.mode != string(admin.Production) && s.mode != string(admin.Development):
		return wrong("--admin-mode is %q; it must be production or development", s.mode)
	case !s.on() && (s.password != "" || s.dir != "" || s.readOnly):
		return wrong("there is no Admin UI without --admin-user")
	case s.on() && s.password == "":
		return wrong("--admin-user needs a password; set ROOMBUS_ADMIN_PASSWORD to it, or to its bcrypt hash")
	case isLine(s.user, s.password):
		return wrong("--admin-password is a whole line of htpasswd; give what stands behind the colon")
	case len(s.password) > 72:
		return wrong("--admin-password has %d bytes; it can have 72 at most", len(s.password))
	case s.dir != "" && socketPath == adminPath:
		return wrong("--path is %q, which is taken; choose another one", socketPath)
	}
	return nil
}

// serve lets the Admin UI connect; nil where there is none.
func (s *adminSettings) serve(io *socketio.Server, node string, logins admin.Sessions, observer *report) (*admin.Admin, error) {
	if !s.on() {
		return nil, nil //nolint:nilnil // there is none
	}
	hash := s.password
	if !isHash(hash) {
		var err error
		if hash, err = admin.HashPassword(s.password); err != nil {
			return nil, err
		}
	}
	return admin.New(io, admin.Config{
		Auth: admin.Auth{Username: s.user, PasswordHash: hash}, Sessions: logins, ServerID: node,
		Mode: admin.Mode(s.mode), ReadOnly: s.readOnly,
		OnError: func(err error) { observer.braked(context.Background(), "the Admin UI", "error", err) },
	})
}

// tell says where the Admin UI is, or what it is to be given.
func (s *adminSettings) tell(ctx context.Context, log *slog.Logger, url string) {
	switch {
	case s.dir != "":
		log.InfoContext(ctx, "the Admin UI is at "+url+adminPath+"; its server URL is "+url)
	case s.on():
		log.InfoContext(ctx, "the Admin UI can connect; its server URL is "+url)
	}
}

// files serves the front end, if there is a folder with it. Nothing outside of the folder can be reached.
func (s *adminSettings) files(mux *http.ServeMux) error {
	if s.dir == "" {
		return nil
	}
	root, err := os.OpenRoot(s.dir)
	if err == nil {
		_, err = root.Stat("index.html")
	}
	if err != nil {
		return &usageError{fmt.Sprintf("serve: --admin-ui-dir %q has no index.html; it must be the folder ui/dist of the npm package @socket.io/admin-ui (%v)", s.dir, err)}
	}
	serve := http.StripPrefix(strings.TrimSuffix(adminPath, "/"), http.FileServerFS(root.FS()))
	mux.HandleFunc("GET "+adminPath, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/") && r.URL.Path != adminPath {
			http.NotFound(w, r) // folders are not listed
			return
		}
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Content-Security-Policy", "frame-ancestors 'none'")
		w.Header().Set("Cache-Control", "no-cache")
		serve.ServeHTTP(w, r)
	})
	return nil
}
