package train

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/backends/files"
)

// FS is the part of a file system that a run needs. Generated trainers write the
// same way.
type FS interface {
	kernel.FS
	// Open opens a regular file for reading and returns its size.
	Open(path string) (ReadFile, int64, error)
	// Replaceable refuses a path where something exists that is neither a regular file
	// nor a symbolic link. A link is replaced, never followed.
	Replaceable(path string) error
}

// ReadFile is a file that is being read.
type ReadFile interface {
	io.ReaderAt
	io.Closer
}

// File is a file that is being written.
type File = kernel.File

// Disk is the real file system. Unlike kernel.Disk it opens nothing but regular
// files, and a file that is replaced keeps its permissions.
type Disk struct{ kernel.Disk }

// Open implements FS. A named pipe or a device is an error.
func (Disk) Open(path string) (ReadFile, int64, error) { return files.Open(path) }

// Replaceable implements FS.
func (Disk) Replaceable(path string) error {
	_, err := files.Replaceable(path)
	return err
}

// Create implements FS. A file or a link at the path is removed, not written to.
// Anything else there is an error.
func (d Disk) Create(path string) (File, error) {
	if err := d.Replaceable(path); err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
}

// Rename implements FS. The file that takes the name of another also takes its
// permissions. A link under the name is replaced.
func (d Disk) Rename(from, to string) error {
	if info, err := files.Replaceable(to); err == nil && info != nil {
		if err := os.Chmod(from, info.Mode().Perm()); err != nil {
			return err
		}
	}
	return d.Disk.Rename(from, to)
}
