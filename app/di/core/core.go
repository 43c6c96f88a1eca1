// Package core has the part of an application that does not depend on its transport, as a set for google/wire: a node,
// a Socket.IO server over it, and tracing around its ports.
//
// A program's injector names [Set] and the set of one transport, app/di/memory or app/di/redis. That one line is all
// that changes between them; package di has both injectors.
package core

import (
	"errors"

	"github.com/google/wire"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/app/di/measure"
	"github.com/roombus/roombus/metrics"
	"github.com/roombus/roombus/ports"
	"github.com/roombus/roombus/tracing"
)

// Set provides an [*Application] out of a [Config] and the ports of a transport.
var Set = wire.NewSet(NewTracer, NewMeters, NewNode, NewServer, wire.Struct(new(Application), "*"))

// Config is what an application can be told. The zero Config works.
type Config struct {
	// Broker is for the transport; each takes from it what it understands.
	Broker Broker
	// Node is the node's.
	Node app.Config
	// Server is the Socket.IO server's.
	Server socketio.Config
	// Tracing is the tracer's; by default it uses OpenTelemetry's global provider, which makes no spans until the
	// application sets another. Its Node is Node.Name where it is empty.
	Tracing tracing.Config
	// Metrics is the meters'; by default they use OpenTelemetry's global provider, which measures nothing until the
	// application sets another.
	Metrics metrics.Config
}

// Broker is where the messages of a cluster go through.
type Broker struct {
	// URL is the broker's address; for a transport that needs one.
	URL string
	// Stream is the name of the stream; default: the transport's.
	Stream string
	// MaxLength is about how many entries the log keeps; default: the transport's.
	MaxLength int
	// Streams is among how many streams the namespaces are divided; default: the transport's.
	Streams int
	// PubSub says whether requests and answers have a lane of their own: "off", "plain" or "sharded"; default: the
	// transport's.
	PubSub string
	// OnWarning, if set, is told what the transport finds at start that can lose messages later.
	OnWarning func(warning string)
}

// Transport is what connects the nodes of a cluster, as far as an application has to close it.
type Transport interface {
	Close() error
}

// Application is what a program works with. Register handlers with the server, then run the node, then listen; in the
// end close it.
type Application struct {
	Node      *app.Node
	Server    *socketio.Server
	Transport Transport
}

// Close closes the server, the node and the transport, in this order, so that the last messages of clients still go
// out. The injector's cleanup does the same and keeps the errors to itself; calling both does no harm.
func (a *Application) Close() error {
	return errors.Join(a.Server.Close(), a.Node.Close(), a.Transport.Close())
}

// NewTracer makes what traces a node and its server.
func NewTracer(config Config) (*tracing.Tracer, error) {
	if config.Tracing.Node == "" {
		config.Tracing.Node = config.Node.Name
	}
	return tracing.New(config.Tracing)
}

// NewMeters makes what measures a node and its server. The cleanup ends that.
func NewMeters(config Config) (*metrics.Meters, func(), error) {
	meters, err := metrics.New(config.Metrics)
	if err != nil {
		return nil, nil, err
	}
	return meters, func() { _ = meters.Close() }, nil // only the last collecting could fail
}

// NewNode makes a node whose ports are traced and measured. The cleanup closes it.
func NewNode(
	config Config, tracer *tracing.Tracer, meters *metrics.Meters,
	log ports.Log, channel ports.Channel, sessions ports.Sessions,
) (*app.Node, func(), error) {
	config.Node.Observer = tracer.Observer(meters.Observer(config.Node.Observer))
	// The meters are inside, so that what they measure can be told together with the span.
	node, err := app.NewNode(tracer.Log(meters.Log(log)), tracer.Channel(meters.Channel(channel)), sessions, config.Node)
	if err != nil {
		return nil, nil, err
	}
	return node, func() { _ = node.Close() }, nil // Application.Close returns the error
}

// NewServer makes a Socket.IO server, traced unless its Config has an interceptor already, and attaches it to the node.
// Its numbers and the node's are measured from then on. The cleanup closes it.
func NewServer(
	config Config, tracer *tracing.Tracer, meters *metrics.Meters, node *app.Node,
) (*socketio.Server, func(), error) {
	if config.Server.Interceptor == nil {
		config.Server.Interceptor = tracer.Interceptor()
	}
	server, err := socketio.NewServer(node, config.Server)
	if err != nil {
		return nil, nil, err
	}
	meters.Read(measure.Of(node, server))
	return server, func() { _ = server.Close() }, nil // Application.Close returns the error
}
