package main

import (
	"strings"
	"testing"
)

const good = `{"Action":"start","Package":"p"}
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"chatter\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"--- PASS: TestA (0.00s)\n"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"PASS\n"}
{"Action":"output","Package":"p","Output":"ok  \tp\t0.010s\n"}
{"Action":"pass","Package":"p"}
{"Action":"output","Package":"q","Output":"?   \tq\t[no test files]\n"}
{"Action":"skip","Package":"q"}
`

const bad = `{"Action":"output","Package":"p","Test":"TestA/sub","Output":"    a_test.go:3: broken\n"}
{"Action":"fail","Package":"p","Test":"TestA/sub"}
{"Action":"output","Package":"p","Test":"TestA","Output":"--- FAIL: TestA (0.00s)\n"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p","Test":"TestB"}
{"Action":"output","Package":"p","Output":"FAIL\n"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.010s\n"}
{"Action":"fail","Package":"p"}
`

const broken = `{"ImportPath":"d","Action":"build-output","Output":"# d\n"}
{"ImportPath":"d","Action":"build-output","Output":"d.go:1: undefined: x\n"}
{"ImportPath":"d","Action":"build-fail"}
{"Action":"output","Package":"p","Output":"FAIL\tp [build failed]\n"}
{"Action":"fail","Package":"p","FailedBuild":"d"}
{"Action":"output","Package":"q","Output":"FAIL\tq [build failed]\n"}
{"Action":"fail","Package":"q","FailedBuild":"d"}
`

const skipped = `{"Action":"output","Package":"p","Test":"TestA","Output":"    need.go:66: NOT RUN: redis-server was not found\n"}
{"Action":"skip","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p","Test":"TestB"}
{"Action":"output","Package":"p","Output":"ok  \tp\t0.010s\n"}
{"Action":"pass","Package":"p"}
`

const crash = `{"Action":"start","Package":"p"}
{"Action":"output","Package":"p","Output":"panic: at start\n"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.010s\n"}
{"Action":"fail","Package":"p"}
not an event
{"Action":"output","Package":"q","Test":"TestEndless","Output":"=== RUN   TestEndless\n"}
{"Action":"output","Package":"q","Test":"TestEndless","Output":"its last words\n"}
`

// hang is what go test says of a test that takes too long: its package alone has a result.
const hang = `{"Action":"output","Package":"p","Test":"TestGood","Output":"chatter\n"}
{"Action":"pass","Package":"p","Test":"TestGood"}
{"Action":"output","Package":"p","Test":"TestHangs","Output":"=== RUN   TestHangs\n"}
{"Action":"output","Package":"p","Test":"TestHangs","Output":"panic: test timed out after 1s\n"}
{"Action":"output","Package":"p","Test":"TestHangs","Output":"goroutine 7 [select]:\n"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t1.010s\n"}
{"Action":"fail","Package":"p"}
`

func TestSummary(t *testing.T) {
	for _, c := range []struct {
		title, events string
		strict        bool
		passes        bool
		last          string
		shown, hidden []string
	}{
		{
			title: "good", events: good, strict: true, passes: true, last: "1 passed, 0 failed",
			shown: []string{"ok  \tp\t0.010s\n", "?   \tq"}, hidden: []string{"chatter", "RUN", "PASS"},
		},
		{
			title: "bad", events: bad, last: "1 passed, 2 failed",
			shown: []string{"a_test.go:3: broken", "--- FAIL: TestA", "FAIL\tp\t0.010s", "FAILED: 2", "p TestA/sub"},
		},
		{
			title: "does not compile", events: broken, last: "0 passed, 2 failed",
			shown: []string{"undefined: x", "FAIL\tp [build failed]", "FAIL\tq [build failed]"},
		},
		{
			title: "skipped", events: skipped, passes: true, last: "1 passed, 0 failed",
			shown: []string{"COULD NOT RUN: 1", "p TestA\n    redis-server was not found"},
		},
		{
			title: "skipped in CI", events: skipped, strict: true, last: "1 passed, 1 failed",
			shown: []string{"COULD NOT RUN: 1", "p TestA (skipped, where everything has to run)"},
		},
		{
			title: "crash", events: crash, last: "0 passed, 2 failed",
			shown: []string{"panic: at start", "not an event", "p (as a whole)", "its last words", "q (did not end) in TestEndless"},
		},
		{
			title: "hang", events: hang, last: "1 passed, 1 failed",
			shown: []string{"test timed out", "goroutine 7", "p (as a whole) in TestHangs"}, hidden: []string{"chatter", "RUN"},
		},
	} {
		t.Run(c.title, func(t *testing.T) {
			var out strings.Builder
			s := newSummary(&out, c.strict)
			if err := s.read(strings.NewReader(c.events)); err != nil {
				t.Fatal(err)
			}
			if passes := s.finish(); passes != c.passes {
				t.Errorf("passes: %t, want %t", passes, c.passes)
			}
			if !strings.HasSuffix(out.String(), "\n"+c.last+"\n") {
				t.Errorf("the last line should be %q", c.last)
			}
			for _, want := range c.shown {
				if !strings.Contains(out.String(), want) {
					t.Errorf("%q is not shown", want)
				}
			}
			for _, noise := range c.hidden {
				if strings.Contains(out.String(), noise) {
					t.Errorf("%q is shown", noise)
				}
			}
			if strings.Count(out.String(), "undefined: x") > 1 {
				t.Error("the compiler's output is shown twice")
			}
			if t.Failed() {
				t.Logf("the output:\n%s", &out)
			}
		})
	}
}
