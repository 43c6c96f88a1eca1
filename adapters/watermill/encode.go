package watermill

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/payload"
)

// Encode makes a Watermill message of a message. Its UUID is empty; a publisher that needs one sets it. The packet's
// text is copied as it is. It fails only where a value cannot be written as msgpack.
func Encode(m *domain.Message) (*message.Message, error) {
	var d Draft
	if err := d.encode(m); err != nil {
		return nil, err
	}
	metadata := make(message.Metadata, len(d.Fields))
	for _, field := range d.Fields {
		metadata[field.Name] = field.Value
	}
	// Nobody waits for this message's acknowledgement here, so it gets no channels.
	return &message.Message{Metadata: metadata, Payload: d.Payload}, nil
}

// encode makes d the draft of a message, in the memory that d has: the fields of Node.js, then ours by their names.
func (d *Draft) encode(m *domain.Message) error {
	d.UUID, d.Fields = "", append(d.Fields[:0],
		Field{FieldNode, string(m.Node)}, Field{FieldNamespace, m.Namespace}, Field{FieldKind, kindText(m.Body)})
	own := len(d.Fields)
	if m.After != "" {
		d.add(FieldAfter, string(m.After))
	}
	for name, value := range m.Headers {
		d.add(headerField(name), value)
	}
	if info := infoText(m.Body); info != nil {
		d.add(FieldInfo, string(info))
	}
	if m.Publisher != "" {
		d.add(FieldPublisher, string(m.Publisher))
		d.add(FieldSequence, strconv.FormatUint(m.Sequence, 10))
	}
	if m.Skipped != 0 {
		d.add(FieldSkipped, strconv.FormatUint(m.Skipped, 10))
	}
	if len(d.Fields) > own+1 {
		slices.SortFunc(d.Fields[own:], func(a, b Field) int { return strings.Compare(a.Name, b.Name) })
	}
	var err error
	if d.Payload, err = appendData(d.Payload[:0], m.Body); err != nil {
		return fmt.Errorf("encode a %s: %w", m.Kind(), err)
	}
	return nil
}

func (d *Draft) add(name, value string) { d.Fields = append(d.Fields, Field{name, value}) }

// envelope is a JSON text that is being put together around values, with their attachments.
type envelope struct {
	json        []byte
	attachments [][]byte
}

func (w *envelope) raw(text string) { w.json = append(w.json, text...) }

func (w *envelope) text(text string) { w.json = domain.AppendQuoted(w.json, text) }

func (w *envelope) value(v domain.Value) { w.json, w.attachments = v.AppendTo(w.json, w.attachments) }

// valueOr writes a value, and another text where there is none.
func (w *envelope) valueOr(v domain.Value, none string) {
	if v.IsZero() {
		w.raw(none)
		return
	}
	w.value(v)
}

// key writes the comma before a field that is not the object's first, and its key.
func (w *envelope) key(name string) {
	if w.json[len(w.json)-1] != '{' {
		w.json = append(w.json, ',')
	}
	w.json = append(w.json, '"')
	w.json = append(w.json, name...)
	w.json = append(w.json, '"', ':')
}

func (w *envelope) texts(texts []string) {
	w.json = append(w.json, '[')
	for i, text := range texts {
		if i > 0 {
			w.json = append(w.json, ',')
		}
		w.text(text)
	}
	w.json = append(w.json, ']')
}

// bytes is what stands in the entry: the JSON text, or msgpack where there are attachments.
func (w *envelope) bytes() ([]byte, error) {
	if len(w.attachments) == 0 {
		return w.json, nil
	}
	v, err := domain.NewEnvelope(w.json, w.attachments...)
	if err != nil {
		return nil, err
	}
	return payload.AppendMsgpack(make([]byte, 0, v.Size()+16), v)
}

