package nodes

import "embed"

// Sources are the files of this package, for generated packages.
//
//go:embed *[^t].go *[^s]t.go
var Sources embed.FS
