//go:build darwin || freebsd

package main

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// systemMemory is half of the machine's memory: what of it is free the system does
// not tell in a number.
func systemMemory() (int64, bool) {
	name := "hw.memsize"
	if runtime.GOOS == "freebsd" {
		name = "hw.physmem"
	}
	n, err := unix.SysctlUint64(name)
	return int64(n / 2), err == nil && n > 0
}
