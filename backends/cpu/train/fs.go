package train

import "github.com/incc-lang/incc/backends/cpu/kernel"

// FS is the part of a file system that a run needs; generated trainers write the
// same way.
type FS = kernel.FS

// File is a file that is being written.
type File = kernel.File

// Disk is the real file system.
type Disk = kernel.Disk
