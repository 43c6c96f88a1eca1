//go:build unix && !linux

package child

import "syscall"

// attributes has no way to tie the child's life to ours here: a test process
// that is killed leaves its children behind.
func attributes() *syscall.SysProcAttr { return nil }

// waitStopped cannot wait here; the signal takes effect on its own soon after.
func waitStopped(int) error { return nil }
