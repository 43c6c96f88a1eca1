package nodejs

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Args are the arguments of an event or of an acknowledgement, each as the JSON
// that JavaScript wrote. Binary data stands in them as {"$bin": "base64"}.
type Args []json.RawMessage

// String is the arguments as one JSON array, without blanks: `["a",1]`.
func (a Args) String() string {
	var b bytes.Buffer
	b.WriteByte('[')
	for i, arg := range a {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(arg)
	}
	b.WriteByte(']')
	return b.String()
}

// Decode stores the arguments, in their order, in what the pointers point to. It
// returns an error if there are fewer arguments than pointers, or one does not fit.
func (a Args) Decode(into ...any) error {
	if len(a) < len(into) {
		return fmt.Errorf("there are %d arguments, not %d: %s", len(a), len(into), a)
	}
	for i, target := range into {
		if err := json.Unmarshal(a[i], target); err != nil {
			return fmt.Errorf("argument %d of %s: %w", i, a, err)
		}
	}
	return nil
}

// Binary is binary data inside arguments: a Buffer on the Node.js side.
type Binary []byte

type binaryJSON struct {
	Bin []byte `json:"$bin"`
}

// MarshalJSON writes {"$bin": "base64"}.
func (b Binary) MarshalJSON() ([]byte, error) {
	data := []byte(b)
	if data == nil {
		data = []byte{} // nil would be null
	}
	return json.Marshal(binaryJSON{data})
}

// UnmarshalJSON reads {"$bin": "base64"}.
func (b *Binary) UnmarshalJSON(data []byte) error {
	var v binaryJSON
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&v); err != nil {
		return fmt.Errorf("binary data is {\"$bin\": base64}, not %s: %w", data, err)
	}
	*b = v.Bin
	return nil
}

// list is args as something that is never null in JSON.
func list(args []any) []any {
	if args == nil {
		return []any{}
	}
	return args
}
