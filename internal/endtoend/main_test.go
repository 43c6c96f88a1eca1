package endtoend

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

// program is `roombus`, built once, with the race detector.
var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "roombus-endtoend-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "make a directory for the program:", err)
		os.Exit(1)
	}
	// A program with the race detector would take a second to exit.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=10 "+os.Getenv("GORACE")); err != nil {
		fmt.Fprintln(os.Stderr, "set GORACE:", err)
		os.Exit(1)
	}
	program = filepath.Join(dir, "roombus")
	build := exec.Command("go", "build", "-race", "-o", program, "github.com/roombus/roombus/cmd/roombus")
	if output, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the program: %v\n%s", err, output)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if err := os.RemoveAll(dir); err != nil {
			fmt.Fprintln(os.Stderr, "remove the program:", err)
			code = max(code, 1)
		}
		os.Exit(code)
	}))
}
