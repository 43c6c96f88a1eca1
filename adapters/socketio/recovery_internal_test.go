package socketio

import (
	"bytes"
	"strings"
	"testing"

	"github.com/roombus/roombus/domain"
)

func TestNewRecovery(t *testing.T) {
	long := strings.Repeat("a", 10_000)
	for name, test := range map[string]struct {
		auth     string
		asked    bool
		id, seen string
		rest     string
	}{
		"nothing":                 {"", false, "", "", ""},
		"an ordinary client":      {`{"token":"x"}`, false, "", "", `{"token":"x"}`},
		"both":                    {`{"pid":"aB-_9","offset":"1-0"}`, true, "aB-_9", "1-0", ""},
		"and a token":             {`{"pid":"a","offset":"1-0","token":{"b":[1]}}`, true, "a", "1-0", `{"token":{"b":[1]}}`},
		"nothing received":        {`{"pid":"a"}`, true, "a", "", ""},
		"what is no offset":       {`{"pid":"a","offset":"hello world"}`, true, "a", "hello world", ""},
		"no id":                   {`{"offset":"1-0"}`, false, "", "", `{"offset":"1-0"}`},
		"an empty id":             {`{"pid":""}`, false, "", "", `{"pid":""}`},
		"an id of another type":   {`{"pid":7}`, false, "", "", `{"pid":7}`},
		"an id for another key":   {`{"pid":"a:b*"}`, false, "", "", `{"pid":"a:b*"}`},
		"a long id":               {`{"pid":"` + long + `"}`, false, "", "", `{"pid":"` + long + `"}`},
		"an offset of no type":    {`{"pid":"a","offset":null}`, false, "", "", `{"pid":"a","offset":null}`},
		"an offset that is a map": {`{"pid":"a","offset":{}}`, false, "", "", `{"pid":"a","offset":{}}`},
		"a long offset":           {`{"pid":"a","offset":"` + long + `"}`, false, "", "", `{"pid":"a","offset":"` + long + `"}`},
		"an array":                {`["pid"]`, false, "", "", `["pid"]`},
		"a text":                  {`"pid"`, false, "", "", `"pid"`},
	} {
		var auth domain.Value
		if test.auth != "" {
			var err error
			if auth, err = domain.NewValue([]byte(test.auth)); err != nil {
				t.Fatal(err)
			}
		}
		r, rest := newRecovery(auth)
		if r.asked != test.asked || string(r.id) != test.id || string(r.seen) != test.seen || string(rest.JSON()) != test.rest {
			t.Errorf("%s: asked %t for %q after %q, and %s", name, r.asked, r.id, r.seen, rest.JSON())
		}
	}
}

// FuzzNewRecovery gives a server whatever a client may say. What it asks for can be looked up, and the application is not
// shown it.
func FuzzNewRecovery(f *testing.F) {
	for _, auth := range []string{
		`{"pid":"aB-_9","offset":"1-0","token":"x"}`, `{"pid":"","offset":""}`, `{"pid":{"_placeholder":true,"num":0}}`, `[]`,
	} {
		f.Add([]byte(auth))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		auth, err := domain.NewValue(text, []byte{1})
		if err != nil {
			return
		}
		r, rest := newRecovery(auth)
		if !r.asked {
			if !bytes.Equal(rest.JSON(), auth.JSON()) {
				t.Errorf("%s: nothing is asked for, but the application is shown %s", auth.JSON(), rest.JSON())
			}
			return
		}
		if !isSessionID(string(r.id)) || len(r.seen) > maxOffset {
			t.Errorf("%s asks for %q after %q", auth.JSON(), r.id, r.seen)
		}
		if again, _ := newRecovery(rest); again.asked {
			t.Errorf("%s: the application is shown %s", auth.JSON(), rest.JSON())
		}
	})
}
