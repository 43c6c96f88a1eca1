package socketio

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/handlers"
)

// ErrTooManyNamespaces says that a client asked for one dynamic namespace more than Config.MaxDynamicNamespaces allows.
// It was told "Invalid namespace".
var ErrTooManyNamespaces = errors.New("socketio: too many dynamic namespaces")

// ParentNamespace is a family of namespaces, its children, which are made when clients ask for them. Each child begins
// with the handlers and the middleware that its parent has at that time, and is a namespace like any other from then on.
// Register them before clients come.
type ParentNamespace struct {
	Handlers
	server *Server
	// pattern is nil for a parent with a function.
	pattern *regexp.Regexp
	match   func(name string, auth domain.Value) bool
	made    handlers.List[func(child *Namespace)]
	// children is guarded by the server's lock.
	children map[string]*Namespace
}

// OfPattern returns the parent of all namespaces whose name matches, for clients that ask for one that is not there, and
// for Of. A name begins with a slash; anchor the pattern (^ and $) where the whole name is meant. Where several parents
// would take a name, the one that was made first gets it.
func (io *Server) OfPattern(pattern *regexp.Regexp) *ParentNamespace {
	return io.newParent(pattern, func(name string, _ domain.Value) bool { return pattern.MatchString(name) })
}

// OfFunc is OfPattern with a function in the place of the pattern. It is asked for clients alone, not for Of, and gets
// what the client has given as auth. It must not block, and may be called from many goroutines: whoever has to look
// something up does that in the middleware. When it panics Config.OnError is told, and the name does not match.
func (io *Server) OfFunc(match func(name string, auth domain.Value) bool) *ParentNamespace {
	return io.newParent(nil, match)
}

func (io *Server) newParent(pattern *regexp.Regexp, match func(string, domain.Value) bool) *ParentNamespace {
	p := &ParentNamespace{
		Handlers: Handlers{new(registry)}, server: io, pattern: pattern, match: match, children: make(map[string]*Namespace),
	}
	io.mu.Lock()
	defer io.mu.Unlock()
	io.parents = append(slices.Clip(io.parents), p)
	return p
}

// OnChild has a function called for every child that is made, before its first client is connected, for what is to be
// registered with that child alone.
func (p *ParentNamespace) OnChild(handle func(child *Namespace)) { p.made.Add(handle) }

// Children are the children that this node has, in no order.
func (p *ParentNamespace) Children() []*Namespace {
	p.server.mu.RLock()
	defer p.server.mu.RUnlock()
	return slices.Collect(maps.Values(p.children))
}

// Emit sends an event to all sockets of all children that this node has, on whatever node they are; a child that is only
// on other nodes is not reached, as in Node.js. It is one message a child, see Namespace.Emit; the error joins those of
// the children where it failed. Use Children for whatever else is to be done with them.
func (p *ParentNamespace) Emit(ctx context.Context, event string, args ...any) error {
	var errs []error
	for _, child := range p.Children() {
		if _, err := child.Emit(ctx, event, args...); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", child.name, err))
		}
	}
	return errors.Join(errs...)
}

// takes reports whether a client's namespace is one of the parent's.
func (p *ParentNamespace) takes(name string, auth domain.Value) (takes bool) {
	if err := handlers.Guarded(func() error { takes = p.match(name, auth); return nil }); err != nil {
		p.server.fail(context.Background(), Failure{Namespace: name, Event: "connect", Err: err})
		return false
	}
	return takes
}

// begin tells of a child, once.
func (ns *Namespace) begin() {
	if ns.parent == nil {
		return
	}
	ns.begun.Do(func() {
		for _, handle := range ns.parent.made.All() {
			if err := handlers.Guarded(func() error { handle(ns); return nil }); err != nil {
				ns.server.fail(context.Background(), Failure{Namespace: ns.name, Event: "namespace", Err: err})
			}
		}
	})
}

// enter finds the namespace that a client asks for, or makes it, and counts a socket in it, until release. Those in which
// nodes talk among themselves are nobody's to enter.
func (io *Server) enter(name string, auth domain.Value) (*Namespace, bool) {
	if domain.IsReservedNamespace(name) {
		return nil, false
	}
	io.mu.RLock()
	ns, ok := io.namespaces[name]
	if ok {
		ns.users.Add(1)
	}
	parents := io.parents
	io.mu.RUnlock()
	if !ok {
		if ns, ok = io.dynamic(parents, name, auth); !ok {
			return nil, false
		}
	}
	ns.begin()
	return ns, true
}

// dynamic makes the child that a client asks for, if one of the parents takes it.
func (io *Server) dynamic(parents []*ParentNamespace, name string, auth domain.Value) (*Namespace, bool) {
	if len(parents) > 0 && io.recovers {
		_, auth = newRecovery(auth)
	}
	i := slices.IndexFunc(parents, func(p *ParentNamespace) bool { return p.takes(name, auth) })
	if i < 0 {
		return nil, false
	}
	ns, err := io.child(parents[i], name)
	if err != nil {
		io.fail(context.Background(), Failure{Namespace: name, Event: "connect", Err: err})
		return nil, false
	}
	return ns, true
}

// child returns a namespace, made by now if it was not there, and counts a socket in it.
func (io *Server) child(p *ParentNamespace, name string) (*Namespace, error) {
	io.mu.Lock()
	defer io.mu.Unlock()
	ns, ok := io.namespaces[name]
	if !ok {
		if _, known := io.dynamicNames[name]; !known && len(io.dynamicNames) >= io.config.MaxDynamicNamespaces {
			return nil, fmt.Errorf("%w: there are %d", ErrTooManyNamespaces, len(io.dynamicNames))
		}
		io.dynamicNames[name] = struct{}{}
		ns = io.newChild(p, name)
	}
	ns.users.Add(1)
	return ns, nil
}

// newChild makes a child. The server's lock is held.
func (io *Server) newChild(p *ParentNamespace, name string) *Namespace {
	ns := newNamespace(io, name)
	ns.parent, ns.reg = p, p.reg.clone()
	io.namespaces[name], p.children[name] = ns, ns
	return ns
}

// release is called when a socket that enter has counted is over. The last one has an empty child removed, where that is
// wanted.
func (ns *Namespace) release() {
	io := ns.server
	if ns.users.Add(-1) > 0 || ns.parent == nil || !io.config.RemoveEmptyNamespaces {
		return
	}
	io.mu.Lock()
	defer io.mu.Unlock()
	if ns.users.Load() == 0 && !ns.pinned && io.namespaces[ns.name] == ns {
		delete(io.namespaces, ns.name)
		delete(ns.parent.children, ns.name)
	}
}
