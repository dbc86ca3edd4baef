package train

import (
	"io"

	"github.com/incc-lang/incc/backends/files"
	"github.com/incc-lang/incc/backends/safetensors"
)

// FS is the part of a file system that a run needs. Generated trainers write the
// same way.
type FS interface {
	safetensors.FS
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
type File = safetensors.File

// Disk is the real file system. Unlike safetensors.Disk it opens nothing but regular
// files.
type Disk struct{ safetensors.Disk }

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
	return d.Disk.Create(path)
}
