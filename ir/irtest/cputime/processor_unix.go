//go:build unix

package cputime

import (
	"syscall"
	"time"
)

// processor returns the processor time of this process, -1 if it is not known.
func processor() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return -1
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
