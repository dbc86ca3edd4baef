package epochs

import "embed"

// Sources holds the files of this package without its tests. Generated packages have them as
// part of their run time.
//
//go:embed batches.go schedule.go
var Sources embed.FS
