package socketio

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/roombus/roombus/adapters/socketio/engineio"
	"github.com/roombus/roombus/domain"
)

// Forward makes it unnecessary that a balancer keeps a client on its node: a request of a connection that another node
// has (a poll, a POST, the WebSocket of an upgrade) is passed on to that node. Node.js answers 400 there. It is needed for
// clients that use long-polling, be it only to begin with.
//
// The id of a connection then names its node. Nodes are found by it in the membership of the namespace "/", and reached at
// app.Config.Address, which each must have; nothing of the request decides where it goes. Requests between nodes are
// signed. It should be on in all nodes of the cluster: one without it passes nothing on.
type Forward struct {
	// Secret is what the nodes share, at least 32 characters by chance, such as `openssl rand -hex 32` prints. What is
	// passed on is signed with it (HMAC-SHA-256). Needed.
	Secret string
	// OldSecrets are accepted as well. To change the secret without a pause, start all nodes with the new one here, then
	// with the new one as Secret and the old one here, then without the old one. Default: none.
	OldSecrets []string
	// TLS has requests between nodes go over HTTPS with these settings, which may have a certificate of the node's own for
	// listeners that ask for one. Default: plain HTTP, which whoever can read the network between the nodes can read, with
	// all that clients send.
	TLS *tls.Config
	// Transport sends the requests in place of the server's own transport. TLS then says only that it is HTTPS. For
	// WebSockets it must speak HTTP/1.1; it should bound the time to connect. Default: 2 s to connect, no proxy.
	Transport http.RoundTripper
}

// ForwardStats count what Config.Forward does; all zero without it.
type ForwardStats struct {
	// Out counts the requests that another node has answered for this one, In those that another node has passed on to this
	// one.
	Out, In uint64
	// Tunnels is how many WebSockets of other nodes' connections run through this node now.
	Tunnels int
	// Refused counts the requests that claimed to have been passed on by a node, and were not signed by one
	// (ErrForwardSignature).
	Refused uint64
	// Failed counts the requests that should have been passed on and could not be (ErrForwardFailed).
	Failed uint64
}

const (
	// minSecret is the least length of a secret: 128 bits in hexadecimal digits.
	minSecret = 32
	// connectTimeout bounds how long connecting to another node may take.
	connectTimeout = 2 * time.Second
	// forwardIdle is how long a connection to another node is kept for the next request: for less than the idle time-out of
	// any sensible server, because a POST that meets a connection which is just being closed fails.
	forwardIdle = 5 * time.Second
	// ownerNamespace is where nodes look for each other: every server is in it.
	ownerNamespace = "/"
	// ownerPatience is how long a request waits for a node that is not known: its first heartbeat may be on its way. A node
	// that has just started waits until settleTime after its start, since it has to hear of all others.
	ownerPatience = 250 * time.Millisecond
	settleTime    = 2 * time.Second
	ownerLook     = 50 * time.Millisecond
	// maxWaiting is how many requests may wait for such nodes: anybody can make up the id of one.
	maxWaiting = 1_000
)

// forwarder passes requests on, and takes those of others.
type forwarder struct {
	node      node
	self      domain.NodeID
	keys      [][]byte // the first signs
	scheme    string
	transport http.RoundTripper
	own       *http.Transport // nil where the user has brought one
	report    func(err error)

	out, in, refused, failed atomic.Uint64
	waiting                  atomic.Int64 // requests whose owner is not known
	refusals, failures       brake
	tunnels                  tunnels
}

// newForwarder checks the settings. The node need not run yet.
func newForwarder(n node, config *Forward, report func(error)) (*forwarder, error) {
	f := &forwarder{node: n, self: n.ID(), scheme: "http", transport: config.Transport, report: report}
	for i, secret := range append([]string{config.Secret}, config.OldSecrets...) {
		if len(secret) < minSecret {
			name := "Secret"
			if i > 0 {
				name = fmt.Sprintf("OldSecrets[%d]", i-1)
			}
			return nil, fmt.Errorf("socketio.Config: Forward.%s has %d characters; it must have at least %d, by chance "+
				"(`openssl rand -hex 32` makes one)", name, len(secret), minSecret)
		}
		f.keys = append(f.keys, []byte(secret))
	}
	self, _ := n.Member(ownerNamespace, f.self)
	if self.Info.Address == "" {
		return nil, errors.New("socketio.Config: Forward is set, but the node has no address at which others could reach " +
			"it; set app.Config.Address to its host:port")
	}
	if err := checkAddress(self.Info.Address); err != nil {
		return nil, fmt.Errorf("socketio.Config: Forward: others cannot reach the node by app.Config.Address: %w", err)
	}
	if config.TLS != nil {
		f.scheme = "https"
	}
	if f.transport == nil {
		f.own = &http.Transport{
			DialContext:         (&net.Dialer{Timeout: connectTimeout}).DialContext,
			TLSClientConfig:     config.TLS.Clone(),
			TLSHandshakeTimeout: connectTimeout,
			DisableCompression:  true, // an answer is passed on as it is
			MaxIdleConnsPerHost: 256,
			IdleConnTimeout:     forwardIdle,
		}
		f.transport = f.own
	}
	return f, nil
}

// idSuffix is what the ids of a node's connections end with: the node's id in 11 characters.
func idSuffix(id domain.NodeID) (string, error) {
	raw, err := hex.DecodeString(string(id))
	if err != nil || len(raw) != 8 || hex.EncodeToString(raw) != string(id) {
		return "", fmt.Errorf("socketio.Config: Forward: the node's id is %q; the ids of connections can only name a node by 16 hexadecimal digits", id)
	}
	return base64.RawURLEncoding.EncodeToString(raw), nil
}

