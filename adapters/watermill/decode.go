package watermill

import (
	"bytes"
	"maps"
	"math"
	"strconv"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/payload"
)

// Decode makes a message of a Watermill message that Encode or the Node.js adapter wrote. It takes ownership of the
// payload. It is as lenient as Node.js is, but what makes a Node.js reader throw is an error here, a [*DecodeError].
func Decode(msg *message.Message) (domain.Message, error) {
	var m domain.Message
	var fields envelopeFields
	for name, value := range msg.Metadata {
		fields.set(name, value)
	}
	if err := fields.decode(&m, msg.Payload, nil, nil); err != nil {
		return domain.Message{}, err
	}
	return m, nil
}

// envelopeFields are the fields of a message besides its data.
type envelopeFields struct {
	kind, node, namespace, publisher, after, info string
	sequence, skipped                             optional

	// headers are the first few, of which there are seldom more; more has the others.
	headers [3]Field
	count   int
	more    domain.Headers
}

// optional is the text of a field that may be absent.
type optional struct {
	text string
	set  bool
}

func (f *envelopeFields) set(name, value string) {
	switch name {
	case FieldKind:
		f.kind = value
	case FieldNode:
		f.node = value
	case FieldNamespace:
		f.namespace = value
	case FieldPublisher:
		f.publisher = value
	case FieldSequence:
		f.sequence = optional{value, true}
	case FieldSkipped:
		f.skipped = optional{value, true}
	case FieldAfter:
		f.after = value
	case FieldInfo:
		f.info = value
	default:
		if header, ok := headerName(name); ok {
			f.setHeader(header, value)
		}
	}
}

// setHeader notes a header; of one that stands twice the last counts.
func (f *envelopeFields) setHeader(name, value string) {
	for i := range f.headers[:f.count] {
		if f.headers[i].Name == name {
			f.headers[i].Value = value
			return
		}
	}
	if f.count < len(f.headers) {
		f.headers[f.count] = Field{name, value}
		f.count++
		return
	}
	if f.more == nil {
		f.more = make(domain.Headers, 1)
	}
	f.more[name] = value
}

// allHeaders are the headers as a message has them: those of an earlier message where they are the same.
func (f *envelopeFields) allHeaders(names *nameCache) domain.Headers {
	few := f.headers[:f.count]
	switch {
	case f.count == 0:
		return nil
	case f.more != nil:
	case names != nil:
		return names.sameHeaders(few)
	}
	return makeHeaders(few, f.more)
}

func makeHeaders(few []Field, more domain.Headers) domain.Headers {
	all := make(domain.Headers, len(few)+len(more))
	maps.Copy(all, more)
	for _, field := range few {
		all[field.Name] = field.Value
	}
	return all
}

// decode makes a message of the fields and its data. A broadcast is put into room, where there is some.
func (f *envelopeFields) decode(m *domain.Message, data []byte, room *broadcastRoom, names *nameCache) error {
	kind, err := parseKind(f.kind)
	if err != nil {
		return err
	}
	if f.namespace == "" {
		return decodeError(FieldNamespace, "missing")
	}
	m.Node, m.Namespace = domain.NodeID(f.node), f.namespace
	m.After, m.Headers = domain.Offset(f.after), f.allHeaders(names)
	if err := f.decodeNumbers(m); err != nil {
		return err
	}
	switch kind {
	case domain.KindInitialHeartbeat, domain.KindHeartbeat, domain.KindGoodbye:
		m.Body, err = decodeBodyWithoutData(kind, f.info)
	default:
		m.Body, err = decodeData(kind, data, room, names)
	}
	return err
}

// decodeNumbers reads what a publisher adds.
func (f *envelopeFields) decodeNumbers(m *domain.Message) (err error) {
	m.Publisher = domain.PublisherID(f.publisher)
	if m.Sequence, err = f.sequence.number(FieldSequence); err != nil {
		return err
	}
	m.Skipped, err = f.skipped.number(FieldSkipped)
	return err
}

