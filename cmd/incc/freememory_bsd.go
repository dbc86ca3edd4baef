//go:build darwin || freebsd

package main

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// systemMemory returns half of the machine's memory, because the system does not report
// how much of it is free.
func systemMemory() (int64, bool) {
	name := "hw.memsize"
	if runtime.GOOS == "freebsd" {
		name = "hw.physmem"
	}
	n, err := unix.SysctlUint64(name)
	return int64(n / 2), err == nil && n > 0
}