// sidLength is the length of a connection's id with idSuffix.
const sidLength = 20 + 11

// ownerOf is the node that an id of a connection names, whether there is such a node or not.
func ownerOf(sid string) (domain.NodeID, bool) {
	if len(sid) != sidLength {
		return "", false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(sid[20:])
	if err != nil || len(raw) != 8 { // line breaks are skipped, says encoding/base64
		return "", false
	}
	return domain.NodeID(hex.EncodeToString(raw)), true
}

// checkAddress says what is wrong with an address of a node: it must be host:port, with a host that is a name or an address
// and means one machine.
func checkAddress(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil || net.JoinHostPort(host, port) != address { // brackets are for IPv6
		return fmt.Errorf("%q is no host:port", address)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("%q has no port from 1 to 65535", address)
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		if ip.IsUnspecified() || ip.IsMulticast() || ip.Zone() != "" {
			return fmt.Errorf("%q is the address of no one machine", address)
		}
		return nil
	}
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._"
	if host == "" || len(host) > 253 || strings.Trim(host, letters) != "" {
		return fmt.Errorf("%q has no host name, or one with characters that no name has", address)
	}
	return nil
}

// plug makes the settings of the engine below.
func (f *forwarder) plug(engine *engineio.Config) error {
	if engine.IDSuffix != "" || engine.Elsewhere != nil {
		return errors.New("socketio.Config: Forward needs Engine.IDSuffix and Engine.Elsewhere for itself; leave them out")
	}
	var err error
	engine.IDSuffix, err = idSuffix(f.self)
	engine.Elsewhere = f.elsewhere
	return err
}

// passedOn marks the context of a request that another node has passed on.
type passedOn struct{}

// admit lets a request in. One that bears the mark of another node must be signed by one; it is then as it was when that
// node got it, and is not passed on again. What is refused is answered.
func (f *forwarder) admit(w http.ResponseWriter, r *http.Request) (*http.Request, bool) {
	values, marked := r.Header[forwardHeader]
	if !marked {
		return r, true
	}
	remote, err := f.verify(values, r.Method, r.RequestURI, time.Now())
	if err != nil {
		f.refused.Add(1)
		f.refusals.tell(func(more string) {
			f.report(fmt.Errorf("%w: from %s: %w%s", ErrForwardSignature, r.RemoteAddr, err, more))
		})
		forbid(w, err)
		return nil, false
	}
	f.in.Add(1)
	r.Header.Del(forwardHeader)
	r = r.WithContext(context.WithValue(r.Context(), passedOn{}, true))
	r.RemoteAddr = remote
	return r, true
}

// elsewhere is engineio.Config.Elsewhere.
func (f *forwarder) elsewhere(w http.ResponseWriter, r *http.Request, sid string) bool {
	owner, ok := ownerOf(sid)
	if !ok || owner == f.self || r.Context().Value(passedOn{}) != nil {
		return false
	}
	address, ok := f.find(r.Context(), owner)
	if !ok {
		return false
	}
	err := checkAddress(address)
	if err == nil {
		err = f.pass(w, r, address)
	}
	switch {
	case err == nil:
		return true
	case errors.Is(r.Context().Err(), context.Canceled):
		// The client is gone, or this server closes.
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	}
	f.failed.Add(1)
	f.failures.tell(func(more string) {
		f.report(fmt.Errorf("%w: node %s at %s: %w%s", ErrForwardFailed, owner, address, err, more))
	})
	return false
}

// find looks up where a node is, and waits a little for one that has just begun, or that this node has not heard of because
// it has itself just begun.
func (f *forwarder) find(ctx context.Context, owner domain.NodeID) (address string, ok bool) {
	address = f.address(owner)
	if address != "" {
		return address, true
	}
	defer f.waiting.Add(-1)
	if f.waiting.Add(1) > maxWaiting {
		return "", false
	}
	self, _ := f.node.Member(ownerNamespace, f.self)
	patience := max(ownerPatience, settleTime-time.Since(self.Info.StartedAt))
	over := time.NewTimer(min(patience, settleTime))
	defer over.Stop()
	look := time.NewTicker(ownerLook)
	defer look.Stop()
	for {
		select {
		case <-look.C:
			if address = f.address(owner); address != "" {
				return address, true
			}
		case <-over.C:
			return "", false
		case <-ctx.Done():
			return "", false
		}
	}
}

// address is where a node is; empty for one that is not known.
func (f *forwarder) address(id domain.NodeID) string {
	member, _ := f.node.Member(ownerNamespace, id)
	return member.Info.Address
}

// stats returns the counts. Without a forwarder they are zero.
func (f *forwarder) stats() ForwardStats {
	if f == nil {
		return ForwardStats{}
	}
	return ForwardStats{
		Out: f.out.Load(), In: f.in.Load(), Tunnels: f.tunnels.count(), Refused: f.refused.Load(), Failed: f.failed.Load(),
	}
}

// close ends what runs through this node. Requests that wait end with the engine, before it.
func (f *forwarder) close() {
	f.tunnels.close()
	if f.own != nil {
		f.own.CloseIdleConnections()
	}
}

// brake lets one report a second through, and counts the others.
type brake struct {
	mu   sync.Mutex
	last time.Time
	held int
}

// tell calls report, with words for those that were not made since the last one, unless there was one within a second.
func (b *brake) tell(report func(more string)) {
	b.mu.Lock()
	now := time.Now()
	if now.Sub(b.last) < time.Second {
		b.held++
		b.mu.Unlock()
		return
	}
	more := ""
	if b.held > 0 {
		more = fmt.Sprintf(" (and %d more that were not told)", b.held)
	}
	b.last, b.held = now, 0
	b.mu.Unlock()
	report(more)
}
