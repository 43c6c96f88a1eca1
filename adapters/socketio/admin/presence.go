package admin

import (
	"bytes"
	"sync"
	"time"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/payload"
)

// presence says whether there is a UI somewhere.
type presence struct {
	// memory is for how long another node's word counts.
	memory time.Duration
	// woken has a token when the node is to tell of itself at once.
	woken chan struct{}

	mu      sync.Mutex
	here    int
	heardAt time.Time
	active  bool
}

func (p *presence) init(config Config) {
	p.memory = 5 * max(config.StatsInterval, defaultStatsInterval)
	p.woken = make(chan struct{}, 1)
}

// enter notes a UI of this node.
func (p *presence) enter() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.here++
	p.active = true
}

// leave notes that one has gone.
func (p *presence) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.here--
}

// heard notes that another node has one.
func (p *presence) heard(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.heardAt = now
	if p.active {
		return
	}
	p.active = true
	select {
	case p.woken <- struct{}{}:
	default: // it will be told anyway
	}
}

// still reports whether there is one, and forgets those of which nothing was heard for long.
func (p *presence) still(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.active = p.here > 0 || !p.heardAt.IsZero() && now.Sub(p.heardAt) < p.memory
	return p.active
}

func (p *presence) now() (here int, active bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.here, p.active
}

// saysThatThereIsUI reads what a node has told the UIs: its server_stats count its sockets in the admin namespace, and
// in development mode it tells of each as it connects. from is the server that says so, where it is named.
func saysThatThereIsUI(p domain.Packet, namespace string) (says bool, from string) {
	if !bytes.HasPrefix(p.JSON(), []byte(`["s`)) {
		return false, ""
	}
	switch p.Event() {
	case "server_stats":
		var stats struct {
			ServerID   string `json:"serverId"`
			Namespaces []struct {
				Name         string  `json:"name"`
				SocketsCount float64 `json:"socketsCount"`
			} `json:"namespaces"`
		}
		if payload.UnmarshalArgs(p, &stats) != nil {
			return false, ""
		}
		for _, ns := range stats.Namespaces {
			says = says || ns.Name == namespace && ns.SocketsCount > 0
		}
		return says, stats.ServerID
	case "socket_connected":
		var socket struct {
			Namespace string `json:"nsp"`
		}
		return payload.UnmarshalArgs(p, &socket) == nil && socket.Namespace == namespace, ""
	default:
		return false, ""
	}
}
