package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// errLocked says that another process holds the lock of a file.
var errLocked = errors.New("the file is locked")

// lockRun makes the folder of a run and locks it for this process, because two
// trainings in one folder would remove each other's checkpoints. The operating system
// releases the lock when the process ends, even if it is killed. The lock file holds
// the number of the process; the error for a second process names it.
func lockRun(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, runLock)
	for {
		if fi, err := os.Lstat(path); err == nil && !fi.Mode().IsRegular() {
			return nil, fmt.Errorf("%s is not a regular file: delete it, or choose another folder with --out", path)
		}
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			return nil, err
		}
		if err := lockFile(f); err != nil {
			defer f.Close()
			if errors.Is(err, errLocked) {
				return nil, fmt.Errorf("%s is in use by another training%s: wait until it ends, or choose another folder with --out", dir, processOf(f))
			}
			return nil, fmt.Errorf("%s cannot be locked, which keeps two trainings out of one folder: %w; choose a folder on another file system with --out", path, err)
		}
		// The process that held the lock before may have removed the file between
		// opening and locking here.
		if !sameFile(f, path) {
			f.Close()
			continue
		}
		if err = f.Truncate(0); err == nil {
			_, err = fmt.Fprintf(f, "%d\n", os.Getpid())
		}
		if err != nil {
			f.Close()
			return nil, err
		}
		return func() { removeLocked(f, path) }, nil
	}
}

// sameFile reports whether a path still names an open file.
func sameFile(f *os.File, path string) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Stat(path)
	return err == nil && os.SameFile(a, b)
}

// processOf returns " (process N)" if the lock file holds a number, else "".
func processOf(f *os.File) string {
	b, err := io.ReadAll(io.NewSectionReader(f, 0, 32))
	if err != nil {
		return ""
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || pid <= 0 {
		return ""
	}
	return fmt.Sprintf(" (process %d)", pid)
}
