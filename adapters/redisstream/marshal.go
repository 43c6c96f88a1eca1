package redisstream

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/roombus/roombus/adapters/watermill"
)

const (
	// FieldData is the field of a message's payload: text where it begins with a brace, base64 otherwise.
	FieldData = "data"
	// FieldUUID is the field of a message's UUID; absent when that is empty. It is the one of watermill-redisstream.
	FieldUUID = "_watermill_message_uuid"
	// MetadataOffset is the metadata in which the id of an entry is handed to who published and who received it. It
	// is never stored.
	MetadataOffset = "roombus_offset"
)

// Marshaller turns Watermill messages into the fields of a stream entry, and back: the metadata are fields of their
// own, those of the Node.js adapter first. It implements the Marshaller and Unmarshaller of watermill-redisstream, so
// that its consumer groups can read our streams. A message without UUID gets one of its publisher and number.
type Marshaller struct{}

// Marshal returns the fields of a message.
func (Marshaller) Marshal(_ string, m *message.Message) (map[string]any, error) {
	if _, ok := m.Metadata[FieldData]; ok {
		return nil, errMetadata
	}
	values := make(map[string]any, len(m.Metadata)+2)
	for name, value := range m.Metadata {
		if name != MetadataOffset && name != FieldUUID {
			values[name] = value
		}
	}
	if len(m.Payload) > 0 {
		values[FieldData] = encodePayload(m.Payload)
	}
	if m.UUID != "" {
		values[FieldUUID] = m.UUID
	}
	return values, nil
}

// Unmarshal returns the message of an entry's fields.
func (Marshaller) Unmarshal(values map[string]any) (*message.Message, error) {
	m, err := unmarshal(values)
	if err != nil {
		return nil, err
	}
	full := message.NewMessage(uuid(m), m.Payload)
	full.Metadata = m.Metadata
	return full, nil
}

var errMetadata = fmt.Errorf("the metadata %q is the name of the payload's field: use another", FieldData)

// firstFields are those of the Node.js adapter, in its order; its data come next.
var firstFields = [...]string{watermill.FieldNode, watermill.FieldNamespace, watermill.FieldKind}

func isFirst(name string) bool { return slices.Contains(firstFields[:], name) }

// draft makes d the draft of a Watermill message, in the memory that d has: the fields of the Node.js adapter first,
// the others by their names.
func draft(d *watermill.Draft, m *message.Message) {
	d.UUID, d.Payload, d.Fields = m.UUID, m.Payload, d.Fields[:0]
	for _, name := range firstFields {
		if value, ok := m.Metadata[name]; ok {
			d.Fields = append(d.Fields, watermill.Field{Name: name, Value: value})
		}
	}
	first := len(d.Fields)
	if first == len(m.Metadata) {
		return
	}
	for name, value := range m.Metadata {
		if !isFirst(name) {
			d.Fields = append(d.Fields, watermill.Field{Name: name, Value: value})
		}
	}
	slices.SortFunc(d.Fields[first:], func(a, b watermill.Field) int { return strings.Compare(a.Name, b.Name) })
}

func encodePayload(data []byte) string {
	if data[0] == '{' {
		return string(data)
	}
	return base64.StdEncoding.EncodeToString(data)
}

// appendPayload appends a payload as a word of a command.
func appendPayload(dst, data []byte) []byte {
	if data[0] == '{' {
		return appendWord(dst, data)
	}
	dst = appendNumber(dst, '$', base64.StdEncoding.EncodedLen(len(data)))
	dst = base64.StdEncoding.AppendEncode(dst, data)
	return append(dst, '\r', '\n')
}

// unmarshal is Unmarshal for a message that nobody acknowledges.
func unmarshal(values map[string]any) (*message.Message, error) {
	m := &message.Message{Metadata: make(message.Metadata, len(values))}
	for name, value := range values {
		text, ok := value.(string)
		if !ok {
			return nil, fmt.Errorf("field %s: expected text, found %T", name, value)
		}
		switch name {
		case FieldData:
			data, err := decodePayload(text)
			if err != nil {
				return nil, &watermill.DecodeError{Field: FieldData, Err: err}
			}
			m.Payload = data
		case FieldUUID:
			m.UUID = text
		default:
			m.Metadata[name] = text
		}
	}
	return m, nil
}

// decodePayload takes base64 with either alphabet, with or without padding, as Node.js does.
func decodePayload(text string) ([]byte, error) {
	if text == "" || text[0] == '{' {
		return []byte(text), nil
	}
	text = strings.TrimRight(text, "=")
	encoding := base64.RawStdEncoding
	if strings.ContainsAny(text, "-_") {
		text = strings.NewReplacer("+", "-", "/", "_").Replace(text)
		encoding = base64.RawURLEncoding
	}
	data, err := encoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("neither JSON text nor base64: %w", err)
	}
	return data, nil
}

// uuid is the UUID that a message is known by: its own, or one of its publisher and number.
func uuid(m *message.Message) string {
	if m.UUID != "" {
		return m.UUID
	}
	if publisher := m.Metadata[watermill.FieldPublisher]; publisher != "" {
		return publisher + "-" + m.Metadata[watermill.FieldSequence]
	}
	return ""
}
