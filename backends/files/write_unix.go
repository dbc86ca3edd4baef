//go:build unix

package files

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// readOnly reports whether an error means that the file system is read-only.
func readOnly(err error) bool { return errors.Is(err, syscall.EROFS) }

// keepOwner gives the new file f the owner and group of the file that it will replace. It
// returns false if they differ and the system does not allow the change.
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
