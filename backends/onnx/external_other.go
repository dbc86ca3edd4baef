//go:build !unix

package onnx

import "io/fs"

// links returns 1, because a FileInfo does not have the number of hard links on this
// system. (On Windows, making a hard link needs rights to the file.)
func links(fs.FileInfo) uint64 { return 1 }
