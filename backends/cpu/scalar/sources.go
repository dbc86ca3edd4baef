package scalar

import "embed"

// Sources holds the files of this package without its tests. Generated packages have them as
// part of their run time.
//
//go:embed math.go
var Sources embed.FS
