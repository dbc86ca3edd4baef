//go:build !darwin && !dragonfly && !freebsd && !linux && !netbsd && !openbsd && !windows

package main

import "os"

// hasLocks says whether lockFile locks files.
const hasLocks = false

// lockFile does nothing: this system has no locks that it releases when the process
// ends.
func lockFile(*os.File) error { return nil }

func removeLocked(f *os.File, path string) {
	f.Close()
	_ = os.Remove(path)
}