func (o optional) number(field string) (uint64, error) {
	if !o.set {
		return 0, nil
	}
	n, err := strconv.ParseUint(o.text, 10, 64)
	if err != nil {
		return 0, decodeError(field, "expected a decimal number")
	}
	return n, nil
}

func decodeBodyWithoutData(kind domain.Kind, info string) (domain.Body, error) {
	if kind == domain.KindGoodbye {
		return &domain.Goodbye{}, nil
	}
	h, err := decodeHeartbeat(info)
	if kind == domain.KindInitialHeartbeat {
		return &domain.InitialHeartbeat{Heartbeat: h}, err
	}
	return &h, err
}

// broadcastRoom is where a broadcast, the body of nearly all messages, is put together with the one room of most, so
// that it is not allocated for itself.
type broadcastRoom struct {
	body  domain.Broadcast
	rooms [1]string
}

func decodeData(kind domain.Kind, data []byte, room *broadcastRoom, names *nameCache) (domain.Body, error) {
	if len(data) == 0 {
		return nil, decodeError("data", "missing")
	}
	var whole domain.Value
	var err error
	if data[0] == '{' {
		whole, err = domain.NewEnvelope(data)
	} else {
		whole, err = payload.ParseMsgpack(data)
	}
	if err != nil {
		return nil, &DecodeError{Field: "data", Err: err}
	}
	r := &reading{whole: whole, room: room, names: names}
	if !r.isObject("data", whole.JSON()) {
		return nil, r.err
	}
	if kind == domain.KindBroadcast {
		if b := r.usualBroadcast(); b != nil {
			return b, nil
		}
	}
	body := r.body(kind)
	if r.err != nil {
		return nil, r.err
	}
	return body, nil
}

// reading is the data of one message while it is read. The first thing that is wrong is kept in err, and what is read
// after it does not count.
type reading struct {
	whole domain.Value
	room  *broadcastRoom // nil where there is none
	names *nameCache     // nil where there is none
	err   error
}

func (r *reading) fail(path, reason string) {
	if r.err == nil {
		r.err = decodeError(path, reason)
	}
}

// parts are the fields that data can have; nil where one is absent.
type parts struct {
	packet, requestID, opts, rooms, closing, sockets, clientCount []byte
	superseded                                                    []byte // ours; Node.js does not know it
}

func (r *reading) parts() (p parts) {
	for key, value := range domain.Fields(r.whole.JSON()) {
		switch string(key) {
		case "packet":
			p.packet = value
		case "requestId":
			p.requestID = value
		case "opts":
			p.opts = value
		case "rooms":
			p.rooms = value
		case "close":
			p.closing = value
		case "superseded":
			p.superseded = value
		case "sockets":
			p.sockets = value
		case "clientCount":
			p.clientCount = value
		}
	}
	return p
}

func (r *reading) body(kind domain.Kind) domain.Body {
	p := r.parts()
	switch kind {
	case domain.KindBroadcast:
		return r.broadcast(&p)
	case domain.KindJoin:
		return &domain.Join{Target: r.target(p.opts), Rooms: r.texts("data.rooms", p.rooms)}
	case domain.KindLeave:
		return &domain.Leave{Target: r.target(p.opts), Rooms: r.texts("data.rooms", p.rooms)}
	case domain.KindDisconnect:
		by, _ := r.whole.Part(p.superseded).Text() // what is no text says nothing
		return &domain.Disconnect{Target: r.target(p.opts), Close: string(p.closing) == "true", Superseded: by}
	case domain.KindFetchSockets:
		return &domain.FetchSockets{Target: r.target(p.opts), Request: r.request(p.requestID)}
	case domain.KindFetchSocketsReply:
		return &domain.FetchSocketsReply{
			Request: r.request(p.requestID), Sockets: r.sockets("data.sockets", p.sockets),
		}
	case domain.KindServerSideEmit:
		return &domain.ServerSideEmit{
			Request: r.optionalRequest(p.requestID), Packet: r.serverPacket("data.packet", p.packet),
		}
	case domain.KindServerSideEmitReply:
		return &domain.ServerSideEmitReply{Request: r.request(p.requestID), Value: r.value(p.packet)}
	case domain.KindAckClientCount:
		return &domain.AckClientCount{
			Request: r.request(p.requestID), Clients: r.count("data.clientCount", p.clientCount),
		}
	default:
		return &domain.Ack{Request: r.request(p.requestID), Value: r.value(p.packet)}
	}
}

