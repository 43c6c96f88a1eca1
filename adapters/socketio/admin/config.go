package admin

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// Mode says how much the UI is told.
type Mode string

// The modes.
const (
	// Production tells how the nodes are: the pages Dashboard and Servers.
	Production Mode = "production"
	// Development tells of every socket, room and event too: all pages.
	Development Mode = "development"
)

// Auth is who may use the UI.
type Auth struct {
	// Username is the name to log in with.
	Username string
	// PasswordHash is the password's bcrypt hash, as HashPassword, htpasswd -B or bcryptjs make it. Passwords have at most
	// 72 bytes.
	PasswordHash string
}

// Config is what can be chosen. The zero Config is an error: somebody has to say who may use the UI, or that all may.
type Config struct {
	// Auth is who may use the UI. It is needed unless NoAuth is set.
	Auth Auth
	// NoAuth lets everybody in who can reach the server.
	NoAuth bool
	// Sessions remembers who has logged in, so that the page can be loaded again, and for all nodes where it is shared.
	// Default: in this process' memory, for a day.
	Sessions Sessions
	// Namespace is where the UI connects. Default: "/admin", which is what the UI asks for.
	Namespace string
	// Mode is how much the UI is told. It should be the same on all nodes. Default: Production.
	Mode Mode
	// ReadOnly ignores what the UI wants done.
	ReadOnly bool
	// ServerID is the node's name in the UI, another one for each node. Default: the host's name, # and the process' id;
	// give one that survives a restart so that the UI shows the same server then.
	ServerID string
	// StatsInterval is the pause between two server_stats, at most 5 s: the UI takes a node for unhealthy that is silent
	// for 10 s. Default: 2 s, as in Node.js.
	StatsInterval time.Duration
	// MaxEventBytes is how large the arguments of an event may be that the UI is shown; of a larger one it sees the name
	// and the size. Default: 16 KiB.
	MaxEventBytes int
	// MaxListed is how many sockets a UI is told of when it connects, in Development mode; those that connect later come on
	// top. Default: 10,000.
	MaxListed int
	// OnError is told what goes wrong: a session store that cannot be reached, a cluster that does not answer. It must not
	// block. Default: nobody is told.
	OnError func(err error)
}

const (
	defaultNamespace     = "/admin"
	defaultStatsInterval = 2 * time.Second
	maxStatsInterval     = 5 * time.Second
	defaultMaxEventBytes = 16 << 10
	defaultMaxListed     = 10_000
)

func (c Config) withDefaults() (Config, error) {
	if err := c.checkAuth(); err != nil {
		return c, err
	}
	if c.Namespace == "" {
		c.Namespace = defaultNamespace
	}
	if !strings.HasPrefix(c.Namespace, "/") || c.Namespace == "/" {
		return c, fmt.Errorf("admin.Config: Namespace is %q; it must begin with a slash and must not be the default namespace", c.Namespace)
	}
	if c.Mode == "" {
		c.Mode = Production
	}
	if c.Mode != Production && c.Mode != Development {
		return c, fmt.Errorf("admin.Config: Mode is %q; it must be %q or %q", c.Mode, Production, Development)
	}
	if c.StatsInterval == 0 {
		c.StatsInterval = defaultStatsInterval
	}
	if c.StatsInterval < 0 || c.StatsInterval > maxStatsInterval {
		return c, fmt.Errorf("admin.Config: StatsInterval is %s; it must be positive, and at most %s", c.StatsInterval, maxStatsInterval)
	}
	if c.MaxEventBytes < 0 || c.MaxListed < 0 {
		return c, fmt.Errorf("admin.Config: MaxEventBytes is %d and MaxListed %d; neither can be negative", c.MaxEventBytes, c.MaxListed)
	}
	if c.MaxEventBytes == 0 {
		c.MaxEventBytes = defaultMaxEventBytes
	}
	if c.MaxListed == 0 {
		c.MaxListed = defaultMaxListed
	}
	if c.ServerID == "" {
		c.ServerID = fmt.Sprintf("%s#%d", hostname(), os.Getpid())
	}
	if c.Sessions == nil {
		c.Sessions = newMemory()
	}
	if c.OnError == nil {
		c.OnError = func(error) {}
	}
	return c, nil
}

func (c Config) checkAuth() error {
	switch {
	case c.NoAuth && c.Auth != Auth{}:
		return errors.New("admin.Config: both Auth and NoAuth are set; choose one")
	case c.NoAuth:
		return nil
	case c.Auth == Auth{}:
		return errors.New("admin.Config: nobody may use the UI: set Auth, or NoAuth to let everybody in")
	case c.Auth.Username == "":
		return errors.New("admin.Config: Auth has no Username")
	}
	if _, err := bcrypt.Cost([]byte(c.Auth.PasswordHash)); err != nil {
		return errors.New("admin.Config: Auth.PasswordHash is not a bcrypt hash, which begins with $2a$, $2b$ or $2y$; HashPassword makes one")
	}
	return nil
}

// HashPassword returns the bcrypt hash of a password, for Auth.PasswordHash. The error says that the password is empty or
// has more than 72 bytes.
func HashPassword(password string) (string, error) {
	if password == "" {
		return "", errors.New("admin: the password is empty")
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	if err != nil {
		return "", fmt.Errorf("admin: the password cannot be hashed: %w", err)
	}
	return string(hash), nil
}

// hostname is the host's name, or something in its place.
func hostname() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "unknown"
	}
	return name
}
