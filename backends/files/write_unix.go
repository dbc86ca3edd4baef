//go:build unix

package files

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// readOnly tells that a file system takes no writes.
func readOnly(err error) bool { return errors.Is(err, syscall.EROFS) }

// keepOwner gives a new file the owner of the one that it will replace. Where the
// system refuses, the owner must be the same already.
func keepOwner(f *os.File, old fs.FileInfo) bool {
	want, ok := old.Sys().(*syscall.Stat_t)
	if !ok {
		return true
	}
	fi, err := f.Stat()
	if err != nil {
		return false
	}
	have, ok := fi.Sys().(*syscall.Stat_t)
	if !ok || have.Uid == want.Uid && have.Gid == want.Gid {
		return true
	}
	return f.Chown(int(want.Uid), int(want.Gid)) == nil
}