// How nearly all broadcasts are written, by us and by Node.js: without a request, an ack and flags.
const (
	usualPacket = `{"packet":{"type":2,"data":`
	usualRooms  = `},"opts":{"rooms":`
	usualExcept = `,"except":`
	usualEnd    = `,"flags":{}}}`
)

// usualBroadcast reads a broadcast that is written in the usual way, in one go; nil for any other, whatever is wrong
// with it.
func (r *reading) usualBroadcast() *domain.Broadcast {
	rest, ok := bytes.CutPrefix(r.whole.JSON(), []byte(usualPacket))
	if !ok || rest[0] != '[' {
		return nil
	}
	event, rest := domain.CutValue(rest)
	if rest, ok = bytes.CutPrefix(rest, []byte(usualRooms)); !ok {
		return nil
	}
	rooms, rest := domain.CutValue(rest)
	if rest, ok = bytes.CutPrefix(rest, []byte(usualExcept)); !ok {
		return nil
	}
	except, rest := domain.CutValue(rest)
	if string(rest) != usualEnd {
		return nil
	}
	b := r.newBroadcast()
	b.Target = domain.Target{Rooms: r.targetRooms(rooms), Except: r.texts("data.opts.except", except)}
	b.Packet = r.packet(event)
	if r.err != nil {
		r.err = nil // the other way finds it again
		return nil
	}
	return b
}

// newBroadcast is an empty broadcast, in the room that there is for one.
func (r *reading) newBroadcast() *domain.Broadcast {
	if r.room == nil {
		r.room = &broadcastRoom{}
	}
	return &r.room.body
}

func (r *reading) packet(event []byte) domain.Packet {
	packet, err := r.whole.Part(event).Packet()
	if err != nil && r.err == nil {
		r.err = &DecodeError{Field: "data.packet.data", Err: err}
	}
	return packet
}

func (r *reading) broadcast(p *parts) *domain.Broadcast {
	b := r.newBroadcast()
	b.Target, b.Request = r.target(p.opts), r.optionalRequest(p.requestID)
	if !r.isObject("data.packet", p.packet) {
		return b
	}
	var kind, event []byte
	for key, value := range domain.Fields(p.packet) {
		switch string(key) {
		case "type":
			kind = value
		case "data":
			event = value
		case "id":
			b.AckID = r.ackID("data.packet.id", value)
		}
	}
	// 2 is an event, 5 one with attachments; nothing else is broadcast.
	if text := string(kind); text != "2" && text != "5" {
		r.fail("data.packet.type", "expected 2, an event")
	}
	if !r.isArray("data.packet.data", event) {
		return b
	}
	b.Packet = r.packet(event)
	return b
}

func (r *reading) serverPacket(path string, json []byte) domain.Packet {
	if !r.isArray(path, json) {
		return domain.Packet{}
	}
	packet, err := r.whole.Part(json).ServerPacket()
	if err != nil && r.err == nil {
		r.err = &DecodeError{Field: path, Err: err}
	}
	return packet
}

// target reads opts. Rooms and flags that are null or absent are empty, as in Node.js; opts itself must be there.
func (r *reading) target(json []byte) (t domain.Target) {
	if !r.isObject("data.opts", json) {
		return t
	}
	for key, value := range domain.Fields(json) {
		if isNull(value) {
			continue
		}
		switch string(key) {
		case "rooms":
			t.Rooms = r.targetRooms(value)
		case "except":
			t.Except = r.texts("data.opts.except", value)
		case "flags":
			t.Flags = r.flags("data.opts.flags", value)
		}
	}
	return t
}

