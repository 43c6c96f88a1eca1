package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestSecretsAreNeverWritten(t *testing.T) {
	for url, secrets := range map[string][]string{
		"redis://user:geheim@localhost:6379/0":   {"geheim"},
		"redis://:geheim@localhost":              {"geheim"},
		"redis://geheim@localhost":               {"geheim"}, // meant as a password, although it is a name
		"redis://user:p%40ss%2Fword@localhost":   {"p@ss/word", "p%40ss%2Fword"},
		"redis://user:a@b:c/d@localhost:6379":    {"a@b:c/d"},
		`redis://user:quo"te\d@localhost`:        {`quo"te\d`},
		"redis://localhost:6379?password=geheim": {"geheim"},
	} {
		var out bytes.Buffer
		w := newVeil(url).writer(&out)
		fmt.Fprintf(w, "cannot connect to %s: %q\n", url, url)
		for _, handler := range []slog.Handler{slog.NewTextHandler(w, nil), slog.NewJSONHandler(w, nil)} {
			for _, secret := range secrets {
				slog.New(handler).Error("failed", "error", fmt.Errorf("AUTH with %s", secret), "url", url)
			}
		}
		for _, secret := range secrets {
			for _, form := range []string{secret, strings.Trim(fmt.Sprintf("%q", secret), `"`)} {
				if strings.Contains(out.String(), form) {
					t.Errorf("%s: %s is shown:\n%s", url, form, out.String())
				}
			}
		}
		if !strings.Contains(out.String(), "localhost") {
			t.Errorf("%s: the host is not shown:\n%s", url, out.String())
		}
	}
}

func TestOtherSecretsAreNeverWritten(t *testing.T) {
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(newVeil("", "", forwardSecret).writer(&out), nil)).Info("it is " + forwardSecret)
	if strings.Contains(out.String(), "geheim") || !strings.Contains(out.String(), "it is "+veiled) {
		t.Errorf("the log has %s", out.String())
	}
}

func TestWithoutASecretNothingIsReplaced(t *testing.T) {
	var out bytes.Buffer
	for _, url := range []string{"", "redis://localhost:6379", "/no/url"} {
		out.Reset()
		fmt.Fprint(newVeil(url).writer(&out), "as it is ", url)
		if out.String() != "as it is "+url {
			t.Errorf("%q became %q", "as it is "+url, out.String())
		}
	}
}

func TestTheConsolesPasswordIsNeverWritten(t *testing.T) {
	var out bytes.Buffer
	_, _ = fmt.Fprintf(newVeil("", `"geheim" & 1`).writer(&out), "the password is %s, or %q", `"geheim" & 1`, `"geheim" & 1`)
	if strings.Contains(out.String(), "geheim") {
		t.Errorf("it is shown: %s", &out)
	}
}
