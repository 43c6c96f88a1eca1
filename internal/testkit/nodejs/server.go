package nodejs

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"
)

// Adapter is a generation of the Redis Streams adapter.
type Adapter string

// The generations. None is a server without a cluster.
const (
	AdapterNone Adapter = ""
	// Adapter02 is @socket.io/redis-streams-adapter 0.2 with redis 4: everything
	// goes through the stream.
	Adapter02 Adapter = "0.2"
	// Adapter03 is @socket.io/redis-streams-adapter 0.3 with redis 5: requests and
	// answers go by PUB/SUB.
	Adapter03 Adapter = "0.3"
)

// ServerConfig says what server to start. The zero value is one without cluster.
type ServerConfig struct {
	Adapter Adapter
	// RedisURL is needed with an adapter. Its user needs the right to CLIENT LIST.
	RedisURL string
	// StreamName. Default: the adapter's, "socket.io".
	StreamName string
	// MaxLength of the stream. Default: the adapter's, 10,000.
	MaxLength int
	// AdapterOptions are further options of the adapter by their JavaScript names.
	AdapterOptions map[string]any
	// Recovery switches connection state recovery on, for so long. Default: off.
	Recovery time.Duration
	// Namespaces that exist. Default: "/" alone.
	Namespaces []string
	// Admin are the options of instrument() of @socket.io/admin-ui, by their JavaScript names; logins are kept in Redis, if
	// there is one. Default: it is not called.
	Admin map[string]any
	// Options are further options of the server by their JavaScript names.
	Options map[string]any
	// Port to listen on. Default: a free one.
	Port int
}

func (c ServerConfig) javascript() (string, error) {
	options, adapterOptions := map[string]any{}, map[string]any{}
	if c.Recovery > 0 {
		options["connectionStateRecovery"] = map[string]any{"maxDisconnectionDuration": c.Recovery.Milliseconds()}
	}
	if c.StreamName != "" {
		adapterOptions["streamName"] = c.StreamName
	}
	if c.MaxLength > 0 {
		adapterOptions["maxLen"] = c.MaxLength
	}
	maps.Copy(options, c.Options)
	maps.Copy(adapterOptions, c.AdapterOptions)
	namespaces := c.Namespaces
	if namespaces == nil {
		namespaces = []string{"/"}
	}
	text, err := json.Marshal(map[string]any{
		"adapter": c.Adapter, "redis": c.RedisURL, "adapterOptions": adapterOptions,
		"namespaces": namespaces, "options": options, "port": c.Port, "admin": c.Admin,
	})
	if err != nil {
		return "", fmt.Errorf("write the server's options as JSON: %w", err)
	}
	return string(text), nil
}

// Server is a Node.js process with a Socket.IO server.
type Server struct {
	*Journal

	peer *peer
	port int
}

// StartServer starts a server and returns when it listens and, with an adapter,
// Redis sees it read the stream and subscribe its channels.
func StartServer(t testing.TB, config ServerConfig) *Server {
	t.Helper()
	if (config.Adapter == AdapterNone) != (config.RedisURL == "") {
		t.Fatalf("start a Node.js server: an adapter (%q) needs a Redis URL, and the other way round", config.Adapter)
	}
	text, err := config.javascript()
	if err != nil {
		t.Fatal(err)
	}
	p := startPeer(t, strings.TrimSpace("the Node.js server "+string(config.Adapter)), "server.mjs", text)
	listening := p.journal.Wait(OfKind(kindListening))
	return &Server{Journal: p.journal, peer: p, port: listening.Port}
}

// URL is what a client connects to.
func (s *Server) URL() string { return fmt.Sprintf("http://127.0.0.1:%d", s.port) }

// Port is the port on 127.0.0.1.
func (s *Server) Port() int { return s.port }

// Stop leaves the cluster in order and ends the process.
func (s *Server) Stop() {
	s.t.Helper()
	s.peer.do("close", nil, nil)
	s.peer.end()
}

// Kill ends the process with SIGKILL.
func (s *Server) Kill() { s.peer.process.Kill() }

