package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Machine is the processor's name, where Linux says it, and the number of its cores.
func Machine() string {
	name := runtime.GOARCH
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
				name = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%s, %d cores, %s", name, runtime.NumCPU(), runtime.GOOS)
}

// ProcessorTime is what this process has used so far, in user and kernel mode.
func ProcessorTime() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0 // it knows itself
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// Resident is the resident memory of this process in kB, after garbage is gone.
func Resident() (int, error) {
	runtime.GC()
	debug.FreeOSMemory()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(status) {
		if value, ok := bytes.CutPrefix(line, []byte("VmRSS:")); ok {
			return strconv.Atoi(string(bytes.Fields(value)[0]))
		}
	}
	return 0, errors.New("/proc/self/status has no VmRSS")
}

// OrElse is the value of an environment variable, or another.
func OrElse(variable, otherwise string) string {
	if value := os.Getenv(variable); value != "" {
		return value
	}
	return otherwise
}

// Node is the path of Node.js and its version.
func Node(ctx context.Context) (path, version string, err error) {
	if path, err = exec.LookPath(OrElse("ROOMBUS_TEST_NODE", "node")); err != nil {
		return "", "", fmt.Errorf("find Node.js: %w; install it, set ROOMBUS_TEST_NODE, or leave nodejs out (-only)", err)
	}
	out, err := exec.CommandContext(ctx, path, "--version").Output() //nolint:gosec // the program that the user chose
	if err != nil {
		return "", "", fmt.Errorf("ask Node.js for its version: %w", err)
	}
	return path, strings.TrimSpace(strings.TrimPrefix(string(out), "v")), nil
}

// Packages is the folder of the pinned Node.js packages, from the working directory upwards.
func Packages() (string, error) {
	from, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the Node.js packages: %w", err)
	}
	for at := from; ; at = filepath.Dir(at) {
		folder := filepath.Join(at, "internal", "testkit", "nodejs")
		if _, err := os.Stat(filepath.Join(folder, "package-lock.json")); err == nil {
			if _, err := os.Stat(filepath.Join(folder, "node_modules", ".package-lock.json")); err != nil {
				return "", errors.New("the Node.js packages are not installed: run make tools, or leave nodejs out (-only)")
			}
			return folder, nil
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("find the Node.js packages: no folder above %s has internal/testkit/nodejs", from)
		}
	}
}
