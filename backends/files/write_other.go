//go:build !unix

package files

import (
	"io/fs"
	"os"
)

// readOnly reports whether an error means that the file system is read-only.
func readOnly(error) bool { return false }

// keepOwner does nothing on systems where it does not know the owner of a file.
func keepOwner(*os.File, fs.FileInfo) bool { return true }
