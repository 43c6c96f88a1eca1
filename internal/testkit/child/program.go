package child

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

// TestProgram is the TestMain of a package whose tests run a program of this module. It builds the main package of that
// import path once, with the race detector, writes the executable's path to program, runs the tests, checks that they
// leave no goroutine behind, and ends the process.
//
//	var program string
//
//	func TestMain(m *testing.M) { child.TestProgram(m, "github.com/roombus/roombus/cmd/roombus", &program) }
func TestProgram(m *testing.M, importPath string, program *string) {
	dir, err := os.MkdirTemp("", "roombus-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "make a directory for the program:", err)
		os.Exit(1)
	}
	*program = filepath.Join(dir, filepath.Base(importPath))
	if err := build(importPath, *program); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(max(removed(dir), 1))
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) { os.Exit(max(code, removed(dir))) }))
}

func build(importPath, program string) error {
	// A program with the race detector would take a second to exit.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=10 "+os.Getenv("GORACE")); err != nil {
		return fmt.Errorf("set GORACE: %w", err)
	}
	if output, err := exec.Command("go", "build", "-race", "-o", program, importPath).CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w; it said:\n%s", importPath, err, output)
	}
	return nil
}

// removed removes the directory of a program and returns the exit code for that.
func removed(dir string) int {
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, "remove the program:", err)
		return 1
	}
	return 0
}
