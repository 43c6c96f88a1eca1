//go:build unix

package diagnostics

import (
	"syscall"
	"time"
)

// cpuTime is the processor time that this process has taken so far; 0 where it cannot be told.
func cpuTime() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
