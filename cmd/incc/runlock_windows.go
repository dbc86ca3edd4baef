package main

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// hasLocks says whether lockFile locks files.
const hasLocks = true

// lockFile locks an open file. It does not wait: it returns errLocked if another process
// holds the lock. The locked range is far beyond the end of the file, because Windows
// does not let other processes read a locked range.
func lockFile(f *os.File) error {
	at := windows.Overlapped{OffsetHigh: 1 << 30}
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &at)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return errLocked
	}
	return err
}

// removeLocked closes the file, which releases the lock, and then removes it: Windows
// does not remove open files. If another training has opened the file, it stays.
func removeLocked(f *os.File, path string) {
	f.Close()
	_ = os.Remove(path)
}
