//go:build !unix

package files

import (
	"io/fs"
	"os"
)

// readOnly tells that a file system takes no writes.
func readOnly(error) bool { return false }

// keepOwner has nothing to do where a file belongs to its folder.
func keepOwner(*os.File, fs.FileInfo) bool { return true }
