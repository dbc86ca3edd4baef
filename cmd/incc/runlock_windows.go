package main

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// lockFile locks an open file without waiting. The locked range is far beyond the end:
// Windows refuses to read what another process has locked.
func lockFile(f *os.File) error {
	at := windows.Overlapped{OffsetHigh: 1 << 30}
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &at)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return errLocked
	}
	return err
}

// removeLocked closes the file, which Windows does not remove while it is open.
// Where the next training has opened it, it stays.
func removeLocked(f *os.File, path string) {
	f.Close()
	_ = os.Remove(path)
}
