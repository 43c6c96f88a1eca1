package redisstream

import (
	"encoding/binary"
	"errors"
	"slices"
	"strconv"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/roombus/roombus/adapters/watermill"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/payload"
)

// The heads of a msgpack map.
const msgpackFixMap, msgpackMap16 = 0x80, 0xde

// encodeChannel makes the payload of a message: the msgpack map {type, data, uid, nsp} of the 0.3 line of the Node.js
// adapter, with our own fields (after, headers) behind.
func encodeChannel(m *domain.Message) ([]byte, error) {
	encoded, err := watermill.Encode(m)
	if err != nil {
		return nil, err
	}
	own := make([]string, 0, len(encoded.Metadata))
	for field := range encoded.Metadata {
		switch field {
		case watermill.FieldNode, watermill.FieldNamespace, watermill.FieldKind,
			watermill.FieldPublisher, watermill.FieldSequence, watermill.FieldSkipped:
		default:
			own = append(own, field)
		}
	}
	slices.Sort(own)
	fields := 3 + len(own)
	if len(encoded.Payload) > 0 {
		fields++
	}
	w := &payloadWriter{bytes: make([]byte, 0, 128+len(encoded.Payload))}
	w.begin(fields)
	w.text("type")
	w.bytes = append(w.bytes, byte(m.Kind())) // a fixint: there are thirteen
	if len(encoded.Payload) > 0 {
		w.text("data")
		w.data(encoded.Payload)
	}
	for _, field := range append([]string{watermill.FieldNode, watermill.FieldNamespace}, own...) {
		w.text(field)
		w.text(encoded.Metadata[field])
	}
	return w.bytes, w.err
}

// payloadWriter puts msgpack together; the first error is kept.
type payloadWriter struct {
	bytes []byte
	err   error
}

func (w *payloadWriter) begin(fields int) {
	if fields < 16 {
		w.bytes = append(w.bytes, msgpackFixMap|byte(fields))
		return
	}
	w.bytes = binary.BigEndian.AppendUint16(append(w.bytes, msgpackMap16), uint16(fields))
}

func (w *payloadWriter) value(v domain.Value) {
	var err error
	if w.bytes, err = payload.AppendMsgpack(w.bytes, v); w.err == nil {
		w.err = err
	}
}

func (w *payloadWriter) text(text string) { w.value(domain.TextValue(text)) }

// data writes an entry's data, which is JSON, or msgpack where it has binary in it.
func (w *payloadWriter) data(data []byte) {
	if data[0] != '{' {
		w.bytes = append(w.bytes, data...)
		return
	}
	v, err := domain.NewEnvelope(data)
	if err != nil {
		w.err = errors.Join(w.err, err)
		return
	}
	w.value(v)
}

// decodeChannel reads a payload. It refuses what Node.js would drop or choke on, as the reader of the stream does.
func decodeChannel(raw []byte) (*domain.Message, error) {
	whole, err := payload.ParseMsgpack(raw)
	if err != nil {
		return nil, &watermill.DecodeError{Field: "payload", Err: err}
	}
	if json := whole.JSON(); len(json) == 0 || json[0] != '{' {
		return nil, &watermill.DecodeError{Field: "payload", Err: errors.New("expected a map")}
	}
	msg := &message.Message{Metadata: make(message.Metadata, 8)}
	for key, value := range domain.Fields(whole.JSON()) {
		if err := readField(msg, string(key), whole.Part(value)); err != nil {
			return nil, &watermill.DecodeError{Field: string(key), Err: err}
		}
	}
	m, err := watermill.Decode(msg)
	if err != nil {
		return nil, err
	}
	return &m, nil
}

func readField(msg *message.Message, key string, value domain.Value) (err error) {
	switch key {
	case watermill.FieldKind:
		number := string(value.JSON())
		if _, err := strconv.ParseUint(number, 10, 8); err != nil {
			return errors.New("expected a number")
		}
		msg.Metadata[key] = number
	case "data":
		switch {
		case string(value.JSON()) == "null":
		case len(value.Attachments()) == 0:
			msg.Payload = value.JSON()
		default:
			msg.Payload, err = payload.AppendMsgpack(nil, value)
		}
	case watermill.FieldPublisher, watermill.FieldSequence, watermill.FieldSkipped:
		// Numbers are the stream's.
	default:
		if text, ok := value.Text(); ok {
			msg.Metadata[key] = text
		}
	}
	return err
}
