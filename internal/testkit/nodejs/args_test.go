package nodejs

import (
	"encoding/json"
	"testing"
)

func TestArgs(t *testing.T) {
	args := Args{json.RawMessage(`"a"`), json.RawMessage(`{"$bin":"AQI="}`), json.RawMessage(`null`)}
	if got, want := args.String(), `["a",{"$bin":"AQI="},null]`; got != want {
		t.Errorf("as text %s, want %s", got, want)
	}
	var name string
	var data Binary
	if err := args.Decode(&name, &data); err != nil || name != "a" || string(data) != "\x01\x02" {
		t.Errorf("decoded %q, %q, %v", name, data, err)
	}
	if err := args.Decode(&name, &name); err == nil {
		t.Error("binary data decoded into a string")
	}
	if err := args.Decode(&name, &data, &name, &name); err == nil {
		t.Error("decoded four of three arguments")
	}
}

func TestBinaryJSON(t *testing.T) {
	for _, b := range []Binary{nil, {}, {0, 255}} {
		text, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		var back Binary
		if err := json.Unmarshal(text, &back); err != nil || string(back) != string(b) {
			t.Errorf("%v became %s and %v (%v)", []byte(b), text, []byte(back), err)
		}
	}
	var b Binary
	for _, text := range []string{`"AQI="`, `{"bin":"AQI="}`, `[1]`} {
		if err := json.Unmarshal([]byte(text), &b); err == nil {
			t.Errorf("%s was taken for binary data", text)
		}
	}
}