func (r *reading) flags(path string, json []byte) (f domain.Flags) {
	if !r.isObject(path, json) {
		return f
	}
	for key, value := range domain.Fields(json) {
		switch string(key) {
		case "volatile":
			// Node.js looks for the key alone: false and null are volatile too.
			f.Volatile = true
		case "local":
			f.Local = string(value) == "true"
		case "compress":
			switch string(value) {
			case "true":
				f.Compress = domain.CompressOn
			case "false":
				f.Compress = domain.CompressOff
			}
		case "expectSingleResponse":
			f.ExpectSingleResponse = string(value) == "true"
		case "timeout":
			if ms, err := strconv.ParseFloat(string(value), 64); err == nil {
				f.Timeout = parseMilliseconds(ms)
			}
		}
	}
	return f
}

// optionalRequest reads the id of a request that may be none. Null and an empty text are none: nobody could be waiting
// for the answers.
func (r *reading) optionalRequest(json []byte) domain.RequestID {
	if json == nil || isNull(json) {
		return ""
	}
	return domain.RequestID(r.text("data.requestId", json))
}

func (r *reading) request(json []byte) domain.RequestID {
	id := r.optionalRequest(json)
	if id == "" {
		r.fail("data.requestId", "missing")
	}
	return id
}

// value is a part as a value, the zero Value where it is absent.
func (r *reading) value(json []byte) domain.Value {
	if json == nil {
		return domain.Value{}
	}
	return r.whole.Part(json)
}

func (r *reading) text(path string, json []byte) string {
	text, ok := r.whole.Part(json).Text()
	if !ok {
		r.fail(path, "expected a string")
	}
	return text
}

// texts reads an array of strings. A number among them, which JavaScript lets through, is taken by its text.
func (r *reading) texts(path string, json []byte) []string { return r.appendTexts(nil, path, json) }

// targetRooms reads the rooms of opts into the memory that there is for one.
func (r *reading) targetRooms(json []byte) []string {
	var rooms []string
	if r.room != nil {
		rooms = r.room.rooms[:0]
	}
	if rooms = r.appendTexts(rooms, "data.opts.rooms", json); len(rooms) == 0 {
		return nil
	}
	return rooms
}

func (r *reading) appendTexts(texts []string, path string, json []byte) []string {
	if !r.isArray(path, json) {
		return nil
	}
	for element := range domain.Elements(json) {
		switch c := element[0]; {
		case c == '"':
			texts = append(texts, r.name(element))
		case c == '-' || '0' <= c && c <= '9':
			texts = append(texts, string(element))
		default:
			r.fail(path, "expected an array of strings")
		}
	}
	return texts
}

// name is the text of a checked string, the same one for the same name where there is a cache.
func (r *reading) name(json []byte) string {
	inside := json[1 : len(json)-1]
	if r.names == nil || bytes.IndexByte(inside, '\\') >= 0 {
		text, _ := r.whole.Part(json).Text()
		return text
	}
	return r.names.text(inside)
}

func (r *reading) count(path string, json []byte) int {
	n, err := strconv.ParseFloat(string(json), 64)
	if err != nil || n < 0 || n != math.Trunc(n) || n > math.MaxInt32 {
		r.fail(path, "expected a number of sockets")
		return 0
	}
	return int(n)
}

// ackID reads the id of a direct emit with ack; null is none.
func (r *reading) ackID(path string, json []byte) *uint64 {
	if isNull(json) {
		return nil
	}
	n, err := strconv.ParseUint(string(json), 10, 64)
	if err != nil {
		r.fail(path, "expected a number without sign and fraction")
		return nil
	}
	return &n
}

func (r *reading) isObject(path string, json []byte) bool {
	return r.begins(path, json, '{', "expected an object")
}

func (r *reading) isArray(path string, json []byte) bool {
	return r.begins(path, json, '[', "expected an array")
}

func (r *reading) begins(path string, json []byte, with byte, reason string) bool {
	if len(json) == 0 {
		reason = "missing"
	} else if json[0] == with {
		return true
	}
	r.fail(path, reason)
	return false
}
