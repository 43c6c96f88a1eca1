package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/cmd/roombus/internal/logview"
	"github.com/roombus/roombus/cmd/roombus/internal/text"
	"github.com/roombus/roombus/diagnostics"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/tracing"
)

// emit emits an event, or performs a room operation.
type emit struct {
	namespace   string
	rooms       list
	except      list
	volatile    bool
	join        list
	leave       list
	disconnect  string
	all         bool
	traceParent string
	serverSide  bool

	stdin     io.Reader // default: the standard input
	arguments []string
}

func (*emit) about() about {
	return about{
		does: "emits an event to the sockets of a cluster, or changes their rooms, as Socket.IO's emitters do: it is\n" +
			"no node, and reads no answers.",
		usage: "[flags] event [argument ...]\n" +
			"       roombus emit [flags] --join room | --leave room | --disconnect namespace | --disconnect connection",
		flagsFirst: true,
		more: "Each argument is JSON (a text needs its quotes: '\"hello\"'), @file for a binary with what is in the file, - for JSON\n" +
			"from the standard input, or @- for a binary from there. The flags come before the event.\n\n" +
			"Without --room it goes to all sockets of the namespace. It prints the message's offset in the log, and the id of its\n" +
			"trace, with which `roombus trace` shows where it was delivered. Its spans are exported where OTEL_TRACES_EXPORTER or\n" +
			"OTEL_EXPORTER_OTLP_ENDPOINT says so, as with serve.",
	}
}

func (e *emit) declare(f *flag.FlagSet) {
	f.StringVar(&e.namespace, "namespace", "/", "the `namespace` of the sockets")
	f.Var(&e.rooms, "room", "a `room` whose sockets are meant; a socket's id is a room; may be given several times")
	f.Var(&e.except, "except", "a `room` whose sockets are not meant; may be given several times")
	f.BoolVar(&e.volatile, "volatile", false, "clients that cannot take it at once do without, and it is not recovered")
	f.Var(&e.join, "join", "instead of an event: a `room` that the sockets join; may be given several times")
	f.Var(&e.leave, "leave", "instead of an event: a `room` that the sockets leave; may be given several times")
	f.StringVar(&e.disconnect, "disconnect", "", "instead of an event: disconnect the sockets from the namespace, or close their connections: the `word` namespace or connection")
	f.BoolVar(&e.all, "all", false, "with --disconnect and without --room: yes, all sockets of the namespace")
	f.BoolVar(&e.serverSide, "server-side", false, "emit to the application on every node (serverSideEmit) instead of to sockets")
	f.StringVar(&e.traceParent, "traceparent", "", "the W3C `traceparent` of the span that this continues, such as 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 (default: a new trace)")
}

func (e *emit) check(args []string) error {
	e.arguments = args
	operations := 0
	for _, is := range []bool{len(e.join) > 0, len(e.leave) > 0, e.disconnect != ""} {
		if is {
			operations++
		}
	}
	switch {
	case e.namespace == "" || e.namespace[0] != '/':
		return fmt.Errorf("--namespace is %q; a namespace begins with a slash", e.namespace)
	case e.disconnect != "" && e.disconnect != "namespace" && e.disconnect != "connection":
		return fmt.Errorf("--disconnect is %q; it must be namespace or connection", e.disconnect)
	case operations > 1:
		return errors.New("--join, --leave and --disconnect are one message each: call it once for each")
	case operations == 1 && (len(args) > 0 || e.volatile || e.serverSide):
		return errors.New("--join, --leave and --disconnect stand for a message of their own: without an event, --volatile and --server-side")
	case e.disconnect != "" && len(e.rooms) == 0 && !e.all:
		return errors.New("--disconnect without --room means all sockets of the namespace: add --all if it shall")
	case e.all && (e.disconnect == "" || len(e.rooms) > 0):
		return errors.New("--all is for --disconnect without --room alone")
	case operations == 0 && len(args) == 0:
		return errors.New("which event? Its name comes after the flags, and then its arguments")
	case e.serverSide && (e.volatile || len(e.rooms) > 0 || len(e.except) > 0):
		return errors.New("--server-side goes to the application on every node: without --room, --except and --volatile")
	}
	if len(args) > 0 && strings.HasPrefix(args[0], "--") {
		return fmt.Errorf("the event is %q: flags come before the event, and there is none of this name", args[0])
	}
	inputs := 0
	for i, arg := range args {
		if i > 0 && (arg == "-" || arg == "@-") {
			inputs++
		}
	}
	if inputs > 1 {
		return errors.New("the standard input can be one argument, not several")
	}
	_, err := e.parent(context.Background())
	return err
}

