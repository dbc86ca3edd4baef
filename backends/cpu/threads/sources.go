package threads

import "embed"

// Sources holds the files of this package without its tests. Generated packages have them as
// part of their run time.
//
//go:embed pause_amd64.go pause_amd64.s pause_noasm.go pool.go tasks.go wait.go
var Sources embed.FS
