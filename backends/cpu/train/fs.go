package train

import (
	"io"
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
	// Resolve follows the symbolic links of a path to the file that is to be written.
	// What exists there must be a regular file.
	Resolve(path string) (string, error)
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

// Resolve implements FS.
func (Disk) Resolve(path string) (string, error) {
	to, err := files.Resolve(path)
	if err != nil {
		return "", err
	}
	if info, err := os.Stat(to); err == nil {
		return to, files.Regular(path, info)
	}
	return to, nil
}

// Create implements FS. A link, a pipe or a device at the path is an error.
func (d Disk) Create(path string) (File, error) {
	if info, err := os.Lstat(path); err == nil {
		if err := files.Regular(path, info); err != nil {
			return nil, err
		}
	}
	return d.Disk.Create(path)
}

// Rename implements FS. The file that takes the name of another also takes its
// permissions.
func (d Disk) Rename(from, to string) error {
	if info, err := os.Stat(to); err == nil {
		if err := os.Chmod(from, info.Mode().Perm()); err != nil {
			return err
		}
	}
	return d.Disk.Rename(from, to)
}
