package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"time"

	"golang.org/x/sys/unix"

	"github.com/roombus/roombus/bench/lab"
)

// now is the machine's monotonic clock in nanoseconds: the same in all processes, and that of Node.js'
// process.hrtime.
func now() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		return 0 // it is there on every Unix
	}
	return t.Nano()
}

// usage measures what this process uses from its making on.
type usage struct {
	cpu     time.Duration
	mallocs uint64
	bytes   uint64
	profile *os.File
	allocs  string
}

// measure begins to measure. With a profile, a path without its end, it writes profiles of the processor's time
// (.cpu) and of the memory allocated (.allocs, since the start of the process).
func measure(profile string) (*usage, error) {
	u := &usage{}
	if profile != "" {
		u.allocs = profile + ".allocs"
		file, err := os.Create(profile + ".cpu") //nolint:gosec // the path that the user asked for
		if err != nil {
			return nil, fmt.Errorf("make a profile: %w", err)
		}
		u.profile = file
		if err := pprof.StartCPUProfile(file); err != nil {
			return nil, fmt.Errorf("make a profile: %w", err)
		}
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	u.mallocs, u.bytes = memory.Mallocs, memory.TotalAlloc
	u.cpu = lab.ProcessorTime()
	return u, nil
}

// add puts what was used into an answer, and ends the profile.
func (u *usage) add(a *answer) error {
	a.CPU = float64(lab.ProcessorTime()-u.cpu) / float64(time.Microsecond)
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	allocs, bytes := memory.Mallocs-u.mallocs, memory.TotalAlloc-u.bytes
	a.Allocs, a.Bytes = &allocs, &bytes
	if u.profile == nil {
		return nil
	}
	pprof.StopCPUProfile()
	if err := u.profile.Close(); err != nil {
		return fmt.Errorf("write a profile: %w", err)
	}
	file, err := os.Create(u.allocs)
	if err != nil {
		return fmt.Errorf("write a profile: %w", err)
	}
	if err := pprof.Lookup("allocs").WriteTo(file, 0); err != nil {
		return fmt.Errorf("write a profile: %w", err)
	}
	return file.Close()
}
