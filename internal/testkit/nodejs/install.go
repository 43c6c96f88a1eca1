package nodejs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/roombus/roombus/internal/testkit/need"
)

// installTime is for `npm ci` on a slow line.
const installTime = 5 * time.Minute

// installed is the one installation of this process.
var installed = sync.OnceValues(func() (string, error) {
	dir, err := find()
	if err != nil {
		return "", err
	}
	return dir, installIn(dir, os.Getenv("ROOMBUS_TEST_NPM"))
})

// install returns this package's directory, with the packages of its lock file in
// node_modules. If they are not there, or are older than the lock file, they are
// installed first; processes that want that at the same time wait for one another.
func install(t testing.TB) string {
	t.Helper()
	dir, err := find()
	if err != nil {
		t.Fatal(err)
	}
	if !upToDate(dir) {
		need.NPM(t)
	}
	dir, err = installed()
	if err != nil {
		need.Missing(t, err.Error())
	}
	return dir
}

// Modules is the directory node_modules of this package, with the packages of its lock file.
func Modules(t testing.TB) string {
	t.Helper()
	return filepath.Join(install(t), "node_modules")
}

// find looks for this directory from the working directory upwards: that of a
// test is its package's.
func find() (string, error) {
	from, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the Node.js scripts: %w", err)
	}
	for at := from; ; at = filepath.Dir(at) {
		dir := filepath.Join(at, "internal", "testkit", "nodejs")
		if _, err := os.Stat(filepath.Join(dir, "package-lock.json")); err == nil {
			return dir, nil
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("find the Node.js scripts: no directory above %s has internal/testkit/nodejs", from)
		}
	}
}

func installIn(dir, npm string) (err error) {
	lock, err := os.OpenFile(filepath.Join(dir, ".install.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("lock %s: %w", dir, err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }() // which unlocks
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", dir, err)
	}
	if upToDate(dir) {
		return nil
	}
	if npm == "" {
		npm = "npm"
	}
	ctx, cancel := context.WithTimeout(context.Background(), installTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = dir
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci in %s: %w; it said:\n%s", dir, err, output)
	}
	return nil
}

// upToDate tells whether npm has installed after the lock file last changed. The
// Makefile uses the same rule.
func upToDate(dir string) bool {
	record, err := os.Stat(filepath.Join(dir, "node_modules", ".package-lock.json"))
	if err != nil {
		return false
	}
	lock, err := os.Stat(filepath.Join(dir, "package-lock.json"))
	return err == nil && !record.ModTime().Before(lock.ModTime())
}