// parent is a context with the span that is continued.
func (e *emit) parent(ctx context.Context) (context.Context, error) {
	if e.traceParent == "" {
		return ctx, nil
	}
	ctx = propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": e.traceParent})
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return ctx, fmt.Errorf("--traceparent is %q; it must be like 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", e.traceParent)
	}
	return ctx, nil
}

// emitted is what is printed.
type emitted struct {
	Offset      domain.Offset `json:"offset"`
	Stream      string        `json:"stream"`
	Namespace   string        `json:"namespace"`
	Kind        string        `json:"kind"`
	Trace       string        `json:"trace,omitempty"`
	TraceParent string        `json:"traceparent,omitempty"`
}

func (e *emit) run(ctx context.Context, s *session) error {
	body, err := e.body()
	if err != nil {
		return err
	}
	ctx, err = e.parent(ctx)
	if err != nil {
		return err
	}
	provider, shutdown, err := traces(ctx, remembered())
	if err != nil {
		return err
	}
	if err := s.connect(ctx); err != nil {
		return err
	}
	states, err := s.look(ctx)
	if err != nil {
		return err
	}
	s.warnOfNothing(states)
	tracer, err := tracing.New(tracing.Config{TracerProvider: provider, Node: "roombus emit"})
	if err != nil {
		return err
	}
	emitter, err := app.NewEmitter(tracer.Log(s.transport.Log()))
	if err != nil {
		return err
	}
	ctx, span := provider.Tracer("github.com/roombus/roombus/cmd/roombus").Start(ctx, "roombus emit")
	at, err := e.publish(ctx, emitter, body)
	span.End()
	if err != nil {
		return errors.Join(explained(err), shutdown(ctx))
	}
	if err := e.print(s, body, at, span.SpanContext()); err != nil {
		return err
	}
	if err := shutdown(ctx); err != nil {
		return fmt.Errorf("the message is in the log, but its spans could not be exported: %w", err)
	}
	return nil
}

// explained says what an outcome that is no success means.
func explained(err error) error {
	if errors.Is(err, domain.ErrUnknown) {
		return fmt.Errorf("it is not known whether the message is in the log: `roombus tail --since 1m --no-follow` shows it if it is: %w", err)
	}
	return err
}

// remembered makes the nodes remember the trace of what is emitted by hand, whatever their rates are: somebody will ask for
// it. The choice travels with the trace.
func remembered() *diagnosis {
	return &diagnosis{recorder: diagnostics.NewRecorder(diagnostics.Config{TracesPerSecond: -1}), spans: true}
}

func (e *emit) publish(ctx context.Context, emitter *app.Emitter, body domain.Body) (domain.Offset, error) {
	switch body := body.(type) {
	case *domain.Broadcast:
		return emitter.Broadcast(ctx, e.namespace, body.Target, body.Packet)
	case *domain.ServerSideEmit:
		return emitter.ServerSideEmit(ctx, e.namespace, body.Packet)
	case domain.RoomOperation:
		return emitter.Operate(ctx, e.namespace, body)
	default:
		return "", fmt.Errorf("%w: nothing to publish", domain.ErrNotPublished)
	}
}

