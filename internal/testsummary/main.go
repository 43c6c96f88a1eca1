// Command testsummary runs `go test` and counts what it did.
//
//	testsummary [-race -count=1 ...] ./...
//
// Its arguments are those of `go test`. It shows go test's line for each package,
// and the output of packages and tests that failed. Then come, in a block of their
// own, the tests that could not run, with what they lack; and the last line is
//
//	1234 passed, 0 failed
//
// which counts tests, subtests, examples and the seeds of fuzz targets, and a
// package that failed without a test that did (it did not compile, or it crashed)
// as one failure. Where everything has to run (CI or ROOMBUS_TEST_REQUIRE is set
// to 1 or true), a skipped test counts as failed. The exit code is 0 if nothing
// failed.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
)

func main() {
	passed, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintf(os.Stderr, "testsummary: %v\n", err)
	}
	if !passed {
		os.Exit(1)
	}
}

func run(args []string) (bool, error) {
	cmd := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return false, fmt.Errorf("start go test: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return false, fmt.Errorf("start go test: %w", err)
	}
	s := newSummary(os.Stdout, isSet("CI") || isSet("ROOMBUS_TEST_REQUIRE"))
	readErr := s.read(out)
	waitErr := cmd.Wait()
	if waitErr != nil && s.failed == 0 {
		s.fail("go test itself: " + waitErr.Error())
	}
	if waitErr == nil && readErr != nil {
		s.fail("the output of go test: " + readErr.Error())
	}
	return s.finish(), errors.Join(readErr, s.err)
}

func isSet(variable string) bool {
	set, err := strconv.ParseBool(os.Getenv(variable))
	return err == nil && set
}
