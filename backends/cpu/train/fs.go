package train

import (
	"io"

	"github.com/incc-lang/incc/backends/cpu/kernel"
	"github.com/incc-lang/incc/backends/files"
)

// FS is the part of a file system that a run needs. Generated trainers write the
// same way.
type FS interface {
	kernel.FS
	// Open opens a regular file for reading and returns its size.
	Open(path string) (ReadFile, int64, error)
}

// ReadFile is a file that is being read.
type ReadFile interface {
	io.ReaderAt
	io.Closer
}

// File is a file that is being written.
type File = kernel.File

// Disk is the real file system.
type Disk struct{ kernel.Disk }

// Open implements FS. A named pipe or a device is an error.
func (Disk) Open(path string) (ReadFile, int64, error) { return files.Open(path) }
