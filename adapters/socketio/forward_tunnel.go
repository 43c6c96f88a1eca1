package socketio

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// tunnelStall is how long one side of a tunnel may take nothing while the other sends: about as long as a client may
	// leave a ping unanswered. Then both are closed.
	tunnelStall = 45 * time.Second
	// tunnelClosing is how long one side may still send when the other has ended.
	tunnelClosing = 5 * time.Second
	// tunnelBuffer is what an idle tunnel keeps for each direction; tunnelBurst is what it borrows while more comes.
	tunnelBuffer = 1 << 10
	tunnelBurst  = 32 << 10
)

// tunnel is a WebSocket between a client that is connected to this node and the node that has its connection. Bytes are
// passed on as they are: what they mean is the owner's affair.
type tunnel struct {
	client net.Conn
	owner  io.ReadWriteCloser
	once   sync.Once
	sides  atomic.Int32 // that have not ended
}

// tunnel makes a tunnel of an answer that has switched protocols. Its error is errTunnelled when the client has its answer.
func (p *passage) tunnel(res *http.Response) error {
	owner, ok := res.Body.(io.ReadWriteCloser)
	if !ok {
		return fmt.Errorf("Forward.Transport has returned a WebSocket that cannot be written to (%T)", res.Body)
	}
	res.Body = http.NoBody // httputil.ReverseProxy closes it
	client, buffered, err := p.control.Hijack()
	if err != nil {
		return errors.Join(fmt.Errorf("take over the client's connection: %w", err), owner.Close())
	}
	p.out.Add(1)
	t := &tunnel{client: client, owner: owner}
	if !p.tunnels.add(t) {
		return errTunnelled // this server closes
	}
	if err := t.begin(p.w.Header(), res, buffered.Reader.Buffered(), buffered.Reader); err != nil {
		t.close() // and so ends
	}
	p.tunnels.run(t)
	return errTunnelled
}

// begin writes the answer to the client, and to the owner what the client has sent already.
func (t *tunnel) begin(own http.Header, res *http.Response, early int, from io.Reader) error {
	maps.Copy(own, res.Header)
	var head bytes.Buffer
	answer := http.Response{StatusCode: res.StatusCode, ProtoMajor: 1, ProtoMinor: 1, Header: own}
	if err := answer.Write(&head); err != nil {
		return err
	}
	stalled := time.AfterFunc(tunnelStall, t.close)
	defer stalled.Stop()
	if _, err := t.client.Write(head.Bytes()); err != nil {
		return err
	}
	if early == 0 {
		return nil
	}
	_, err := io.CopyN(t.owner, from, int64(early))
	return err
}

// close ends both sides.
func (t *tunnel) close() {
	t.once.Do(func() {
		// Neither has anything left to say that could be lost: what was read was written.
		_ = t.client.Close()
		_ = t.owner.Close()
	})
}

// copy passes on what one side sends until it ends, or until the other does not take it. It keeps little while nothing
// comes.
func (t *tunnel) copy(to io.Writer, from io.Reader) error {
	small := make([]byte, tunnelBuffer)
	buffer := small
	stalled := time.AfterFunc(tunnelStall, t.close)
	defer stalled.Stop()
	for {
		stalled.Stop()
		n, err := from.Read(buffer)
		if n > 0 {
			stalled.Reset(tunnelStall)
			if _, err := to.Write(buffer[:n]); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
		switch full, borrowed := n == len(buffer), len(buffer) > tunnelBuffer; {
		case full && !borrowed:
			buffer = bursts.Get()
		case !full && borrowed:
			bursts.Put(buffer)
			buffer = small
		}
	}
}

// bursts are the buffers of tunnels and of answers while they are passed on.
var bursts httputil.BufferPool = &burstPool{}

// burstPool is a httputil.BufferPool.
type burstPool struct{ pool sync.Pool }

// Get returns a buffer of tunnelBurst bytes.
func (p *burstPool) Get() []byte {
	if b, ok := p.pool.Get().(*[tunnelBurst]byte); ok {
		return b[:]
	}
	return make([]byte, tunnelBurst)
}

// Put gives one back.
func (p *burstPool) Put(b []byte) { p.pool.Put((*[tunnelBurst]byte)(b)) }

// pass passes on what one side sends, and when that has ended, gives the other a while to say the rest.
func (t *tunnel) pass(to io.Writer, from io.Reader) {
	if err := t.copy(to, from); !errors.Is(err, io.EOF) {
		t.close()
		return
	}
	half, ok := to.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		t.close()
		return
	}
	time.AfterFunc(tunnelClosing, t.close)
}

// tunnels are those that run through this node.
type tunnels struct {
	mu      sync.Mutex
	open    map[*tunnel]struct{}
	closed  bool
	running sync.WaitGroup
}

// add notes a tunnel; false means that it was closed, because all are.
func (ts *tunnels) add(t *tunnel) bool {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.closed {
		t.close()
		return false
	}
	if ts.open == nil {
		ts.open = make(map[*tunnel]struct{})
	}
	ts.open[t] = struct{}{}
	ts.running.Add(2)
	return true
}

// run lets a tunnel that was added run until both of its sides have ended.
func (ts *tunnels) run(t *tunnel) {
	end := func() {
		if t.sides.Add(-1) == 0 {
			t.close()
			ts.mu.Lock()
			delete(ts.open, t)
			ts.mu.Unlock()
		}
		ts.running.Done()
	}
	t.sides.Store(2)
	go func() { defer end(); t.pass(t.owner, t.client) }()
	go func() { defer end(); t.pass(t.client, t.owner) }()
}

func (ts *tunnels) count() int {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return len(ts.open)
}

// all are the tunnels that there are.
func (ts *tunnels) all() []*tunnel {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return slices.Collect(maps.Keys(ts.open))
}

// close closes all, lets no more in, and waits until they have ended.
func (ts *tunnels) close() {
	ts.mu.Lock()
	ts.closed = true
	ts.mu.Unlock()
	for _, t := range ts.all() {
		t.close()
	}
	ts.running.Wait()
}
