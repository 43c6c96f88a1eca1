package engineio

import (
	"crypto/tls"
	"net/http"
	"net/url"
	"time"
)

// Handler is told of new connections. One Handler serves a whole Server.
type Handler interface {
	// Open is called once for each new connection, before anything that the
	// client sends is looked at. What is sent on c inside Open reaches the
	// client with the handshake. The returned Receiver, which must not be nil,
	// gets all that follows.
	Open(c *Conn) Receiver
}

// Receiver gets what one connection receives. Its methods are never called at
// the same time as each other, and must not panic. They may call all methods
// of the Conn, but not Server.Close, which would wait for them.
type Receiver interface {
	// Message hands over one message, text or binary, in the order in which
	// the client sent them. data belongs to the receiver. Message may block:
	// the client's next messages wait meanwhile, in the network; nobody else
	// does. Its pongs wait there too, for which a single Message gets three
	// times PingTimeout beyond the usual; after that the connection is closed
	// with ReasonPingTimeout. A Message that waits should heed Conn.Done.
	Message(data []byte, binary bool)
	// Close is called exactly once, after the last Message has returned. err is
	// the cause, where there is more to say than the reason does; else nil.
	Close(reason Reason, err error)
}

// UpgradeReceiver is what a Receiver may be besides, to be told when WebSocket has
// replaced polling: what Node.js has the event "upgrade" for. The rules for the
// methods of Receiver hold for it too. A Message that is under way, and some that
// came over the WebSocket already, may be handed over before.
type UpgradeReceiver interface {
	Upgraded()
}

// Handshake is what is known of the request that opened a connection.
type Handshake struct {
	// Method, URL, Host, Header and RemoteAddr are those of the http.Request.
	Method     string
	URL        *url.URL
	Host       string
	Header     http.Header
	RemoteAddr string
	// Time is when the request was handled.
	Time time.Time
	// TLS is nil when the request came over plain HTTP.
	TLS *tls.ConnectionState
}