// Exited is closed when the process has ended.
func (s *Server) Exited() <-chan struct{} { return s.peer.process.Exited() }

// Pause stops the process with SIGSTOP.
func (s *Server) Pause() {
	s.t.Helper()
	if err := s.peer.process.Pause(); err != nil {
		s.t.Fatal(err)
	}
}

// Resume lets a paused process go on.
func (s *Server) Resume() {
	s.t.Helper()
	if err := s.peer.process.Resume(); err != nil {
		s.t.Fatal(err)
	}
}

// Target says which sockets an operation is for. The zero value means all
// sockets of the namespace "/", on all servers.
type Target struct {
	// Namespace. Default: "/".
	Namespace string
	// From is the id of a local socket that broadcasts, and so is left out.
	From string
	// Rooms and Except are as in io.to(rooms).except(rooms).
	Rooms, Except []string
	Volatile      bool
	Local         bool
	// Compress is not sent when nil.
	Compress *bool
	// Timeout for answers. The adapter's own is 5 s for fetchSockets; an emit
	// with acknowledgement without one fails at once.
	Timeout time.Duration
}

// MarshalJSON writes what server.mjs reads.
func (t Target) MarshalJSON() ([]byte, error) {
	fields := map[string]any{"nsp": namespace(t.Namespace), "rooms": t.Rooms, "except": t.Except}
	if t.From != "" {
		fields["from"] = t.From
	}
	if t.Volatile {
		fields["volatile"] = true
	}
	if t.Local {
		fields["local"] = true
	}
	if t.Compress != nil {
		fields["compress"] = *t.Compress
	}
	if t.Timeout > 0 {
		fields["timeout"] = t.Timeout.Milliseconds()
	}
	return json.Marshal(fields)
}

func namespace(name string) string {
	if name == "" {
		return "/"
	}
	return name
}

// Emit broadcasts an event.
func (s *Server) Emit(target Target, event string, args ...any) {
	s.t.Helper()
	s.peer.do("emit", request{"target": target, "event": event, "args": list(args)}, nil)
}

// EmitWithAck broadcasts an event and waits up to target.Timeout for the answers of
// all clients. It returns each client's first argument, in the order in which they
// came; when the error is not nil, of those that came.
func (s *Server) EmitWithAck(target Target, event string, args ...any) (Args, error) {
	return collected(s.peer.acked("emitWithAck", request{
		"target": target, "event": event, "args": list(args),
	}, target.Timeout))
}

// collected takes the answers of many out of the one array in which they come.
func collected(args Args, err error) (Args, error) {
	var all Args
	if len(args) > 0 {
		if decodeErr := args.Decode(&all); decodeErr != nil {
			return args, errors.Join(err, decodeErr)
		}
	}
	return all, err
}

// SocketsJoin makes the sockets join rooms.
func (s *Server) SocketsJoin(target Target, rooms ...string) {
	s.t.Helper()
	s.peer.do("socketsJoin", request{"target": target, "rooms": rooms}, nil)
}

// SocketsLeave makes the sockets leave rooms.
func (s *Server) SocketsLeave(target Target, rooms ...string) {
	s.t.Helper()
	s.peer.do("socketsLeave", request{"target": target, "rooms": rooms}, nil)
}

// DisconnectSockets disconnects the sockets, with closeConnection their whole
// connection.
func (s *Server) DisconnectSockets(target Target, closeConnection bool) {
	s.t.Helper()
	s.peer.do("disconnectSockets", request{"target": target, "close": closeConnection}, nil)
}

// RemoteSocket is a socket of any server, as fetchSockets returns it.
type RemoteSocket struct {
	ID        string          `json:"id"`
	Rooms     []string        `json:"rooms"` // sorted, with the socket's own
	Data      json.RawMessage `json:"data"`
	Handshake json.RawMessage `json:"handshake"`
}

