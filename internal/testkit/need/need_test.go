package need

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func script(t *testing.T, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func example(name string) *program {
	return &program{
		title: "Example", variable: "ROOMBUS_TEST_EXAMPLE", names: []string{name},
		minimum: 7, version: regexp.MustCompile(`v(\d+)`), install: "apt-get install example",
	}
}

func TestFind(t *testing.T) {
	for _, c := range []struct {
		title, body, want string
	}{
		{"new enough", "echo v7.0.15", ""},
		{"newer, more digits", "echo v10.1", ""},
		{"too old", "echo v6.2", "6, but 7 or later is needed"},
		{"no version", "echo hello", "names no version"},
		{"fails", "exit 3", "exit status 3"},
	} {
		t.Run(c.title, func(t *testing.T) {
			path := script(t, c.body)
			found, err := example(path).find()
			if c.want == "" && (err != nil || found != path) {
				t.Fatalf("found %q, %v; want %q", found, err, path)
			}
			if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Fatalf("the error is %v; want one that contains %q", err, c.want)
			}
		})
	}
}

// TestFindTriesEachName: the first that has what is needed is taken.
func TestFindTriesEachName(t *testing.T) {
	bare, full := script(t, `test "$1" = --version && echo v7`), script(t, `echo v7`)
	p := example(bare)
	p.imports = "what"
	if _, err := p.find(); err == nil || !strings.Contains(err.Error(), "cannot import what") {
		t.Errorf("the error is %v", err)
	}
	p.names = []string{bare, full}
	if found, err := p.find(); err != nil || found != full {
		t.Errorf("found %q, %v; want %q", found, err, full)
	}
}

func TestFindNamesWhatToInstall(t *testing.T) {
	_, err := example("no-such-program-anywhere").find()
	for _, want := range []string{"Example", "apt-get install example", "ROOMBUS_TEST_EXAMPLE"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v; want one that contains %q", err, want)
		}
	}
}

func TestVariableOverridesThePath(t *testing.T) {
	path := script(t, "echo v7")
	t.Setenv("ROOMBUS_TEST_EXAMPLE", path)
	if found, err := example("sh").find(); err != nil || found != path {
		t.Fatalf("found %q, %v; want %q", found, err, path)
	}
	t.Setenv("ROOMBUS_TEST_EXAMPLE", "/nowhere/at/all")
	if _, err := example("sh").find(); err == nil || !strings.Contains(err.Error(), "unset ROOMBUS_TEST_EXAMPLE") {
		t.Fatalf("the error is %v; want the advice to unset the variable", err)
	}
}

// ending records how a test was ended instead of ending it.
type ending struct {
	testing.TB

	how, why string
}

func (e *ending) Helper() {}

func (e *ending) Fatalf(format string, a ...any) { e.endf("failed", format, a...) }

func (e *ending) Skipf(format string, a ...any) { e.endf("skipped", format, a...) }

// endf keeps the first ending: a Fatalf of testing.T does not return, this one does.
func (e *ending) endf(how, format string, a ...any) {
	if e.how == "" {
		e.how, e.why = how, fmt.Sprintf(format, a...)
	}
}

func TestMissing(t *testing.T) {
	for _, c := range []struct{ require, ci, want string }{
		{"", "", "skipped"},
		{"0", "false", "skipped"},
		{"1", "", "failed"},
		{"", "true", "failed"},
	} {
		t.Setenv("ROOMBUS_TEST_REQUIRE", c.require)
		t.Setenv("CI", c.ci)
		end := &ending{TB: t}
		Missing(end, "the thing is missing")
		if end.how != c.want || !strings.Contains(end.why, "the thing is missing") {
			t.Errorf("REQUIRE=%q CI=%q: %s (%s), want %s", c.require, c.ci, end.how, end.why, c.want)
		}
	}
}
