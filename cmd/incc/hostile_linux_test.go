package main

import (
	"os"
	"strconv"
	"strings"
	"syscall"
)

// limitMemory limits the address space of this process, in bytes.
func limitMemory(bytes uint64) {
	if err := syscall.Setrlimit(syscall.RLIMIT_AS, &syscall.Rlimit{Cur: bytes, Max: bytes}); err != nil {
		panic(err)
	}
}

// peakMemory returns the largest resident memory of this process so far, in bytes. (The
// rusage of a child process cannot be used, because it begins with the value of its
// parent.)
func peakMemory() int64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		panic(err)
	}
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	line, _, _ := strings.Cut(rest, "kB")
	n, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
	if err != nil {
		panic(err)
	}
	return n << 10
}