// FetchSockets lists sockets.
func (s *Server) FetchSockets(target Target) ([]RemoteSocket, error) {
	value, err := s.peer.ask("fetchSockets", request{"target": target}, target.Timeout+patience)
	if err != nil {
		return nil, err
	}
	var sockets []RemoteSocket
	if err := json.Unmarshal(value, &sockets); err != nil {
		return nil, fmt.Errorf("answer of fetchSockets: %w", err)
	}
	return sockets, nil
}

// ServerSideEmit sends an event to the other servers.
func (s *Server) ServerSideEmit(nsp, event string, args ...any) {
	s.t.Helper()
	s.peer.do("serverSideEmit", request{"nsp": namespace(nsp), "event": event, "args": list(args)}, nil)
}

// ServerSideEmitWithAck sends an event to the other servers and waits for their
// answers, 5 s as the adapter has it. It returns each server's first argument, in the
// order in which they came; when the error is not nil, of those that came.
func (s *Server) ServerSideEmitWithAck(nsp, event string, args ...any) (Args, error) {
	return collected(s.peer.acked("serverSideEmitWithAck", request{
		"nsp": namespace(nsp), "event": event, "args": list(args),
	}, 0))
}

// OnServerSide reports the server-side events of a name from now on, as events of
// kind ServerSide. They are acknowledged by [Server.Answer] or [Server.Ack], or
// never.
func (s *Server) OnServerSide(nsp, event string) {
	s.t.Helper()
	s.peer.do("onServerSide", request{"nsp": namespace(nsp), "event": event}, nil)
}

// ServerCount is the number of servers in the cluster, as this one counts.
func (s *Server) ServerCount(nsp string) int {
	s.t.Helper()
	var count int
	s.peer.do("serverCount", request{"nsp": namespace(nsp)}, &count)
	return count
}

// Answer sets the acknowledgement that is sent, from now on, for each event of a
// name that wants one, whether from a client or from another server.
func (s *Server) Answer(nsp, event string, args ...any) {
	s.t.Helper()
	s.peer.do("answer", request{"nsp": namespace(nsp), "event": event, "args": list(args)}, nil)
}

// Ack sends the acknowledgement for an event whose Ack is not 0 and for whose name
// no Answer is set.
func (s *Server) Ack(event Event, args ...any) {
	s.t.Helper()
	s.peer.do("ack", request{"ack": event.Ack, "args": list(args)}, nil)
}

// SocketEmit sends an event to one local socket (socket.emit).
func (s *Server) SocketEmit(nsp, socket, event string, args ...any) {
	s.t.Helper()
	s.peer.do("socketEmit", request{
		"nsp": namespace(nsp), "socket": socket, "event": event, "args": list(args),
	}, nil)
}

// SocketEmitWithAck sends an event to one local socket and returns its answer.
func (s *Server) SocketEmitWithAck(timeout time.Duration, nsp, socket, event string, args ...any) (Args, error) {
	return s.peer.acked("socketEmitWithAck", request{
		"nsp": namespace(nsp), "socket": socket, "event": event, "args": list(args), "timeout": timeout.Milliseconds(),
	}, timeout)
}

// SocketJoin makes a local socket join rooms.
func (s *Server) SocketJoin(nsp, socket string, rooms ...string) {
	s.t.Helper()
	s.peer.do("socketJoin", request{"nsp": namespace(nsp), "socket": socket, "rooms": rooms}, nil)
}

// SocketLeave makes a local socket leave rooms.
func (s *Server) SocketLeave(nsp, socket string, rooms ...string) {
	s.t.Helper()
	s.peer.do("socketLeave", request{"nsp": namespace(nsp), "socket": socket, "rooms": rooms}, nil)
}

// SocketDisconnect disconnects a local socket, with closeConnection its whole
// connection.
func (s *Server) SocketDisconnect(nsp, socket string, closeConnection bool) {
	s.t.Helper()
	s.peer.do("socketDisconnect", request{"nsp": namespace(nsp), "socket": socket, "close": closeConnection}, nil)
}

// SetData sets the data of a local socket (socket.data).
func (s *Server) SetData(nsp, socket string, data any) {
	s.t.Helper()
	s.peer.do("setData", request{"nsp": namespace(nsp), "socket": socket, "data": data}, nil)
}
