package kernel

import "embed"

// Sources holds the files of this package but for its tests and generators: what
// a generated program takes along. The patterns match every name that does not
// end in _test.go (embed has no other way to say so); a test of package sources
// compares them with the folder.
//
//go:embed *[^t].go *[^s]t.go *.s
var Sources embed.FS
