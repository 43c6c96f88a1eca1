package diagnostics

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/roombus/roombus/domain"
)

func FuzzQuestion(f *testing.F) {
	for _, seed := range []string{
		`["diagnostics",{"v":1,"status":{},"rooms":{"namespace":"/","match":"x","limit":5}}]`,
		`["diagnostics",{"traces":{"limit":-1},"spans":{"trace":"00","offset":"1-0"}}]`,
		`["diagnostics",{"events":{"after":{"0123456789abcdef":18446744073709551615}},"samples":{"after":{}}}]`,
		`["diagnostics",{"weather":[]}]`, `["diagnostics",null]`, `["other"]`, `[5,{}]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := domain.NewServerPacket(text)
		if err != nil {
			return
		}
		q, unsupported, err := parseQuestion(p)
		if err != nil {
			return
		}
		if len(unsupported) > 10 {
			t.Errorf("%d parts are said to be unsupported", len(unsupported))
		}
		again, err := q.packet()
		if err != nil {
			return // longer than what is read
		}
		back, _, err := parseQuestion(again)
		if err != nil {
			t.Fatalf("%s cannot be read: %v", again.JSON(), err)
		}
		if want, got := encoded(t, q), encoded(t, back); want != got {
			t.Errorf("%s came back as %s", want, got)
		}
	})
}

func encoded(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"v":1,"node":"a","status":{"healthy":true,"latest":{"fields":["time","lag"],"rows":[[1,2],[3]]}}}`,
		`{"v":1,"node":"a","samples":{"fields":["new","time"],"rows":[[1,2,3,4],[]]},"events":[{"id":1}]}`,
		`{"v":1,"node":"a","spans":[{"trace":"x","attributes":{"a":"b"}}],"traces":[{}],"rooms":[{"name":"r"}]}`,
		`{"v":0}`, `null`, `"text"`, `[]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := domain.NewValue(text)
		if err != nil {
			return
		}
		a, err := parseAnswer(v)
		if err != nil {
			return
		}
		again := a.value()
		if again.Size() > MaxAnswer {
			t.Fatalf("an answer has %d bytes", again.Size())
		}
		back, err := parseAnswer(again)
		if err != nil {
			t.Fatalf("%s cannot be read: %v", again.JSON(), err)
		}
		if len(a.Truncated) == 0 && back.Error == a.Error && len(back.Events) != len(a.Events) {
			t.Errorf("of %d events came back %d", len(a.Events), len(back.Events))
		}
	})
}

// The columns of the table are the fields of Sample, all of them.
func TestSampleFields(t *testing.T) {
	if got, want := len(fieldNames()), reflect.TypeFor[Sample]().NumField(); got != want || want != sampleFields {
		t.Fatalf("%d columns, %d fields, %d", got, want, sampleFields)
	}
	var s Sample
	for i, field := range s.fields() {
		if field != nil {
			*field = float64(i)
		}
	}
	s.Time = 5
	var back Samples
	if err := json.Unmarshal([]byte(encoded(t, Samples{s})), &back); err != nil || len(back) != 1 || back[0] != s {
		t.Errorf("%+v came back as %+v, %v", s, back, err)
	}
}
