package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// veil hides secrets, such as the password of a URL, in all that the program says, whoever put it there. The nil veil hides nothing.
type veil struct{ replace *strings.Replacer }

const veiled = "xxxxx"

// userinfo is the part of a URL between the scheme and the host, also of one that cannot be parsed: its password may
// have any characters.
var userinfo = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9+.-]*://(?:[^:@/]*:)?(.+)@[^@]*$`)

// newVeil returns a veil for the secrets of a URL, and for others; empty ones are none.
func newVeil(secretURL string, others ...string) *veil {
	var secrets []string
	add := func(secret string) {
		forms := []string{secret, strconv.Quote(secret), url.QueryEscape(secret), url.PathEscape(secret)}
		if inJSON, err := json.Marshal(secret); err == nil {
			forms = append(forms, string(inJSON))
		}
		for _, form := range forms {
			if form = strings.Trim(form, `"`); form != "" {
				secrets = append(secrets, form, veiled)
			}
		}
	}
	for _, secret := range others {
		add(secret)
	}
	if match := userinfo.FindStringSubmatch(secretURL); match != nil {
		add(match[1])
	}
	if u, err := url.Parse(secretURL); err == nil {
		password, _ := u.User.Password()
		add(password)
		add(u.Query().Get("password"))
		add(u.Query().Get("sentinel_password"))
	}
	for _, secret := range others {
		add(secret)
	}
	if len(secrets) == 0 {
		return nil
	}
	return &veil{strings.NewReplacer(secrets...)}
}

// writer returns a writer to w. What is written at once is looked at as a whole: the loggers write a line at a time.
func (v *veil) writer(w io.Writer) io.Writer {
	if v == nil {
		return w
	}
	return &veiledWriter{to: w, veil: v}
}

// error returns err, or an error of the same meaning for the exit code whose text shows no secret.
func (v *veil) error(err error) error {
	if v == nil || err == nil {
		return err
	}
	text := v.replace.Replace(err.Error())
	if _, usage := errors.AsType[*usageError](err); usage {
		return &usageError{text}
	}
	if _, partial := errors.AsType[*partialError](err); partial {
		return &partialError{text}
	}
	return errors.New(text)
}

type veiledWriter struct {
	to   io.Writer
	veil *veil
}

// Write writes p without the secrets.
func (w *veiledWriter) Write(p []byte) (int, error) {
	if _, err := w.veil.replace.WriteString(w.to, string(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}
