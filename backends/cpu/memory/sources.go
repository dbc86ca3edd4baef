package memory

import "embed"

// Sources holds the files of this package without its tests. Generated packages have them as
// part of their run time.
//
//go:embed arena.go arena_linux.go arena_other.go
var Sources embed.FS