func (e *emit) print(s *session, body domain.Body, at domain.Offset, span trace.SpanContext) error {
	did := emitted{
		Offset: at, Stream: s.transport.StreamOf(e.namespace), Namespace: e.namespace, Kind: logview.KindName(body.Kind()),
	}
	if span.IsValid() {
		did.Trace = span.TraceID().String()
		did.TraceParent = fmt.Sprintf("00-%s-%s-%s", span.TraceID(), span.SpanID(), span.TraceFlags())
	}
	if s.json {
		line, err := json.Marshal(did)
		if err != nil {
			return fmt.Errorf("write the outcome as JSON: %w", err)
		}
		return writeJSONLine(s.out, line)
	}
	line := "offset " + s.palette.Paint(text.Strong, string(at)) + "\n"
	if did.Trace != "" {
		line += "trace  " + did.Trace + "\n"
	}
	_, err := io.WriteString(s.out, line)
	return err
}

// body is the message's body, out of flags and arguments.
func (e *emit) body() (domain.Body, error) {
	target := domain.Target{Rooms: e.rooms, Except: e.except, Flags: domain.Flags{Volatile: e.volatile}}
	switch {
	case len(e.join) > 0:
		return &domain.Join{Target: target, Rooms: e.join}, nil
	case len(e.leave) > 0:
		return &domain.Leave{Target: target, Rooms: e.leave}, nil
	case e.disconnect != "":
		return &domain.Disconnect{Target: target, Close: e.disconnect == "connection"}, nil
	}
	array := append([]byte{'['}, domain.TextValue(e.arguments[0]).JSON()...)
	var attachments [][]byte
	for i, arg := range e.arguments[1:] {
		v, err := e.argument(arg)
		if err != nil {
			return nil, &usageError{fmt.Sprintf("argument %d of the event, %s: %v", i+1, quoted(arg), err)}
		}
		array, attachments = v.AppendTo(append(array, ','), attachments)
	}
	array = append(array, ']')
	if e.serverSide {
		packet, err := domain.NewServerPacket(array, attachments...)
		if err != nil {
			return nil, &usageError{fmt.Sprintf("the event %s: %v", text.Name(e.arguments[0]), err)}
		}
		return &domain.ServerSideEmit{Packet: packet}, nil
	}
	packet, err := domain.NewPacket(array, attachments...)
	if err != nil {
		return nil, &usageError{fmt.Sprintf("the event %s: %v", text.Name(e.arguments[0]), err)}
	}
	return &domain.Broadcast{Target: target, Packet: packet}, nil
}

// maxArgument is how large an argument may be: the log would take more, and no client would.
const maxArgument = 16 << 20

// argument is an argument's value.
func (e *emit) argument(arg string) (domain.Value, error) {
	data := []byte(arg)
	file, binary := strings.CutPrefix(arg, "@")
	if binary || arg == "-" {
		var err error
		if data, err = e.content(file); err != nil {
			return domain.Value{}, err
		}
	}
	if binary {
		return domain.NewValue(domain.AppendPlaceholder(nil, 0), data)
	}
	v, err := domain.NewValue(data)
	switch {
	case err == nil:
		return v, nil
	case strings.HasPrefix(arg, "--"):
		return v, errors.New("it is no JSON; if it is a flag, it comes before the event")
	case arg == "-":
		return v, fmt.Errorf("the standard input is no JSON: %w", err)
	default:
		return v, fmt.Errorf(`it is no JSON (a text needs its quotes: '"hello"'): %w`, err)
	}
}

// content is what is in a file, or the standard input for -.
func (e *emit) content(file string) ([]byte, error) {
	from := e.stdin
	if from == nil {
		from = os.Stdin
	}
	if file != "-" {
		opened, err := os.Open(file) //nolint:gosec // the file that was asked for
		if err != nil {
			return nil, err
		}
		defer opened.Close()
		from = opened
	}
	data, err := io.ReadAll(io.LimitReader(from, maxArgument+1))
	switch {
	case err != nil:
		return nil, err
	case len(data) > maxArgument:
		return nil, fmt.Errorf("it has more than %s", text.Bytes(maxArgument))
	}
	return data, nil
}
