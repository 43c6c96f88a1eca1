package redisstream

import (
	"encoding/base64"
	"fmt"
	"maps"
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
	list, err := appendFields(nil, m)
	if err != nil {
		return nil, err
	}
	values := make(map[string]any, len(list)/2)
	for i := 0; i < len(list); i += 2 {
		values[list[i]] = list[i+1]
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

// firstFields are those of the Node.js adapter, in its order; its data come next.
var firstFields = [...]string{watermill.FieldNode, watermill.FieldNamespace, watermill.FieldKind}

// appendFields appends the names and values of a message's fields.
func appendFields(dst []string, m *message.Message) ([]string, error) {
	if _, ok := m.Metadata[FieldData]; ok {
		return nil, fmt.Errorf("the metadata %q is the name of the payload's field: use another", FieldData)
	}
	left := len(m.Metadata)
	for _, name := range firstFields {
		if value, ok := m.Metadata[name]; ok {
			dst = append(dst, name, value)
			left--
		}
	}
	if len(m.Payload) > 0 {
		dst = append(dst, FieldData, encodePayload(m.Payload))
	}
	if m.UUID != "" {
		dst = append(dst, FieldUUID, m.UUID)
	}
	if left == 0 {
		return dst, nil
	}
	start := len(dst)
	for name, value := range m.Metadata {
		if name != MetadataOffset && name != FieldUUID && !slices.Contains(firstFields[:], name) {
			dst = append(dst, name, value)
		}
	}
	if len(dst) > start+2 {
		sortFields(dst[start:])
	}
	return dst, nil
}

// sortFields puts pairs of names and values in the order of the names.
func sortFields(pairs []string) {
	byName := make(map[string]string, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		byName[pairs[i]] = pairs[i+1]
	}
	for i, name := range slices.Sorted(maps.Keys(byName)) {
		pairs[2*i], pairs[2*i+1] = name, byName[name]
	}
}

func encodePayload(data []byte) string {
	if data[0] == '{' {
		return string(data)
	}
	return base64.StdEncoding.EncodeToString(data)
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
