package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// event is a line of `go test -json` (go doc cmd/test2json).
type event struct {
	Action      string `json:"Action"`
	Package     string `json:"Package"`
	ImportPath  string `json:"ImportPath"` // of build-output and build-fail
	Test        string `json:"Test"`
	Output      string `json:"Output"`
	FailedBuild string `json:"FailedBuild"`
}

// summary shows events as they come and counts them.
type summary struct {
	out    io.Writer
	err    error // the first of writing to out
	strict bool  // a skipped test is a failure

	packages map[string]*progress
	builds   map[string]*strings.Builder // the compiler's output
	passed   int
	failed   int
	failures []string // names, for the end
	notRun   []string // sentences
	told     map[string]bool
}

// progress is a package whose tests are running.
type progress struct {
	lines  []line
	failed map[string]bool
	ended  map[string]bool // tests that have a result
}

type line struct{ test, text string }

func newSummary(out io.Writer, strict bool) *summary {
	return &summary{
		out: out, strict: strict, packages: map[string]*progress{},
		builds: map[string]*strings.Builder{}, told: map[string]bool{},
	}
}

// maxLine is the longest line of go test's output that is read.
const maxLine = 64 << 20

// read takes in the whole output of `go test -json`. Lines that are no events are
// shown as they are.
func (s *summary) read(from io.Reader) error {
	scanner := bufio.NewScanner(from)
	scanner.Buffer(nil, maxLine)
	for scanner.Scan() {
		var e event
		if text := scanner.Bytes(); !bytes.HasPrefix(text, []byte("{")) || json.Unmarshal(text, &e) != nil {
			s.printf("%s\n", text)
			continue
		}
		s.take(e)
	}
	return scanner.Err()
}

func (s *summary) take(e event) {
	switch e.Action {
	case "build-output":
		if s.builds[e.ImportPath] == nil {
			s.builds[e.ImportPath] = new(strings.Builder)
		}
		s.builds[e.ImportPath].WriteString(e.Output)
	case "output":
		p := s.progress(e.Package)
		p.lines = append(p.lines, line{e.Test, e.Output})
	case "pass", "fail", "skip":
		if e.Test != "" {
			s.test(e)
			return
		}
		s.packageEnds(e)
	}
}

func (s *summary) test(e event) {
	name := e.Package + " " + e.Test
	s.progress(e.Package).ended[e.Test] = true
	switch e.Action {
	case "pass":
		s.passed++
	case "fail":
		s.progress(e.Package).failed[e.Test] = true
		s.fail(name)
		s.cannotRun(e)
	case "skip":
		s.cannotRun(e)
		if s.strict {
			s.progress(e.Package).failed[e.Test] = true
			s.fail(name + " (skipped, where everything has to run)")
		}
	}
}

// cannotRun looks in a test's output for why it could not run (package need), or
// why it was skipped, and notes it.
func (s *summary) cannotRun(e event) {
	reason := ""
	for _, l := range s.progress(e.Package).lines {
		if l.test != e.Test {
			continue
		}
		for _, mark := range []string{"CANNOT RUN: ", "NOT RUN: "} {
			if _, why, found := strings.Cut(l.text, mark); found && reason == "" {
				reason = strings.TrimSpace(why)
			}
		}
	}
	if reason == "" && e.Action == "skip" {
		reason = "it was skipped"
	}
	if reason != "" {
		s.notRun = append(s.notRun, fmt.Sprintf("%s %s\n    %s", e.Package, e.Test, reason))
	}
}

// packageEnds shows a package's result, and what belongs to its failures.
func (s *summary) packageEnds(e event) {
	p := s.progress(e.Package)
	delete(s.packages, e.Package)
	if e.Action == "fail" && len(p.failed) == 0 {
		s.fail(e.Package + " (as a whole)" + p.unfinished())
	}
	// A package that others are built from is shown once.
	if build := s.builds[e.FailedBuild]; build != nil && !s.told[e.FailedBuild] {
		s.told[e.FailedBuild] = true
		s.printf("%s", build)
	}
	s.showLines(p, e.Action)
}

func (s *summary) showLines(p *progress, action string) {
	for _, l := range p.lines {
		if p.shows(l, action) {
			s.printf("%s", l.text)
		}
	}
}

// unfinished names the tests of a package that have said something and have no result: one of them hung, or crashed.
func (p *progress) unfinished() string {
	var names []string
	for _, l := range p.lines {
		if l.test != "" && !p.ended[l.test] && !slices.Contains(names, l.test) {
			names = append(names, l.test)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return " in " + strings.Join(names, ", ")
}

// shows tells whether a line is worth showing: the results of packages always, and
// what failed tests and packages said, and tests that were running when their package ended.
func (p *progress) shows(l line, action string) bool {
	for _, noise := range []string{"=== ", "PASS\n", "--- PASS", "FAIL\n"} {
		if strings.HasPrefix(strings.TrimLeft(l.text, " "), noise) {
			return false
		}
	}
	if l.test != "" {
		return p.failed[l.test] || action == "fail" && !p.ended[l.test]
	}
	return action == "fail" || strings.HasPrefix(l.text, "ok  \t") || strings.HasPrefix(l.text, "?   \t")
}

func (s *summary) fail(name string) {
	s.failed++
	s.failures = append(s.failures, name)
}

// finish shows the end and tells whether nothing failed.
func (s *summary) finish() bool {
	// A package without a result: go test was ended from outside.
	for _, name := range slices.Sorted(maps.Keys(s.packages)) {
		p := s.packages[name]
		s.showLines(p, "fail")
		s.fail(name + " (did not end)" + p.unfinished())
	}
	s.block("COULD NOT RUN", s.notRun)
	s.block("FAILED", s.failures)
	s.printf("%d passed, %d failed\n", s.passed, s.failed)
	return s.failed == 0 && s.err == nil
}

func (s *summary) block(title string, entries []string) {
	if len(entries) == 0 {
		return
	}
	rule := strings.Repeat("=", 72)
	s.printf("\n%s\n%s: %d\n\n  %s\n%s\n\n", rule, title, len(entries), strings.Join(entries, "\n  "), rule)
}

func (s *summary) progress(name string) *progress {
	if s.packages[name] == nil {
		s.packages[name] = &progress{failed: map[string]bool{}, ended: map[string]bool{}}
	}
	return s.packages[name]
}

func (s *summary) printf(format string, args ...any) {
	if _, err := fmt.Fprintf(s.out, format, args...); err != nil && s.err == nil {
		s.err = fmt.Errorf("show the results: %w", err)
	}
}