// appendData writes the entry's data, in the memory that dst has, which must be empty: nothing for the kinds that have
// none. The keys are in Node.js' order.
func appendData(dst []byte, b domain.Body) ([]byte, error) {
	w := &envelope{json: slices.Grow(dst, 128+bodySize(b))}
	w.raw("{")
	switch b := b.(type) {
	case *domain.Broadcast:
		w.broadcast(b)
	case *domain.Join:
		w.target(&b.Target)
		w.key("rooms")
		w.texts(b.Rooms)
	case *domain.Leave:
		w.target(&b.Target)
		w.key("rooms")
		w.texts(b.Rooms)
	case *domain.Disconnect:
		w.target(&b.Target)
		w.key("close")
		w.json = strconv.AppendBool(w.json, b.Close)
		if b.Superseded != "" {
			w.key("superseded")
			w.text(b.Superseded)
		}
	case *domain.FetchSockets:
		w.target(&b.Target)
		w.request(b.Request)
	case *domain.FetchSocketsReply:
		w.request(b.Request)
		w.sockets(b.Sockets)
	case *domain.ServerSideEmit:
		if b.Request != "" {
			w.request(b.Request)
		}
		w.key("packet")
		w.value(b.Packet.Value())
	case *domain.ServerSideEmitReply:
		w.answer(b.Request, b.Value)
	case *domain.AckClientCount:
		w.request(b.Request)
		w.key("clientCount")
		w.json = strconv.AppendInt(w.json, int64(b.Clients), 10)
	case *domain.Ack:
		w.answer(b.Request, b.Value)
	default: // heartbeats and goodbyes
		return dst, nil
	}
	w.raw("}")
	return w.bytes()
}

// bodySize is about how many bytes a body needs besides its keys.
func bodySize(b domain.Body) int {
	switch b := b.(type) {
	case *domain.Broadcast:
		return b.Packet.Size() + 24*(len(b.Target.Rooms)+len(b.Target.Except))
	case *domain.ServerSideEmit:
		return b.Packet.Size()
	case *domain.ServerSideEmitReply:
		return b.Value.Size()
	case *domain.Ack:
		return b.Value.Size()
	case *domain.FetchSocketsReply:
		return 1024 * len(b.Sockets)
	default:
		return 0
	}
}

func (w *envelope) broadcast(b *domain.Broadcast) {
	w.raw(`"packet":{"type":2,"data":`)
	w.value(b.Packet.Value())
	if b.AckID != nil {
		w.key("id")
		w.json = strconv.AppendUint(w.json, *b.AckID, 10)
	}
	w.raw("}")
	if b.Request != "" {
		w.request(b.Request)
	}
	w.target(&b.Target)
}

func (w *envelope) request(id domain.RequestID) {
	w.key("requestId")
	w.text(string(id))
}

// answer writes the first argument of a callback; without one there is no key (JavaScript's undefined).
func (w *envelope) answer(id domain.RequestID, v domain.Value) {
	w.request(id)
	if !v.IsZero() {
		w.key("packet")
		w.value(v)
	}
}

// target writes opts. A flag that is not set has no key: Node.js takes a volatile of false for true.
func (w *envelope) target(t *domain.Target) {
	w.key("opts")
	w.raw(`{"rooms":`)
	w.texts(t.Rooms)
	w.key("except")
	w.texts(t.Except)
	w.key("flags")
	w.raw("{")
	if t.Flags.Volatile {
		w.key("volatile")
		w.raw("true")
	}
	if t.Flags.Local {
		w.key("local")
		w.raw("true")
	}
	if t.Flags.Compress != domain.CompressByDefault {
		w.key("compress")
		w.json = strconv.AppendBool(w.json, t.Flags.Compress == domain.CompressOn)
	}
	if t.Flags.ExpectSingleResponse {
		w.key("expectSingleResponse")
		w.raw("true")
	}
	if t.Flags.Timeout != 0 {
		w.key("timeout")
		w.json = appendMilliseconds(w.json, t.Flags.Timeout)
	}
	w.raw("}}")
}

// appendMilliseconds writes a duration as JavaScript counts it.
func appendMilliseconds(dst []byte, d time.Duration) []byte {
	if d%time.Millisecond == 0 {
		return strconv.AppendInt(dst, d.Milliseconds(), 10)
	}
	return domain.AppendNumber(dst, float64(d)/float64(time.Millisecond))
}

func parseMilliseconds(ms float64) time.Duration {
	ns := ms * float64(time.Millisecond)
	if ns >= math.MaxInt64 {
		return math.MaxInt64
	}
	return time.Duration(max(math.Round(ns), 0))
}
