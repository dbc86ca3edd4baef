//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package main

import (
	"errors"
	"os"
	"syscall"
)

// hasLocks says whether lockFile locks files.
const hasLocks = true

// lockFile locks an open file. It does not wait: it returns errLocked if another
// process holds the lock.
func lockFile(f *os.File) error {
	for {
		switch err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EWOULDBLOCK):
			return errLocked
		default:
			return err
		}
	}
}

// removeLocked removes the file while it is still locked, then closes it, which
// releases the lock.
func removeLocked(f *os.File, path string) {
	_ = os.Remove(path)
	f.Close()
}
